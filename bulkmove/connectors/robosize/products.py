"""Writing products to Robosize: created one at a time, changed many at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import orjson

from bulkmove.connectors.asking import paths_of
from bulkmove.connectors.calls import request_of
from bulkmove.connectors.drf import refusals
from bulkmove.connectors.fates import Kind
from bulkmove.connectors.robosize.answers import changed_together, created
from bulkmove.connectors.robosize.forms import (
    ID,
    IDS_IN_ONE_PATCH,
    NATURAL_KEY,
    PRODUCT_NEVER_RETURNED,
    comparable_product,
)
from bulkmove.connectors.robosize.operations import OPERATIONS, PATHS, WRITE_HEADERS
from bulkmove.connectors.robosize.source import ListSource
from bulkmove.exact import decode_json
from bulkmove.model import BatchRule, JsonObject, Verdict, WriteItem, WriteResult
from bulkmove.protocols import Source, Transport
from bulkmove.settings import RouteSettings

_CREATE, _UPDATE = OPERATIONS["create-product"], OPERATIONS["update-products"]


class ProductTarget:
    """PATCH on the collection sets the same values on every id it names, and leaves all other fields (documented).

    Its answer tells no outcome for each id, so that a refusal is everyone's. The values are absolute: the
    same PATCH twice does no harm.
    """

    def __init__(self, transport: Transport, route: RouteSettings) -> None:
        paths = paths_of(transport.host, PATHS)
        self._transport = transport
        self._create_path, self._update_path = paths[_CREATE.path], paths[_UPDATE.path]
        self._natural_key = route.natural_key or NATURAL_KEY
        most = min(route.batch_size or IDS_IN_ONE_PATCH, IDS_IN_ONE_PATCH)
        self._rules = MappingProxyType(
            {
                "create": BatchRule("single"),
                "update": BatchRule("joined", most, is_repeatable=_UPDATE.is_repeatable),
            }
        )

    @property
    def id_field(self) -> str:
        return ID

    @property
    def natural_key(self) -> str:
        return self._natural_key

    @property
    def rules(self) -> Mapping[str, BatchRule]:
        return self._rules

    @property
    def never_returned(self) -> frozenset[str]:
        return PRODUCT_NEVER_RETURNED

    def list(self) -> Source:
        return ListSource(self._transport, "products")

    def comparable(self, row: JsonObject) -> JsonObject:
        return comparable_product(row)

    async def write(self, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        if items[0].target_id is None:
            (item,) = items
            return [await self._create(item)]
        return await self._update(items)

    async def _create(self, item: WriteItem) -> WriteResult:
        """The documented answer is `{"created": 1, "id": …}`."""
        request = request_of(
            _CREATE, self._create_path, {}, body=item.encoded, headers=WRITE_HEADERS, decode=decode_json
        )
        response = await self._transport.send(request)
        if not response.is_success:
            return refusals(self._transport.host.name, request, response, [item], kind=Kind.CREATE)[0]
        return created(self._transport, request, response, item)

    async def _update(self, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        if not items[0].body:
            return [WriteResult(Verdict.UNCHANGED, target_id=item.target_id) for item in items]
        head = b'{"products":' + orjson.dumps([item.target_id for item in items])
        body = head + b"," + items[0].encoded[1:]
        request = request_of(
            _UPDATE, self._update_path, {}, body=body, headers=WRITE_HEADERS, decode=decode_json
        )
        response = await self._transport.send(request)
        if not response.is_success:
            return refusals(self._transport.host.name, request, response, items, kind=Kind.JOINED)
        return changed_together(self._transport, request, response, items)
