"""A MerchantPro order becomes an order of an external-order shop. Nothing is invented, and nothing is rounded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from bulkmove.errors import ConfigError, RejectRecordError
from bulkmove.mapping.builtin.attributes import builtin_mapper
from bulkmove.mapping.builtin.fields import LINE_FIELDS, ORDER_FIELDS
from bulkmove.mapping.builtin.options import Plans, as_text, check_spelling, choice_option, text_option
from bulkmove.mapping.builtin.order_status import StatusTable, status_table
from bulkmove.model import JsonObject
from bulkmove.protocols import MapContext

TABLES = ("products", "promo_codes", "regions", "localities", "sectors")
_OPTIONS = (
    "shop", "rrn_prefix", "quantity_scale", "order_status", "loyalty_price", "zip_code", "items_on_update", *TABLES,
)  # fmt: skip

# What the documented body of the target can carry, directly or through a table.
_PLACED = frozenset({
    "id", "shipping_status", "payment_status", "coupon_code", "line_items", "line_items[].product_id",
    "line_items[].quantity", "shipping_address", "shipping_postal_code", "shipping_state", "shipping_city",
})  # fmt: skip
_FIELDS_USED = tuple(name for name in ORDER_FIELDS if name in _PLACED)
_NO_PLACE = tuple(name for name in (*ORDER_FIELDS, *LINE_FIELDS) if name not in _PLACED)

# address field ← table by this field of the order, within the address field that was found before.
_PLACES = (
    ("region_id", "regions", "shipping_state", None),
    ("locality_id", "localities", "shipping_city", "region_id"),
    ("sector", "sectors", "shipping_city", "locality_id"),
)
_LONGEST_NUMBER = 18


@dataclass(frozen=True, slots=True)
class _Plan:
    """A route's options, ready to work with. `scale` is an int where it is a whole number."""

    prefix: str
    shop: int
    scale: int | Decimal
    statuses: StatusTable
    default_status: str | None
    loyalty_price: str | None
    zip_code: str
    has_products: bool
    has_promo_codes: bool
    places: tuple[tuple[str, str, str, str | None], ...]


def _plan_of(options: Mapping[str, Any]) -> _Plan:
    check_spelling(options, _OPTIONS)
    shop = options.get("shop")
    if type(shop) is not int:
        said = "is missing" if shop is None else f"= {shop!r} is no whole number"
        raise ConfigError(
            f"options.shop {said}: the id of the shop on the target, as in options = {{ shop = 2 }}"
        )
    overrides = options.get("order_status", {})
    if not isinstance(overrides, Mapping):
        raise ConfigError(
            f'options.order_status = {overrides!r}: must be a table like {{ "delivered/paid" = "done" }}'
        )
    statuses, default_status = status_table(overrides)
    return _Plan(
        prefix=text_option(options, "rrn_prefix"),
        shop=shop,
        scale=_scale(options.get("quantity_scale", 1)),
        statuses=statuses,
        default_status=default_status,
        loyalty_price=text_option(options, "loyalty_price") or None,
        zip_code=choice_option(options, "zip_code", ("auto", "text", "omit")),
        has_products="products" in options,
        has_promo_codes="promo_codes" in options,
        places=tuple(place for place in _PLACES if place[1] in options),
    )


def _scale(value: Any) -> int | Decimal:
    number = Decimal(str(value)) if type(value) in {int, float, Decimal} else Decimal(0)
    if not (number.is_finite() and number > 0):
        raise ConfigError(f"options.quantity_scale = {value!r}: must be a number above zero")
    return int(number) if number == number.to_integral_value() else number


_PLANS = Plans(_plan_of)


def check_options(options: Mapping[str, Any]) -> None:
    """Raises ConfigError where `shop` is missing, or an option has a value that can't be worked with."""
    _plan_of(options)


@builtin_mapper(
    check_options=check_options, no_place=_NO_PLACE, tables=TABLES, fields_used=lambda _options: _FIELDS_USED
)
def order_to_external_order(record: JsonObject, context: MapContext) -> JsonObject:
    """`rrn` carries the order's id, each line stays a line of its own, empty values are left out.

    What the documented body has no place for (`no_place`) does not travel: a customer's name, phone and mail,
    dates, prices and totals. `loyalty_price` is a price for members of a loyalty programme as far as its name
    tells, so no price of the source is put there unless `options.loyalty_price` names the line's field.
    """
    plan = _PLANS.of(context.options)
    get = record.get
    order_id = as_text(get("id"))
    if order_id is None:
        raise RejectRecordError("the order has no id, which its rrn is made of", cause="no-id")
    body: JsonObject = {"rrn": plan.prefix + order_id, "shop": plan.shop}
    if plan.has_promo_codes and (coupon := as_text(get("coupon_code"))) is not None:
        promo_code = context.lookup("promo_codes", coupon)
        if promo_code is not None:
            body["promo_code"] = _number_in_table("promo_codes", promo_code)
    body["order_items"] = _order_items(record, context, plan)
    address = _address(record, context, plan)
    if address:
        body["address"] = address
    return body


def _order_items(record: JsonObject, context: MapContext, plan: _Plan) -> list[JsonObject]:
    lines = record.get("line_items")
    if not isinstance(lines, list) or not lines:
        raise RejectRecordError("the order has no line items", cause="no-lines")
    status = _status(record, plan)
    has_products, scale, loyalty_price = plan.has_products, plan.scale, plan.loyalty_price
    items: list[JsonObject] = []
    for line in lines:
        if type(line) is not dict:
            raise RejectRecordError("a line item is no object", cause="bad-line")
        product = line.get("product_id")
        if has_products:
            product = _mapped_product(product, context)
        elif type(product) is not int:
            product = _whole_product(product)
        quantity = line.get("quantity")
        if type(quantity) is int and type(scale) is int:
            quantity *= scale
        else:
            quantity = _scaled(quantity, scale)
        item: JsonObject = {"order_status": status}
        if loyalty_price is not None and line.get(loyalty_price) is not None:
            item["loyalty_price"] = line[loyalty_price]
        item["quantity"] = quantity
        item["product"] = product
        items.append(item)
    return items


def _status(record: JsonObject, plan: _Plan) -> str:
    shipping, payment = record.get("shipping_status"), record.get("payment_status")
    try:
        status = plan.statuses.get((shipping, payment), plan.default_status)
    except TypeError:
        # A status that is a list or an object is as unknown as any other.
        status = plan.default_status
    if status is None:
        raise RejectRecordError(
            f"shipping_status {shipping!r} with payment_status {payment!r} is not documented; "
            "options.order_status.default names a status for such orders",
            cause="no-status",
        )
    return status


def _mapped_product(product: Any, context: MapContext) -> int:
    old = as_text(product)
    new = context.lookup("products", old) if old is not None else None
    if new is None:
        raise RejectRecordError(
            f"product {product!r} is not in the table options.products", cause="no-product"
        )
    return _number_in_table("products", new)


def _whole_product(product: Any) -> int:
    """A product's id as the number that the target wants, where it is one."""
    if isinstance(product, str) and _is_whole(product):
        return int(product)
    raise RejectRecordError(
        f"product {product!r} is no whole number; options.products maps it", cause="no-product"
    )


def _number_in_table(table: str, found: Any) -> int:
    """A look-up gives numbers, a file texts."""
    if isinstance(found, int) and not isinstance(found, bool):
        return found
    if not (isinstance(found, str) and _is_whole(found)):
        raise RejectRecordError(
            f"table options.{table} gives {found!r}, where the target wants an id", cause="bad-table"
        )
    return int(found)


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER


def _scaled(quantity: Any, scale: int | Decimal) -> int:
    """The exact product; the target takes whole numbers alone."""
    number = _decimal(quantity)
    if number is None:
        raise RejectRecordError(f"quantity {quantity!r} is no number", cause="bad-quantity")
    exact = number * scale
    whole = int(exact)
    if whole != exact:
        raise RejectRecordError(
            f"quantity {quantity} × {scale} is no whole number, which the target wants; see options.quantity_scale",
            cause="bad-quantity",
        )
    return whole


def _decimal(value: Any) -> Decimal | None:
    """The number as it is written, short enough that its products are exact; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    is_exact = (
        number.is_finite()
        and abs(number.adjusted()) < 16
        and len(number.as_tuple().digits) <= _LONGEST_NUMBER
    )
    return number if is_exact else None


def _address(record: JsonObject, context: MapContext, plan: _Plan) -> JsonObject:
    address: JsonObject = {}
    street = record.get("shipping_address")
    if street is not None and street != "":
        address["address_ru"] = street
    code = record.get("shipping_postal_code")
    if code is not None and code != "" and plan.zip_code != "omit":
        address["zip_code"] = _zip_code(code, plan.zip_code)
    for name, table, field, outer in plan.places:
        place = as_text(record.get(field))
        if place is None:
            continue
        new = context.lookup(table, place if outer is None else (address.get(outer), place))
        if new is not None:
            address[name] = _number_in_table(table, new)
    return address


def _zip_code(code: Any, form: str) -> Any:
    """The document shows a number; a code with a leading zero or a letter would not survive as one."""
    if form == "text":
        return as_text(code) or code
    if type(code) is str and code[0] != "0" and _is_whole(code):
        return int(code)
    return code
