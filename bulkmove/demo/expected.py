"""What each row on a target must be, said a second time: from the source row and the route's options alone.

No code of the mappers is used, so that a mistake there is seen here. Where a document leaves a choice, the
choice is restated in the words of these docstrings.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from bulkmove.model import JsonObject

_LONGEST_NUMBER = 18


class Rules(Protocol):
    """What the rows of one route must be."""

    @property
    def is_self_route(self) -> bool:
        """Whether source and target are one list, so that what is left out stays as it was."""

    def source_id(self, record: JsonObject) -> str: ...

    def expected(self, record: JsonObject) -> JsonObject | None:
        """What the target must hold for a source record; None where it can't be carried over."""

    def key(self, source_id: str) -> str:
        """What a target row shows for the record."""

    def key_of(self, row: JsonObject) -> str | None: ...

    def shown(self, row: JsonObject) -> JsonObject:
        """A target row without what the target adds by itself."""


@dataclass(frozen=True, slots=True)
class ExternalOrders:
    """MerchantPro orders as external orders, for the options `shop`, `products` and `rrn_prefix`.

    `products`: the new number of each old product; None where numbers stay.
    """

    shop: int
    products: Mapping[str, int] | None = None
    rrn_prefix: str = ""
    is_self_route: bool = False

    def source_id(self, record: JsonObject) -> str:
        return str(record["id"])

    def key(self, source_id: str) -> str:
        return self.rrn_prefix + source_id

    def key_of(self, row: JsonObject) -> str | None:
        return None if row.get("rrn") is None else str(row["rrn"])

    def shown(self, row: JsonObject) -> JsonObject:
        shown = without(row, "order_id", "created_at", "_writes", "_created_at")
        if not shown.get("_ignored"):
            shown.pop("_ignored", None)
        if isinstance(row.get("order_items"), list):
            shown["order_items"] = [
                without(i, "order_id") if isinstance(i, dict) else i for i in row["order_items"]
            ]
        if isinstance(row.get("address"), dict):
            shown["address"] = without(row["address"], "address_id")
        return shown

    def expected(self, record: JsonObject) -> JsonObject | None:
        status = _order_status(record.get("shipping_status"), record.get("payment_status"))
        lines = [self._line(line, status) for line in record.get("line_items") or ()]
        if status is None or not lines or None in lines:
            return None
        return {
            "rrn": self.rrn_prefix + str(record["id"]),
            "shop": self.shop,
            "promo_code": None,
            "order_items": lines,
            "address": _address(record.get("shipping_address"), record.get("shipping_postal_code")),
        }

    def _line(self, line: JsonObject, status: str | None) -> JsonObject | None:
        quantity = Decimal(str(line["quantity"]))
        old = str(line["product_id"])
        new = int(old) if self.products is None else self.products.get(old)
        if new is None or quantity % 1:
            return None
        return {
            "order_status": status, "loyalty_price": None, "quantity": int(quantity), "product": int(new),
        }  # fmt: skip


def _order_status(shipping: Any, payment: Any) -> str | None:
    """On its way or over: the delivery alone decides. Before that: an order whose payment is off is canceled."""
    once_on_its_way = {
        "shipped": "on_delivery", "delivered": "done", "returned": "returned_to_warehouse",
        "cancelled": "canceled", "canceled": "canceled",
    }  # fmt: skip
    is_off = payment in ("canceled", "cancelled", "refunded", "rejected")
    if not is_off and payment not in ("temporary", "awaiting", "paid", "failed"):
        return None
    if shipping in once_on_its_way:
        return once_on_its_way[shipping]
    if shipping not in ("awaiting", "confirmed", "in_process"):
        return None
    if is_off:
        return "canceled"
    if shipping == "in_process":
        return "in_collection"
    return "confirmed" if shipping == "confirmed" or payment == "paid" else "new"


def _address(street: Any, code: Any) -> JsonObject | None:
    """A postal code travels as a number where that loses nothing: digits alone, the first no zero."""
    if street in (None, "") and code in (None, ""):
        return None
    is_number = (
        isinstance(code, str)
        and code.isascii()
        and code.isdigit()
        and not code.startswith("0")
        and len(code) <= _LONGEST_NUMBER
    )
    return {
        "address_ru": street if street != "" else None,
        "zip_code": int(code) if is_number else code if code != "" else None,
        "region_id": None,
        "locality_id": None,
        "sector": None,
    }


# Restated: the fields of an order that tell of sizes and returns, and the root of all device ids.
_ORDER_DATA = frozenset({
    "id", "parent_id", "return_source_id", "rma_orders", "channel_name", "payment_status", "shipping_status",
    "total_amount", "currency", "original_currency", "currency_rate", "date_created", "date_modified",
    "date_shipped", "date_delivered", "line_items",
})  # fmt: skip
_DEVICES = uuid.uuid5(uuid.NAMESPACE_URL, "bulkmove:robosize-device")


@dataclass(frozen=True, slots=True)
class RobosizeOrders:
    """MerchantPro orders as Robosize orders, for the option `device_namespace`.

    A device is a customer: the account, without one the mail address whatever its case, else the order itself.
    Its id is a version 5 UUID of that, which makes it the same in all of a customer's orders and another's in none.
    """

    device_namespace: str = ""
    is_self_route: bool = False

    def source_id(self, record: JsonObject) -> str:
        return str(record["id"])

    def key(self, source_id: str) -> str:
        return source_id

    def key_of(self, row: JsonObject) -> str | None:
        return None if row.get("store_id") is None else str(row["store_id"])

    def shown(self, row: JsonObject) -> JsonObject:
        return without(row, "id", "recommendations", "_writes")

    def expected(self, record: JsonObject) -> JsonObject:
        root = uuid.uuid5(_DEVICES, self.device_namespace)
        return {
            "store_id": str(record["id"]),
            "device_id": str(uuid.uuid5(root, _customer(record))),
            "data": {name: value for name, value in record.items() if name in _ORDER_DATA},
        }


def _customer(record: JsonObject) -> str:
    account, mail = record.get("customer_id"), record.get("customer_email")
    if account not in (None, "", 0, "0"):
        return f"customer:{account}"
    if isinstance(mail, str) and mail.strip():
        return f"email:{mail.strip().lower()}"
    return f"order:{record['id']}"


@dataclass(frozen=True, slots=True)
class RobosizeProducts:
    """Robosize products relinked, for the option `ids`: the new number for each old one, all else as before."""

    ids: Mapping[str, int]
    is_self_route: bool = True

    def source_id(self, record: JsonObject) -> str:
        return str(record["id"])

    def key(self, source_id: str) -> str:
        return source_id

    def key_of(self, row: JsonObject) -> str | None:
        return None if row.get("id") is None else str(row["id"])

    def shown(self, row: JsonObject) -> JsonObject:
        return without(row, "_writes")

    def expected(self, record: JsonObject) -> JsonObject | None:
        new = self.ids.get(str(record.get("store_id")))
        return None if new is None else self.shown(record) | {"store_id": str(new)}


def without(row: JsonObject, *names: str) -> JsonObject:
    return {name: value for name, value in row.items() if name not in names}
