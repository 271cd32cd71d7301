"""MerchantPro's delivery and payment status of an order become the one status of an external order's lines.

The names on both sides are documented, what becomes what is this project's choice:

- The delivery decides once the parcel is on its way: shipped is `on_delivery`, delivered `done`, returned
  `returned_to_warehouse`, cancelled `canceled`, however it was or was not paid.
- Before that, a payment that is off (cancelled, refunded, rejected) makes the order `canceled`. One that is
  open or failed (temporary, awaiting, failed) changes nothing: the customer may still pay.
- An order that waits is `new`, and `confirmed` once it is paid; a confirmed one is `confirmed`; one in process
  is `in_collection`.

Options replace single entries: `order_status = { "delivered/paid" = "completed_and_closed", default = "new" }`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from bulkmove.errors import ConfigError

# Documented, 7 and 7. `canceled` is also sent as `cancelled`, and read alike on both sides.
SHIPPING = ("awaiting", "confirmed", "in_process", "shipped", "delivered", "returned", "cancelled")
PAYMENT = ("temporary", "awaiting", "paid", "failed", "canceled", "refunded", "rejected")
_SPELLINGS = {"canceled": ("canceled", "cancelled"), "cancelled": ("canceled", "cancelled")}

# Documented, 17.
TARGET_STATUSES = frozenset({
    "new", "confirmed", "canceled", "done", "in_collection", "collected_with_changes",
    "to_be_returned_in_two_days", "collected", "completed_and_closed", "returned_to_warehouse",
    "changed_and_closed", "at_courier_sort_center", "on_delivery", "delivery_date_moved",
    "client_no_answer", "recipient_not_at_home", "customer_refusal",
})  # fmt: skip

_ON_ITS_WAY = {
    "shipped": "on_delivery",
    "delivered": "done",
    "returned": "returned_to_warehouse",
    "cancelled": "canceled",
}
_BEFORE: dict[str, dict[str | None, str]] = {
    "awaiting": {"paid": "confirmed", None: "new"},
    "confirmed": {None: "confirmed"},
    "in_process": {None: "in_collection"},
}
_PAYMENT_IS_OFF = ("canceled", "refunded", "rejected")

DEFAULT = "default"
StatusTable = dict[tuple[Any, Any], str]


def status_table(overrides: Mapping[str, Any]) -> tuple[StatusTable, str | None]:
    """The status for every delivery and payment status, in all spellings, and the one for all others.

    None for the others: such an order is rejected. Raises ConfigError for names that neither side documents.
    """
    table: StatusTable = {}
    for shipping in SHIPPING:
        for payment in PAYMENT:
            _put(table, shipping, payment, _usual(shipping, payment))
    default = None
    for key, status in overrides.items():
        if status not in TARGET_STATUSES:
            raise ConfigError(
                f"options.order_status.{key!r} = {status!r}: {_known(str(status), TARGET_STATUSES)}"
            )
        if key == DEFAULT:
            default = str(status)
            continue
        shipping, slash, payment = key.partition("/")
        if not slash:
            raise ConfigError(f"options.order_status: {key!r} must be like 'delivered/paid', or 'default'")
        for name, known in ((shipping, SHIPPING), (payment, PAYMENT)):
            if not set(_SPELLINGS.get(name, (name,))) & set(known):
                raise ConfigError(f"options.order_status: {name!r} in {key!r}: {_known(name, known)}")
        _put(table, shipping, payment, str(status))
    return table, default


def _usual(shipping: str, payment: str) -> str:
    if shipping in _ON_ITS_WAY:
        return _ON_ITS_WAY[shipping]
    if payment in _PAYMENT_IS_OFF:
        return "canceled"
    before = _BEFORE[shipping]
    return before.get(payment) or before[None]


def _put(table: StatusTable, shipping: str, payment: str, status: str) -> None:
    for one in _SPELLINGS.get(shipping, (shipping,)):
        for other in _SPELLINGS.get(payment, (payment,)):
            table[one, other] = status


def _known(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = get_close_matches(name, names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"must be one of {', '.join(names)}"
