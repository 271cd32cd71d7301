"""The lines of orders as a list that can only be deleted from."""

from __future__ import annotations

from collections.abc import Callable

from bulkmove.connectors.asking import paths_of
from bulkmove.connectors.calls import request_of
from bulkmove.connectors.deleting import DeleteTarget
from bulkmove.connectors.external_order.dialect import headers_for
from bulkmove.connectors.external_order.names import ITEM_ID, PATHS
from bulkmove.connectors.external_order.operations import OPERATIONS
from bulkmove.errors import ConfigError
from bulkmove.exact import decode_json_or_nothing
from bulkmove.model import JsonObject, Request
from bulkmove.protocols import Source, Transport
from bulkmove.settings import RouteSettings


def item_target(transport: Transport, route: RouteSettings) -> DeleteTarget:
    """Takes lines out of their orders, each by its own id (documented; the path is unconfirmed).

    Raises ConfigError for a mode other than "delete".
    """
    if route.mode != "delete":
        raise ConfigError(f"routes.{route.name}.mode: {route.target} takes delete, not {route.mode}")
    return DeleteTarget(
        transport,
        id_field=ITEM_ID,
        natural_key=route.natural_key or ITEM_ID,
        request=_deletion(transport),
        rows=lambda: _no_list(route),
        comparable=_as_it_is,
    )


def _deletion(transport: Transport) -> Callable[[str], Request]:
    operation = OPERATIONS["delete-order-item"]
    path, headers = paths_of(transport.host, PATHS)[operation.path], headers_for(transport.host)

    def request(item_id: str) -> Request:
        return request_of(operation, path, {"id": item_id}, headers=headers, decode=decode_json_or_nothing)

    return request


def _no_list(route: RouteSettings) -> Source:
    raise ConfigError(
        f"routes.{route.name}: {route.target} can't be listed, so that nothing is found by a natural_key; "
        f"let the mapper give each line's own id as {ITEM_ID}"
    )


def _as_it_is(row: JsonObject) -> JsonObject:
    return row
