"""Writing orders to Robosize, one at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from bulkmove.connectors.asking import paths_of
from bulkmove.connectors.calls import request_of
from bulkmove.connectors.drf import refusals
from bulkmove.connectors.fates import Kind
from bulkmove.connectors.robosize.answers import changed, created
from bulkmove.connectors.robosize.forms import DEVICE, ID, NATURAL_KEY, comparable_order
from bulkmove.connectors.robosize.operations import OPERATIONS, PATHS, WRITE_HEADERS
from bulkmove.connectors.robosize.source import ListSource
from bulkmove.errors import ConfigError
from bulkmove.exact import decode_json, decode_json_or_nothing, encode_json
from bulkmove.model import BatchRule, JsonObject, Verdict, WriteItem, WriteResult
from bulkmove.protocols import Source, Transport
from bulkmove.settings import RouteSettings

_CREATE, _UPDATE = OPERATIONS["create-order"], OPERATIONS["update-order"]
_RULES = MappingProxyType(
    {"create": BatchRule("single"), "update": BatchRule("single", is_repeatable=_UPDATE.is_repeatable)}
)
_NO_SUCH_ORDER = WriteResult(
    Verdict.REJECTED, cause="not-found", message="its id on the target names no order"
)


class OrderTarget:
    """POST creates, PATCH of one order sets absolute values (documented), so that it can be sent twice.

    `device_id` belongs to the creation alone (documented): it is left out of updates.
    """

    def __init__(self, transport: Transport, route: RouteSettings) -> None:
        paths = paths_of(transport.host, PATHS)
        self._transport = transport
        self._list_path, self._row_path = paths[_CREATE.path], paths[_UPDATE.path]
        self._natural_key = route.natural_key or NATURAL_KEY

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
        """Nothing that an update sends: `device_id` does not come back either, and belongs to the creation alone."""
        return frozenset()

    def list(self) -> Source:
        return ListSource(self._transport, "orders")

    def comparable(self, row: JsonObject) -> JsonObject:
        return comparable_order(row)

    async def write(self, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        (item,) = items
        if item.target_id is None:
            return [await self._create(item)]
        return [await self._update(item, item.target_id)]

    async def _create(self, item: WriteItem) -> WriteResult:
        request = request_of(
            _CREATE, self._list_path, {}, body=item.encoded, headers=WRITE_HEADERS, decode=decode_json
        )
        response = await self._transport.send(request)
        if not response.is_success:
            return refusals(self._transport.host.name, request, response, [item], kind=Kind.CREATE)[0]
        return created(self._transport, request, response, item)

    async def _update(self, item: WriteItem, target_id: str) -> WriteResult:
        try:
            request = request_of(
                _UPDATE,
                self._row_path,
                {"id": target_id},
                body=_without_device(item),
                headers=WRITE_HEADERS,
                decode=decode_json_or_nothing,
            )
        except ConfigError:  # the id would name another path
            return _NO_SUCH_ORDER
        response = await self._transport.send(request)
        if not response.is_success:
            return refusals(self._transport.host.name, request, response, [item], kind=Kind.UPDATE)[0]
        return changed(self._transport, request, response, item)


def _without_device(item: WriteItem) -> bytes:
    if DEVICE not in item.body:
        return item.encoded
    return encode_json({name: value for name, value in item.body.items() if name != DEVICE})
