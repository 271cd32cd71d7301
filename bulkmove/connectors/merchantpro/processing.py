"""Marking orders of a MerchantPro shop as shipped, cancelled and the like, and having their invoices made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from bulkmove.connectors.asking import nearest, paths_of
from bulkmove.connectors.calls import request_of
from bulkmove.connectors.drf import refusals
from bulkmove.connectors.fates import Kind
from bulkmove.connectors.merchantpro.forms import comparable_processing
from bulkmove.connectors.merchantpro.names import CREATE_INVOICE, HANDLERS, HEADERS, ID, NO_IDS, PATHS
from bulkmove.connectors.merchantpro.operations import OPERATIONS
from bulkmove.connectors.merchantpro.orders import NO_SUCH_ORDER
from bulkmove.connectors.merchantpro.source import OrderSource, all_orders
from bulkmove.connectors.successes import refusal_in
from bulkmove.model import BatchRule, JsonObject, Verdict, WriteItem, WriteResult
from bulkmove.protocols import Source, Transport
from bulkmove.settings import RouteSettings

# Sent twice, the customer may be told twice, and a second invoice made: each call needs its intent.
_RULES = MappingProxyType({"create": BatchRule("single"), "update": BatchRule("single")})


class ProcessingTarget:
    """`PATCH /api/v2/orders/{id}/{handler}` without a body (documented, six handlers); a body is `{id, handler}`.

    What is in doubt is told by the list of orders: `shipping_status` for five handlers, an invoice for the sixth. An
    order is looked at before its invoice is made: one that has an invoice gets no second one.
    """

    def __init__(self, transport: Transport, route: RouteSettings) -> None:
        self._transport = transport
        self._route = route
        paths = paths_of(transport.host, PATHS)
        self._path, self._order_path = paths["handler"], paths["order"]

    @property
    def id_field(self) -> str:
        return ID

    @property
    def natural_key(self) -> str:
        return ID

    @property
    def rules(self) -> Mapping[str, BatchRule]:
        return _RULES

    @property
    def never_returned(self) -> frozenset[str]:
        return frozenset()

    def list(self) -> Source:
        """All fields: `invoice` is not among the documented ones that `fields` could ask for, and comes by itself."""
        return OrderSource(self._transport, all_orders(self._route, include=None))

    def comparable(self, row: JsonObject) -> JsonObject:
        return comparable_processing(row)

    async def write(self, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        (item,) = items
        return [await self._process(item)]

    async def _process(self, item: WriteItem) -> WriteResult:
        handler = item.body.get("handler")
        if item.target_id is None or item.target_id in NO_IDS:
            return NO_SUCH_ORDER
        if handler not in HANDLERS:
            message = f"handler {handler!r} is none{nearest(str(handler), HANDLERS)}"
            return WriteResult(Verdict.REJECTED, cause="no-handler", message=message)
        if handler == CREATE_INVOICE and await self._has_invoice(item.target_id):
            return WriteResult(Verdict.UNCHANGED, target_id=item.target_id)
        request = request_of(
            OPERATIONS["process-order"],
            self._path,
            {"id": item.target_id, "handler": handler},
            headers=HEADERS,
        )
        response = await self._transport.send(request)
        if not response.is_success:
            return refusals(self._transport.host.name, request, response, [item], kind=Kind.PROCESS)[0]
        refusal = refusal_in(self._transport.host.name, request, response, item, kind=Kind.PROCESS)
        return refusal or WriteResult(Verdict.WRITTEN, target_id=item.target_id)

    async def _has_invoice(self, order_id: str) -> bool:
        request = request_of(OPERATIONS["get-order"], self._order_path, {"id": order_id}, headers=HEADERS)
        response = await self._transport.send(request)
        shown = comparable_processing(response.data) if isinstance(response.data, dict) else {}
        return response.is_success and shown.get("invoice") is True
