"""Writing orders to a MerchantPro shop, one at a time, and deleting them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import anyio

from bulkmove.connectors.asking import paths_of
from bulkmove.connectors.calls import request_of
from bulkmove.connectors.deleting import DeleteTarget
from bulkmove.connectors.drf import loose, refusals
from bulkmove.connectors.fates import Kind
from bulkmove.connectors.json_text import as_text
from bulkmove.connectors.merchantpro.forms import HOSTS_OWN, comparable_order
from bulkmove.connectors.merchantpro.names import (
    HEADERS,
    ID,
    NATURAL_KEY,
    NO_IDS,
    PATHS,
    WRITABLE_FIELDS,
    WRITE_HEADERS,
)
from bulkmove.connectors.merchantpro.operations import OPERATIONS
from bulkmove.connectors.merchantpro.source import OrderSource, all_orders
from bulkmove.connectors.successes import refusal_in, unclear
from bulkmove.errors import BulkmoveError
from bulkmove.model import BatchRule, JsonObject, Request, Verdict, WriteItem, WriteResult
from bulkmove.protocols import Source, Target, Transport
from bulkmove.settings import RouteSettings

NO_SUCH_ORDER = WriteResult(
    Verdict.REJECTED, cause="not-found", message="its id on the target names no order"
)
_RULES = MappingProxyType({"create": BatchRule("single"), "update": BatchRule("single", is_repeatable=True)})
_INCLUDED = "line_items,tags"


def order_target(transport: Transport, route: RouteSettings) -> Target:
    """Writes orders, or deletes them where the route's mode says so."""
    if route.mode != "delete":
        return OrderTarget(transport, route)
    path = paths_of(transport.host, PATHS)["order"]

    def request(order_id: str) -> Request:
        return request_of(OPERATIONS["delete-order"], path, {"id": order_id}, headers=HEADERS)

    return DeleteTarget(
        transport,
        id_field=ID,
        natural_key=route.natural_key or NATURAL_KEY,
        request=request,
        rows=lambda: OrderSource(transport, all_orders(route, include=_INCLUDED)),
        comparable=comparable_order,
    )


class OrderTarget:
    """POST creates, PATCH of one order sets absolute values (both documented), so that a PATCH can be sent twice.

    A PATCH with `line_items` must carry all lines, or the others are lost (reported by public clients). Any 2xx
    counts as done. A created order is found again by `channel_ref_id`; that a POST keeps it is unconfirmed. Until an
    order that was created shows its natural key, one is created at a time; once one shows that it was not kept, no
    further order is created, since a lost answer could not be settled.
    """

    def __init__(self, transport: Transport, route: RouteSettings) -> None:
        paths = paths_of(transport.host, PATHS)
        self._transport = transport
        self._route = route
        self._list_path, self._row_path = paths["orders"], paths["order"]
        self._natural_key = route.natural_key or NATURAL_KEY
        self._is_key_kept: bool | None = None
        self._first = anyio.Lock()

    @property
    def id_field(self) -> str:
        return ID

    @property
    def natural_key(self) -> str:
        return self._natural_key

    @property
    def rules(self) -> Mapping[str, BatchRule]:
        return _RULES

    @property
    def never_returned(self) -> frozenset[str]:
        """What the host makes of such a field is its own: a body that holds one is never taken for the row it equals."""
        return (HOSTS_OWN & WRITABLE_FIELDS) - {ID}

    @property
    def is_key_kept(self) -> bool | None:
        return self._is_key_kept

    def list(self) -> Source:
        return OrderSource(self._transport, all_orders(self._route, include=_INCLUDED))

    def comparable(self, row: JsonObject) -> JsonObject:
        return comparable_order(row)

    async def write(self, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        (item,) = items
        if item.target_id is None:
            return [await self._create(item)]
        return [await self._change(item, item.target_id)]

    async def _create(self, item: WriteItem) -> WriteResult:
        if self._is_key_kept is None:
            async with self._first:
                # Whoever waited here may know by now.
                if self._is_key_kept is None:
                    return await self._post(item)
        return await self._post(item)

    async def _post(self, item: WriteItem) -> WriteResult:
        if self._is_key_kept is False:
            message = (
                f"the host does not keep {self._natural_key} of a new order, so that a lost answer could double it; "
                "set natural_key to a field that it keeps"
            )
            return WriteResult(Verdict.REJECTED, cause="key-not-kept", message=message)
        request = request_of(
            OPERATIONS["create-order"], self._list_path, {}, body=item.encoded, headers=WRITE_HEADERS
        )
        response = await self._transport.send(request)
        if not response.is_success:
            return refusals(self._transport.host.name, request, response, [item], kind=Kind.CREATE)[0]
        refusal = refusal_in(self._transport.host.name, request, response, item, kind=Kind.CREATE)
        if refusal is not None:
            return refusal
        order = response.data
        target_id = as_text(order.get(ID)) if isinstance(order, dict) else None
        if target_id is None:
            raise unclear(self._transport.host.name, request, response, kind=Kind.CREATE)
        self._note_key(await self._keeps_key(order, target_id, item))
        return WriteResult(Verdict.WRITTEN, target_id=target_id)

    def _note_key(self, is_kept: bool | None) -> None:  # noqa: FBT001  it is what an answer told
        if is_kept is not None and self._is_key_kept is not False:
            self._is_key_kept = is_kept

    async def _keeps_key(self, order: Mapping[str, Any], target_id: str, item: WriteItem) -> bool | None:
        """Whether the new order shows the key that was sent: in the answer, else when it is looked at, once."""
        sent = as_text(item.body.get(self._natural_key))
        if sent is None:
            return None
        if self._natural_key not in order:
            if self._is_key_kept:
                return None
            order = await self._look_at(target_id)
        if not order:
            return None
        return loose(as_text(order.get(self._natural_key)) or "") == loose(sent)

    async def _look_at(self, order_id: str) -> Mapping[str, Any]:
        """The order as it stands; nothing where it can't be looked at, since its creation is settled already."""
        request = request_of(OPERATIONS["get-order"], self._row_path, {"id": order_id}, headers=HEADERS)
        try:
            response = await self._transport.send(request)
        except BulkmoveError:  # the next request says so again
            return {}
        return response.data if response.is_success and isinstance(response.data, dict) else {}

    async def _change(self, item: WriteItem, target_id: str) -> WriteResult:
        if target_id in NO_IDS:
            return NO_SUCH_ORDER
        if not item.body:
            return WriteResult(Verdict.UNCHANGED, target_id=target_id)
        request = request_of(
            OPERATIONS["change-order"],
            self._row_path,
            {"id": target_id},
            body=item.encoded,
            headers=WRITE_HEADERS,
        )
        response = await self._transport.send(request)
        if not response.is_success:
            return refusals(self._transport.host.name, request, response, [item], kind=Kind.UPDATE)[0]
        refusal = refusal_in(self._transport.host.name, request, response, item, kind=Kind.UPDATE)
        return refusal or WriteResult(Verdict.WRITTEN, target_id=target_id)
