"""What goes into Robosize's calls and what comes out, as its two documents show it.

Ids are text in lists and a number in the answer to a creation (documented). What a document shows no example of but
`{}` or null may be anything.
"""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict


class Recommendation(TypedDict):
    """A size that was recommended for a line of an order. `creation_time` is text for people, not ISO 8601."""

    id: str
    ip_address: str
    product: dict[str, Any]
    data: dict[str, Any]
    creation_time: str


class Order(TypedDict):
    """An order as it is read. `store_id` is its id in the store, `id` Robosize's own. `device_id` never comes back."""

    id: str | int
    store_id: str
    data: dict[str, Any]
    recommendations: list[Recommendation]


class NewOrder(TypedDict):
    """`device_id`: what the widget made for the customer's device, or a stable name that the caller made itself."""

    store_id: str | int | float
    device_id: str
    data: dict[str, Any]


class OrderChange(TypedDict):
    """What a PATCH of an order sets; `device_id` belongs to the creation, and is left out of changes."""

    store_id: NotRequired[str | int | float]
    device_id: NotRequired[str]
    data: NotRequired[dict[str, Any]]


class Orders(TypedDict):
    """A page of orders. `next` and `previous` repeat the key of the API: never to be shown or kept."""

    count: int
    next: str | None
    previous: str | None
    results: list[Order]


class Tag(TypedDict):
    """A tag as it is read; on writing it is its name alone."""

    name: str


class Product(TypedDict):
    """A product as it is read. `image_url` and `type` never come back."""

    id: str
    store_id: str
    name: str
    status: str
    brand: str | None
    tags: list[Tag]
    fit_toughness: int | float
    comment: str | None
    image_md: str | None
    available_sizes: str
    size_chart: dict[str, Any]
    fabric: dict[str, Any]
    handle: str | None


class NewProduct(TypedDict):
    """Which of its fields a creation needs is not documented; a product without a name or its store's id is of no use."""

    name: str
    store_id: str | int | float
    tags: NotRequired[list[str]]
    image_url: NotRequired[str]
    type: NotRequired[str]


class ProductChange(TypedDict):
    """What a PATCH sets on every product it names; fields that are left out stay as they are (documented)."""

    name: NotRequired[str]
    store_id: NotRequired[str | int | float]
    tags: NotRequired[list[str]]
    image_url: NotRequired[str]
    type: NotRequired[str]


class Products(TypedDict):
    """A page of products. `next` and `previous` repeat the key of the API: never to be shown or kept."""

    count: int
    next: str | None
    previous: str | None
    results: list[Product]


class CreatedProduct(TypedDict):
    """`created` counts, 1 for one product."""

    created: int
    id: str


class Message(TypedDict):
    """What a PATCH of products answers: no outcome for each id."""

    message: str
