"""Writing orders to an external-order shop: arrays of creates, and updates that know what is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from bulkmove.connectors.asking import choice, paths_of
from bulkmove.connectors.drf import DOUBT, refusals
from bulkmove.connectors.external_order import names
from bulkmove.connectors.external_order.answers import settled
from bulkmove.connectors.external_order.dialect import dialect_of, headers_for
from bulkmove.connectors.external_order.forms import comparable
from bulkmove.connectors.external_order.items import item_target
from bulkmove.connectors.external_order.source import ORDERS, ListSource
from bulkmove.connectors.external_order.updates import changes, encoded_for, with_id
from bulkmove.connectors.fates import FATES, Fate, Kind, Reply
from bulkmove.connectors.successes import MULTI_STATUS
from bulkmove.errors import InDoubtError
from bulkmove.exact import decode_json
from bulkmove.model import BatchRule, JsonObject, Request, Verdict, WriteItem, WriteResult
from bulkmove.protocols import KeepRows, Source, Transport
from bulkmove.settings import RouteSettings

# The first is the default.
ITEMS_ON_UPDATE = ("append", "replace")

# Each update in "append" reads its order first. A batch that is on its way is finished also when the run is to stop:
# a small one keeps that short, at a twentieth more requests.
UPDATES_AT_ONCE = 20


class OrderTarget:
    """One POST takes creates and updates alike: with `order_id` it updates, without it creates (unconfirmed).

    A create has no key of its own, so it is never sent twice without reading back. What an update's lines
    without an id do is not documented: by default (`items_on_update = "append"`) each order is read first and
    its line ids are carried, which needs an intent; `"replace"` says that lines replace what is there, so that
    an update can be repeated and needs no reading, unless rows are kept as they stood before.
    """

    def __init__(self, transport: Transport, route: RouteSettings) -> None:
        paths = paths_of(transport.host, names.PATHS)
        self._transport = transport
        self._dialect = dialect_of(transport.host)
        self._headers = {**headers_for(transport.host), "Content-Type": "application/json"}
        self._list_path, self._row_path = paths["orders"], paths["order"]
        self._replaces = (
            choice(transport.host, route, name="items_on_update", allowed=ITEMS_ON_UPDATE) == "replace"
        )
        self._natural_key = route.natural_key or names.NATURAL_KEY
        self.keep_before: KeepRows | None = None
        self.removes_lines = False
        self._lines = item_target(transport, replace(route, mode="delete", natural_key=None))
        length = min(route.batch_size or names.ARRAY_LENGTH, names.LONGEST_ARRAY)
        self._rules = MappingProxyType(
            {
                "create": BatchRule("array", length),
                "update": BatchRule(
                    "array",
                    length if self._replaces else min(length, UPDATES_AT_ONCE),
                    is_repeatable=self._replaces,
                    looks_first=not self._replaces,
                ),
            }
        )

    @property
    def id_field(self) -> str:
        return names.ID

    @property
    def natural_key(self) -> str:
        return self._natural_key

    @property
    def rules(self) -> Mapping[str, BatchRule]:
        return self._rules

    @property
    def never_returned(self) -> frozenset[str]:
        return frozenset()

    def list(self) -> Source:
        return ListSource(self._transport, ORDERS, {})

    def comparable(self, row: JsonObject) -> JsonObject:
        return comparable(row)

    async def write(self, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        """One POST, after one GET for each update in "append". Where none is settled: InDoubtError."""
        if items[0].target_id is None:
            return await self._send(items, [encoded_for(self._dialect, item) for item in items])
        if self._replaces and self.keep_before is None:
            return await self._send(items, [with_id(self._dialect, item) for item in items])
        return await self._update(items)

    def _kind_of(self, items: Sequence[WriteItem]) -> Kind:
        if items[0].target_id is None:
            return Kind.ARRAY_CREATE
        return Kind.ARRAY_SET if self._replaces else Kind.ARRAY_UPDATE

    async def _update(self, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        outcomes = await changes(
            self._transport,
            self._dialect,
            self._row_path,
            items,
            keeps_lines=not self._replaces,
            keep_before=self.keep_before,
            lines=self._lines if self.removes_lines else None,
        )
        waiting = [(item, out) for item, out in zip(items, outcomes, strict=True) if isinstance(out, bytes)]
        sent: Iterator[WriteResult] = iter(())
        if waiting:
            try:
                sent = iter(await self._send([item for item, _ in waiting], [body for _, body in waiting]))
            except InDoubtError:
                if len(waiting) == len(items):
                    raise
                sent = iter([DOUBT] * len(waiting))
        return [next(sent) if isinstance(out, bytes) else out for out in outcomes]

    async def _send(self, items: Sequence[WriteItem], bodies: Sequence[bytes]) -> Sequence[WriteResult]:
        kind = self._kind_of(items)
        request = Request(
            "POST",
            self._list_path,
            body=b"[" + b",".join(bodies) + b"]",
            headers=self._headers,
            is_repeatable=kind.is_repeatable,
            decode=decode_json,
        )
        response = await self._transport.send(request)
        if not response.is_success:
            results = refusals(self._transport.host.name, request, response, items, kind=kind)
        elif response.data is None and FATES[Reply.EMPTY][kind] is Fate.WRITTEN:
            results = [WriteResult(Verdict.WRITTEN, target_id=item.target_id) for item in items]
        else:
            results = settled(
                items,
                self._dialect.read(response.data),
                key_field=self._natural_key,
                is_multi=response.status == MULTI_STATUS,
            )
        if all(result is DOUBT for result in results) and not kind.is_repeatable:
            raise InDoubtError(
                f"{self._transport.host.name}: POST {self._list_path} answered {response.status}, "
                "which does not tell what became of the orders",
                sent_at=response.sent_at,
            )
        return results
