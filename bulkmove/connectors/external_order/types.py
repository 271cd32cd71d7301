"""What goes into the external-order API and comes out of it, with all documented fields.

The document shows one body of an order and no answer. That rows carry the body's fields is shown by public clients;
`created_at`, and all of the look-up lists' rows, are unconfirmed, so that none of their fields is sure to be there.
"""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, NamedTuple, NotRequired, TypedDict, TypeVar

from msgspec import Meta

Id = int | str
# The id of a row of the target's own lists: documented as a number.
RowId = int | Annotated[str, Meta(pattern=r"^[0-9]+$")]

# Documented, 17. The status stands in each line of an order.
OrderStatus = Literal[
    "new",
    "confirmed",
    "canceled",
    "done",
    "in_collection",
    "collected_with_changes",
    "to_be_returned_in_two_days",
    "collected",
    "completed_and_closed",
    "returned_to_warehouse",
    "changed_and_closed",
    "at_courier_sort_center",
    "on_delivery",
    "delivery_date_moved",
    "client_no_answer",
    "recipient_not_at_home",
    "customer_refusal",
]


# What is written.


class NewLine(TypedDict):
    """A line of an order. `order_id` is the line's own id, where it is there already."""

    product: RowId
    quantity: int | float | str
    order_id: NotRequired[Id]
    order_status: NotRequired[OrderStatus]
    loyalty_price: NotRequired[int | float | str | None]


class ChangedLine(TypedDict, total=False):
    """A line of an update: with its own id, it names only what changes."""

    product: RowId
    quantity: int | float | str
    order_id: Id | None
    order_status: OrderStatus
    loyalty_price: int | float | str | None


class WrittenAddress(TypedDict, total=False):
    """Where an order goes. `region_id`, `locality_id` and `sector` are ids of the target's own rows."""

    address_id: Id | None
    address_ru: str | None
    zip_code: Id | None
    region_id: RowId | None
    locality_id: RowId | None
    sector: RowId | None


class NewOrder(TypedDict):
    """An order that is not there yet. `shop` and `promo_code` are ids of the target's own rows."""

    shop: RowId
    order_items: Annotated[list[NewLine], Meta(min_length=1)]
    rrn: NotRequired[str | None]
    promo_code: NotRequired[RowId | None]
    address: NotRequired[WrittenAddress | None]


class ChangedOrder(TypedDict, total=False):
    """What changes of the order that `order_id` names (unconfirmed that it does)."""

    order_id: Id
    shop: RowId | None
    order_items: list[ChangedLine]
    rrn: str | None
    promo_code: RowId | None
    address: WrittenAddress | None


# What is read.


class Line(TypedDict, total=False):
    order_id: int
    order_status: OrderStatus
    loyalty_price: float | str | None
    quantity: int
    product: int


class Address(TypedDict, total=False):
    address_id: int
    address_ru: str | None
    zip_code: int | str | None
    region_id: int | None
    locality_id: int | None
    sector: int | None


class Order(TypedDict, total=False):
    """`created_at` is unix seconds, ISO 8601, or absent."""

    order_id: int
    rrn: str | None
    shop: int | None
    promo_code: int | None
    order_items: list[Line]
    address: Address | None
    created_at: int | str


class Store(TypedDict, total=False):
    id: int
    name: str
    group: int


class Region(TypedDict, total=False):
    id: int
    name: str


class Locality(TypedDict, total=False):
    id: int
    name: str
    region_id: int


class Sector(TypedDict, total=False):
    id: int
    name: str
    locality_id: int


class Product(TypedDict, total=False):
    """The document tells that products are found by id, code and name."""

    id: int
    code: str | None
    name: str


class PromoCode(TypedDict, total=False):
    id: int
    code: str


Row = TypeVar("Row")


class ListPage(NamedTuple, Generic[Row]):
    """One page of a list. `total` and `has_next` are None where the answer doesn't tell, as in a bare array."""

    rows: list[Row]
    total: int | None
    has_next: bool | None


# A page as it comes, before its rows are known by their type.
AnyPage = ListPage[Any]
