"""Writing orders to Robosize, one at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from bulkmove.connectors.asking import path_with_id, paths_of
from bulkmove.connectors.drf import refusals, row_refusal
from bulkmove.connectors.robosize import api
from bulkmove.connectors.robosize.answers import changed, created
from bulkmove.connectors.robosize.source import ListSource
from bulkmove.exact import decode_json, decode_json_or_nothing, encode_json
from bulkmove.model import BatchRule, JsonObject, Request, Verdict, WriteItem, WriteResult
from bulkmove.protocols import Source, Transport
from bulkmove.settings import RouteSettings

_RULES = MappingProxyType({"create": BatchRule("single"), "update": BatchRule("single", is_repeatable=True)})
_NO_SUCH_ORDER = WriteResult(
    Verdict.REJECTED, cause="not-found", message="its id on the target names no order"
)


class OrderTarget:
    """POST creates, PATCH of one order sets absolute values (documented), so that it can be sent twice.

    `device_id` belongs to the creation alone (documented): it is left out of updates.
    """

    def __init__(self, transport: Transport, route: RouteSettings) -> None:
        paths = paths_of(transport.host, api.PATHS)
        self._transport = transport
        self._list_path, self._row_path = paths["orders"], paths["order"]
        self._natural_key = route.natural_key or api.NATURAL_KEY

    @property
    def id_field(self) -> str:
        return api.ID

    @property
    def natural_key(self) -> str:
        return self._natural_key

    @property
    def rules(self) -> Mapping[str, BatchRule]:
        return _RULES

    @property
    def never_returned(self) -> frozenset[str]:
        """Nothing that an update sends: `device_id` does not come back either, and belongs to the creation alone."""
        return frozenset()

    def list(self) -> Source:
        return ListSource(self._transport, self._list_path)

    def comparable(self, row: JsonObject) -> JsonObject:
        return api.comparable_order(row)

    async def write(self, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        (item,) = items
        if item.target_id is None:
            return [await self._create(item)]
        return [await self._update(item, item.target_id)]

    async def _create(self, item: WriteItem) -> WriteResult:
        request = Request(
            "POST", self._list_path, body=item.encoded, headers=api.WRITE_HEADERS, decode=decode_json
        )
        response = await self._transport.send(request)
        if not response.is_success:
            return refusals(self._transport.host.name, request, response, [item])[0]
        return created(self._transport, request, response)

    async def _update(self, item: WriteItem, target_id: str) -> WriteResult:
        try:
            path = path_with_id(self._row_path, target_id)
        except ValueError:
            return _NO_SUCH_ORDER
        request = Request(
            "PATCH",
            path,
            body=_without_device(item),
            headers=api.WRITE_HEADERS,
            is_repeatable=True,
            decode=decode_json_or_nothing,
        )
        response = await self._transport.send(request)
        if not response.is_success:
            return row_refusal(self._transport.host.name, request, response, item)
        return changed(self._transport, request, response, item)


def _without_device(item: WriteItem) -> bytes:
    if api.DEVICE not in item.body:
        return item.encoded
    return encode_json({name: value for name, value in item.body.items() if name != api.DEVICE})
