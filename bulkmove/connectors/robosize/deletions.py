"""Deleting Robosize's rows: an order at its own address, a product by `hash` on the list's (documented)."""

from __future__ import annotations

from functools import partial

from bulkmove.connectors.asking import paths_of
from bulkmove.connectors.calls import request_of
from bulkmove.connectors.deleting import DeleteTarget
from bulkmove.connectors.robosize.forms import ID, NATURAL_KEY, comparable_order, comparable_product
from bulkmove.connectors.robosize.operations import HEADERS, OPERATIONS, PATHS
from bulkmove.connectors.robosize.source import ListSource
from bulkmove.model import Request
from bulkmove.protocols import Target, Transport
from bulkmove.settings import RouteSettings

_CALLS = {"orders": ("delete-order", "id"), "products": ("delete-product", "hash")}
_COMPARABLE = {"orders": comparable_order, "products": comparable_product}


def delete_target(stream: str, transport: Transport, route: RouteSettings) -> Target:
    """The target of a route of mode "delete" to `stream`."""
    name, parameter = _CALLS[stream]
    operation = OPERATIONS[name]
    path = paths_of(transport.host, PATHS)[operation.path]

    def request(row_id: str) -> Request:
        return request_of(operation, path, {parameter: row_id}, headers=HEADERS)

    return DeleteTarget(
        transport,
        id_field=ID,
        natural_key=route.natural_key or NATURAL_KEY,
        request=request,
        rows=partial(ListSource, transport, stream),
        comparable=_COMPARABLE[stream],
    )
