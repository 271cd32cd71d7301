"""Robosize's documented calls: eight, on three addresses.

Every address ends in a slash; without it the host redirects, and a POST becomes a GET that seems to succeed
(reported by public clients).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from bulkmove.model import Operation, Parameter

# Documented, all three.
PATHS: Mapping[str, str] = MappingProxyType(
    {
        "orders": "/api/v1/business/order/",
        "order": "/api/v1/business/order/{id}/",
        "products": "/api/v1/product/",
    }
)

HEADERS: Mapping[str, str] = MappingProxyType({"Accept": "application/json"})
WRITE_HEADERS: Mapping[str, str] = MappingProxyType({**HEADERS, "Content-Type": "application/json"})

_PAGING = (
    Parameter("limit", "rows in a page, 50 by default; how many it may be is not documented"),
    Parameter("offset", "rows to pass over"),
)
_ORDER_ID = Parameter(
    "id", "Robosize's own id of the order, not the store's", is_in_path=True, is_required=True
)

_ALL = (
    Operation("list-orders", "A page of the orders.", "GET", "orders", _PAGING, is_repeatable=True),
    Operation("create-order", "Create an order: store_id, device_id, data.", "POST", "orders", body="object"),
    Operation(
        "update-order",
        "Set fields of an order: store_id, data.",
        "PATCH",
        "order",
        (_ORDER_ID,),
        body="object",
        is_repeatable=True,
    ),
    Operation("delete-order", "Delete an order.", "DELETE", "order", (_ORDER_ID,), is_repeatable=True),
    Operation("list-products", "A page of the products.", "GET", "products", _PAGING, is_repeatable=True),
    Operation(
        "create-product",
        "Create a product: name, store_id, tags, image_url, type.",
        "POST",
        "products",
        body="object",
    ),
    Operation(
        "update-products",
        "Set the same fields on every product that `products` names by id.",
        "PATCH",
        "products",
        body="object",
        is_repeatable=True,
    ),
    Operation(
        "delete-product",
        "Delete a product.",
        "DELETE",
        "products",
        (Parameter("hash", "Robosize's own id of the product", is_required=True),),
        is_repeatable=True,
    ),
)

OPERATIONS: Mapping[str, Operation] = MappingProxyType({operation.name: operation for operation in _ALL})
