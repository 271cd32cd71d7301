"""A shop's orders, as awkward as real ones: bases that many orders share, and the times and numbers of each.

A base is an order whose own values (its id, its dates, the order it belongs to) are marks; order_store.py puts
them in when it answers, so that a million orders cost no more than their numbers and dates.
"""

from __future__ import annotations

import hashlib
import random
import unicodedata
from dataclasses import dataclass

from bulkmove.sandbox import words
from bulkmove.sandbox.calls import Json
from bulkmove.sandbox.places import county_towns
from bulkmove.sandbox.products import Product

ID = "⟦id⟧"
ID_TEXT = "⟦id-text⟧"
CREATED = "⟦created⟧"
MODIFIED = "⟦modified⟧"
RELATED = "⟦related⟧"

MOST_BASES = 2048
_LINE_COUNTS = (1, 2, 3, 4, 5, 6, 8, 12, 20)
_LINE_WEIGHTS = (74, 14.5, 5, 2.5, 2, 1, 0.4, 0.15, 0.05)
_ONE_PRODUCT_ON_FIVE_LINES = 90


@dataclass(frozen=True, slots=True)
class OrderBase:
    """An order with marks; `is_split` says that its id is its parent's with a suffix, such as `95750870.3`."""

    order: Json
    is_split: bool


def make_bases(*, seed: int, count: int, products: tuple[Product, ...], fractional: bool) -> list[OrderBase]:
    """`count` bases; the first ones run through every payment and shipping status."""
    rng = random.Random(f"orders {seed}")
    return [_base(rng, index, products=products, fractional=fractional) for index in range(count)]


def _base(rng: random.Random, index: int, *, products: tuple[Product, ...], fractional: bool) -> OrderBase:
    lines = _lines(rng, index, products=products, fractional=fractional)
    is_split = index % 140 == 9
    order: Json = {"id": ID}
    if is_split:
        order["parent_id"] = RELATED
    elif index % 75 == 11:
        order["return_source_id"] = RELATED
    elif index % 75 == 12:
        order["rma_orders"] = [{"id": RELATED, "type": rng.choice(("return", "exchange"))}]
    order |= _statuses(rng, index)
    order |= _amounts(rng, lines)
    customer = _customer(rng)
    order |= customer.account
    order |= {
        "date_created": CREATED,
        "date_modified": MODIFIED,
        "created_by": rng.choice(("customer", "customer", "account", "user")),
        "meta_fields": rng.choice((None, None, None, {"utm_source": "newsletter", "ref": "☃"}, [])),
        "tags": _tags(rng),
    }
    if order["shipping_status"] in {"shipped", "delivered", "returned"}:
        order["date_shipped"] = MODIFIED
        order["date_delivered"] = None if order["shipping_status"] == "shipped" else MODIFIED
    order |= customer.billing
    order |= customer.shipping
    order["line_items"] = lines
    order |= _papers(rng, index)
    return OrderBase(order=_without_some(rng, order), is_split=is_split)


def _statuses(rng: random.Random, index: int) -> Json:
    payments, shippings = words.PAYMENT_STATUSES, words.SHIPPING_STATUSES
    if index < len(payments) * 2:
        payment, shipping = payments[index % len(payments)], shippings[index % len(shippings)]
    else:
        payment = rng.choices(payments, words.PAYMENT_WEIGHTS)[0]
        shipping = rng.choices(shippings, words.SHIPPING_WEIGHTS)[0]
    method = rng.choices(words.PAYMENT_METHODS, words.PAYMENT_METHOD_WEIGHTS)[0]
    carrier_id, carrier = rng.choice(words.SHIPPING_METHODS)
    channel = rng.choice(words.CHANNELS)
    return {
        "channel_name": channel,
        "channel_ref_id": str(rng.randrange(10**8)) if channel else None,
        "payment_status": payment[0],
        "payment_status_text": payment[1],
        "payment_substatus_id": rng.choice((None, None, 11, 12)),
        "payment_substatus_text": None,
        "payment_method_code": method[0],
        "payment_method_name": method[1],
        "payment_transaction_id": f"VADE0B{rng.randrange(10**6):06}"
        if method[0] != "cash_delivery"
        else None,
        "shipping_status": shipping[0],
        "shipping_status_text": shipping[1],
        "shipping_substatus_id": rng.choice((None, 21, 22)),
        "shipping_substatus_text": None,
        "shipping_method_id": carrier_id,
        "shipping_method_name": carrier,
        "shipping_delivery_info": (
            {
                "delivery_time": "24-48h",
                "pickup_address": {"id": rng.randrange(9000), "name": "easybox Piața Sudului"},
            }
            if carrier_id == "102"
            else []
        ),
        "shipping_awb": str(rng.randrange(10**10, 10**11))
        if shipping[0] in {"shipped", "delivered"}
        else None,
    }


def _amounts(rng: random.Random, lines: list[Json]) -> Json:
    shipping = rng.choice((0, 15, 19.99, 161.16, None))
    return {
        "shipping_amount": shipping,
        "shipping_tax_amount": None if shipping is None else round(shipping * 19 / 119, 2),
        "total_amount": round(sum(line["line_subtotal_gross"] for line in lines) + (shipping or 0), 2),
        "currency": "RON",
        "original_currency": rng.choice((None, None, "EUR")),
        "currency_rate": rng.choice((None, 4.9763)),
        "coupon_code": rng.choice(words.COUPONS),
    }


@dataclass(frozen=True, slots=True)
class _Customer:
    account: Json
    billing: Json
    shipping: Json


def _customer(rng: random.Random) -> _Customer:
    name = f"{rng.choice(words.FIRST_NAMES)} {rng.choice(words.LAST_NAMES)}"
    if rng.random() < 0.05:
        name = unicodedata.normalize("NFD", name)
    number = rng.randrange(1, 400_000)
    account: Json = {
        "customer_id": number,
        "customer_email": f"client{number}@exemplu.ro" if rng.random() < 0.97 else None,
        "customer_ip_address": rng.choice(("", f"95.77.{rng.randrange(256)}.{rng.randrange(256)}")),
        "customer_ip_country": rng.choice(("RO", "ro", "MD", "")),
        "customer_device": rng.choice(("desktop", "mobile", "manual")),
        "customer_lang": rng.choice(("ro_RO", "ro_RO", "hu_HU", None)),
        "customer_note": rng.choice(words.NOTES),
        "customer_notification": rng.choice((None, None, "", "Coletul a fost predat curierului 📦")),
        "internal_notes": [{"id": rng.randrange(10**6), "text": "sunat, <i>revine</i> mâine"}]
        if rng.random() < 0.1
        else [],
    }
    is_company = rng.random() < 0.12
    identity: Json = {
        "billing_type": "company" if is_company else "individual",
        "billing_name": name,
        "billing_company_name": rng.choice(words.COMPANIES) if is_company else None,
        "billing_company_number": f"J40/{rng.randrange(20000)}/20{rng.randrange(10, 25)}"
        if is_company
        else None,
        "billing_company_vat": f"RO{rng.randrange(10**7)}" if is_company else None,
        "billing_company_bank_name": rng.choice(words.BANKS) if is_company else None,
        "billing_company_bank_account": f"RO49AAAA1B31{rng.randrange(10**12):012}" if is_company else None,
    }
    home = _address(rng)
    away = home if rng.random() < 0.85 else _address(rng)
    return _Customer(
        account=account,
        billing=identity | {f"billing_{key}": value for key, value in home.items()},
        shipping={"shipping_name": name} | {f"shipping_{key}": value for key, value in away.items()},
    )


def _address(rng: random.Random) -> Json:
    """An address; some spell their town without diacritics, some have none of the parts at all."""
    county = rng.randrange(len(words.COUNTIES))
    name, _, postal = words.COUNTIES[county]
    town = rng.choice(county_towns(county))
    if rng.random() < 0.3:
        name, town = _plain(name), _plain(town)
    if rng.random() < 0.05:
        town = town.lower()
    is_empty = rng.random() < 0.03
    return {
        "country_code": "RO",
        "country_name": "România",
        "state": name,
        "city": town,
        "address": "" if is_empty else f"{rng.choice(words.STREETS)}, nr. {rng.randint(1, 240)}",
        "postal_code": rng.choice(("", None)) if is_empty else f"{postal}{rng.randrange(10_000):04}",
        "phone": rng.choice(("07{:08}", "+40 7{:08}", "0040-7{:08}", "")).format(rng.randrange(10**8)),
    }


def _plain(text: str) -> str:
    return "".join(sign for sign in unicodedata.normalize("NFD", text) if not unicodedata.combining(sign))


def _tags(rng: random.Random) -> list[Json] | None:
    if rng.random() < 0.8:
        return None
    return [
        {"id": words.TAGS.index(tag) + 1, "name": tag} for tag in rng.sample(words.TAGS, rng.randint(1, 2))
    ]


def _lines(rng: random.Random, index: int, *, products: tuple[Product, ...], fractional: bool) -> list[Json]:
    if index % _ONE_PRODUCT_ON_FIVE_LINES == 5:
        chosen = [rng.choice(products)] * 5
    else:
        chosen = rng.choices(products, k=rng.choices(_LINE_COUNTS, _LINE_WEIGHTS)[0])
    return [_line(rng, product, fractional=fractional) for product in chosen]


def _line(rng: random.Random, product: Product, *, fractional: bool) -> Json:
    quantity: float = rng.choices((1, 2, 3, 5, 15), (80, 12, 4, 3, 1))[0]
    if fractional and rng.random() < 0.1:
        quantity = rng.choice((0.5, 1.5, 2.25))
    gross = product.price if rng.random() < 0.8 else round(product.price * 0.9, 2)
    net = round(gross / 1.19, 2)
    line: Json = {"item_type": "product", "product_id": product.old_id}
    if product.has_variants:
        size = rng.choice(product.sizes)
        line |= {
            "variant_id": product.variant_id(size),
            "variant_name": f"Mărime: {size}",
            "variant_options": [{"id": 27884, "name": "Mărime", "value": size}],
            "family_sku": product.sku,
        }
    return line | {
        "product_sku": product.sku,
        "product_ean": product.ean,
        "product_name": product.name,
        "product_url": f"https://shop.demo.example/cumpara?id={product.old_id}",
        "product_image_url": product.image_url,
        "product_tax_name": "TVA",
        "product_tax_percent": 19,
        "category_id": product.category + 1,
        "category_name": words.CATEGORIES[product.category],
        "manufacturer_id": 1_000_000 + words.BRANDS.index(product.brand) if product.brand else 0,
        **({"manufacturer_name": product.brand} if product.brand else {}),
        "quantity": quantity,
        "unit_price_net": net,
        "unit_tax_amount": round(gross - net, 2),
        "unit_price_gross": gross,
        "line_subtotal_net": round(net * quantity, 2),
        "line_tax_amount": round((gross - net) * quantity, 2),
        "line_subtotal_gross": round(gross * quantity, 2),
        **({"meta_fields": {"prod_id_ref": f"{product.old_id:07}"}} if rng.random() < 0.2 else {}),
    }


def _papers(rng: random.Random, index: int) -> Json:
    digest = hashlib.blake2b(f"{index} {rng.random()}".encode(), digest_size=16).hexdigest()
    invoice = {
        "prefix": "SERIE",
        "number": f"{rng.randrange(10**6):07}",
        "app": "billing",
        "cancelled": rng.random() < 0.05,
        "url": f"https://shop.demo.example/comanda/invoice/{digest[::-1]}/{ID_TEXT}",
    }
    return {
        "invoice": invoice if rng.random() < 0.6 else None,
        "info_url": f"https://shop.demo.example/comanda/info/{digest}/{ID_TEXT}",
        "proforma_url": f"https://shop.demo.example/comanda/proforma/{digest}/{ID_TEXT}",
    }


_OFTEN_MISSING = (
    "channel_name", "channel_ref_id", "payment_substatus_id", "payment_substatus_text", "shipping_substatus_id",
    "shipping_substatus_text", "original_currency", "currency_rate", "internal_notes", "meta_fields", "shipping_awb",
    "customer_device", "billing_company_bank_account", "shipping_delivery_info",
)  # fmt: skip


def _without_some(rng: random.Random, order: Json) -> Json:
    """Fields come and go in real answers; what an order hangs on stays."""
    for name in _OFTEN_MISSING:
        if rng.random() < 0.15:
            order.pop(name, None)
    return order
