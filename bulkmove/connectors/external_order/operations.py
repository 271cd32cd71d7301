"""The 13 calls of the external-order API's document and its filtered list, each described once.

The document names all of them, and shows the addresses of two: the list of orders and the array of creates and
updates. A parameter that it shows in both spellings, or that holds a name with an underscore, stands here in both:
which of them takes effect is the host's dialect. `page` and `page_size` are shown by public clients, `limit` and
`offset` are unconfirmed.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import get_args

from bulkmove.connectors.external_order.dialect import run_together, together
from bulkmove.connectors.external_order.types import OrderStatus
from bulkmove.model import Operation, Parameter

_STATUSES = tuple(dict.fromkeys(text for each in get_args(OrderStatus) for text in (each, together(each))))
_PAGING = (
    Parameter("page", "number of the page, from 1"),
    Parameter("page_size", "rows of a page, at most 5000"),
    Parameter("limit", 'rows of a page, where paging = "limit-offset"'),
    Parameter("offset", 'rows before the page, where paging = "limit-offset"'),
)


def _both(name: str, summary: str) -> tuple[Parameter, ...]:
    other = run_together(name)
    if other is None:
        return (Parameter(name, summary),)
    return Parameter(name, summary), Parameter(other, f'{name}, where spelling = "run-together"')


def _id(summary: str) -> Parameter:
    return Parameter("id", summary, is_in_path=True, is_required=True)


def _list(name: str, summary: str, path: str, *parameters: Parameter) -> Operation:
    return Operation(name, summary, "GET", path, parameters=(*parameters, *_PAGING), is_repeatable=True)


_ALL = (
    _list("list-stores", "all stores", "stores"),
    _list(
        "list-group-stores",
        "the stores of a group",
        "group-stores",
        Parameter("group", "id of the group", is_required=True),
    ),
    _list("list-regions", "all regions", "regions"),
    _list(
        "list-localities",
        "the settlements of a region",
        "localities",
        *_both("region_id", "id of the region"),
    ),
    _list(
        "list-sectors",
        "all sectors",
        "sectors",
        *_both("locality_id", "id of the settlement (not in the document)"),
    ),
    _list(
        "search-products", "products by id, code or name", "products", Parameter("search", "id, code or name")
    ),
    Operation(
        "get-address",
        "the delivery address of an order",
        "GET",
        "address",
        (_id("order"),),
        is_repeatable=True,
    ),
    Operation(
        "delete-order-item",
        "take a line out of its order",
        "DELETE",
        "order-item",
        (_id("the line's own id"),),
        is_repeatable=True,
    ),
    _list(
        "list-orders",
        "all orders of the group",
        "orders",
        Parameter("ordering", "field, with a minus for descending, as -created_at"),
        *_both("created_after", "unix seconds"),
        Parameter("status", "statuses with commas, as new,done", choices=_STATUSES),
    ),
    _list("search-orders", "orders by id", "order-search", Parameter("search", "id", is_required=True)),
    Operation("get-order", "one order", "GET", "order", (_id("order"),), is_repeatable=True),
    _list("list-promo-codes", "all promo codes", "promo-codes"),
    # Without an `order_id` it creates: sent twice, it creates twice.
    Operation("upsert-orders", "create and update orders", "POST", "orders", body="array"),
)

OPERATIONS: Mapping[str, Operation] = MappingProxyType({operation.name: operation for operation in _ALL})
