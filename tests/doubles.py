"""A shop in memory, as Source, Target and Connector, with points at which a test can fail it, look, or hang it."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, cast

import anyio
import anyio.lowlevel

from bulkmove.entries import Member, Settled, TargetKey
from bulkmove.ledger import SqliteLedger
from bulkmove.model import (
    BatchRule,
    Finding,
    JsonObject,
    Listing,
    Operation,
    Page,
    PageQuery,
    Record,
    Response,
    Verdict,
    WriteItem,
    WriteResult,
)
from bulkmove.protocols import Connector, Search, Signature, Source, StreamSpec, Target, Transport
from bulkmove.settings import HostSettings, RouteSettings, Secret, Window

SINGLE = MappingProxyType({"create": BatchRule("single"), "update": BatchRule("single", is_repeatable=True)})
ONCE = MappingProxyType({"create": BatchRule("single"), "update": BatchRule("single")})
ARRAY = MappingProxyType({"create": BatchRule("array", 10), "update": BatchRule("array", 10)})
JOINED = MappingProxyType(
    {"create": BatchRule("single"), "update": BatchRule("joined", 10, is_repeatable=True)}
)

Answer = Callable[["Shop", Sequence[WriteItem]], Awaitable[Sequence[WriteResult]]]


async def apply_all(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
    """What a host that is well does."""
    return [shop.apply(item) for item in items]


@dataclass
class Shop:
    """One list of a host. `rows` are by id; `requests` are the writes that came in, applied or not."""

    rows: dict[str, JsonObject] = field(default_factory=dict)
    listing: Listing = field(default_factory=lambda: Listing(reading="passes", page_limit=100))
    rules: Mapping[str, BatchRule] = field(default_factory=lambda: SINGLE)
    answer: Answer = apply_all
    on_fetch: Callable[[PageQuery], Awaitable[None]] | None = None
    never_returned: frozenset[str] = frozenset()
    requests: list[list[WriteItem]] = field(default_factory=list)
    fetches: int = 0

    @classmethod
    def of(cls, bodies: Iterable[JsonObject], **settings: Any) -> Shop:
        """A shop that holds these rows under the ids 1, 2, 3 …"""
        return cls(rows={str(n): {"id": str(n), **body} for n, body in enumerate(bodies, 1)}, **settings)

    def apply(self, item: WriteItem) -> WriteResult:
        if item.target_id is None:
            row_id = str(max([0, *(int(each) for each in self.rows)]) + 1)
            self.rows[row_id] = {**item.body, "id": row_id}
            return WriteResult(Verdict.WRITTEN, target_id=row_id)
        if item.target_id not in self.rows:
            return WriteResult(Verdict.REJECTED, cause="not-found", message="no such row")
        self.rows[item.target_id].update(item.body)
        return WriteResult(Verdict.WRITTEN, target_id=item.target_id)

    def values(self, name: str) -> list[Any]:
        """A field of all rows, sorted."""
        return sorted(row.get(name) for row in self.rows.values())


class ShopSource:
    """Implements `Source` over a shop's rows as they are at the moment; rows have `at` as key where they are sorted."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    @property
    def listing(self) -> Listing:
        return self._shop.listing

    async def fetch(self, query: PageQuery) -> Page:
        self._shop.fetches += 1
        if self._shop.on_fetch is not None:
            await self._shop.on_fetch(query)
        await anyio.lowlevel.checkpoint()
        rows = [dict(row) for row in self._shop.rows.values()]
        if self.listing.reading == "keyset":
            rows.sort(key=lambda row: cast("int", row["at"]))
            rows = [
                row
                for row in rows
                if (query.after is None or row["at"] > query.after)
                and (query.before is None or row["at"] < query.before)
            ]
        part = rows[query.offset : query.offset + query.limit]
        records = [Record(id=row.get("id"), key=row.get("at"), version=None, data=row) for row in part]
        return Page(
            records=records, total=len(rows), has_next=query.offset + len(part) < len(rows), date=5000.0
        )


class ShopTarget:
    """Implements `Target` over a shop's rows. Rows are known by `id`, and found again by their natural key."""

    def __init__(self, shop: Shop, natural_key: str | None = None) -> None:
        self._shop = shop
        self._natural_key = natural_key or "key"

    @property
    def id_field(self) -> str:
        return "id"

    @property
    def natural_key(self) -> str:
        return self._natural_key

    @property
    def rules(self) -> Mapping[str, BatchRule]:
        return self._shop.rules

    @property
    def never_returned(self) -> frozenset[str]:
        return self._shop.never_returned

    def list(self) -> Source:
        return ShopSource(self._shop)

    def comparable(self, row: JsonObject) -> JsonObject:
        return {
            name: value
            for name, value in row.items()
            if name != "id" and name not in self._shop.never_returned
        }

    async def write(self, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        self._shop.requests.append(list(items))
        await anyio.lowlevel.checkpoint()
        return await self._shop.answer(self._shop, items)


@dataclass
class ShopConnector:
    """Implements `Connector`: its streams are shops in memory, and no credentials are asked for."""

    shops: Mapping[str, Shop]
    name: str = "shop"
    credentials: tuple[str, ...] = ()
    windows: tuple[Window, ...] = (Window(100_000, 1.0),)
    paths: Mapping[str, str] = field(default_factory=dict)
    unconfirmed: frozenset[str] = frozenset()
    operations: Mapping[str, Operation] = field(default_factory=dict)
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    is_local: bool = False

    @property
    def streams(self) -> Mapping[str, StreamSpec]:
        return {
            name: StreamSpec(name=name, id_field="id", can_read=True, can_write=True, natural_key="key")
            for name in self.shops
        }

    def sign(self, credentials: Mapping[str, Secret]) -> Signature:
        del credentials
        return Signature()

    def headers(self, host: HostSettings) -> Mapping[str, str]:
        del host
        return {}

    def wait_from_body(self, response: Response) -> float | None:
        del response
        return None

    def is_passing(self, response: Response) -> bool:
        del response
        return False

    def source(self, stream: str, transport: Transport, route: RouteSettings) -> Source:
        del transport, route
        return ShopSource(self.shops[stream])

    def target(self, stream: str, transport: Transport, route: RouteSettings) -> Target:
        del transport
        return ShopTarget(self.shops[stream], route.natural_key)

    def search(self, stream: str, transport: Transport) -> Search:
        """Rows whose `key` begins with the text."""
        del transport

        async def found(text: str) -> Sequence[JsonObject]:
            await anyio.lowlevel.checkpoint()
            return [row for row in self.shops[stream].rows.values() if str(row["key"]).startswith(text)]

        return found

    async def examine(self, transport: Transport) -> Sequence[Finding]:
        del transport
        return ()


def as_connector(shops: Mapping[str, Shop]) -> Connector:
    return ShopConnector(shops)


class Trap:
    """Hangs the n-th point that is passed, for ever; `is_sprung` is set there, to be cancelled upon."""

    def __init__(self, hang_at: int) -> None:
        self._hang_at = hang_at
        self.passed: list[str] = []
        self.is_sprung = anyio.Event()

    async def at(self, point: str) -> None:
        self.passed.append(point)
        if len(self.passed) == self._hang_at:
            self.is_sprung.set()
            await anyio.sleep_forever()

    def answering(self, answer: Answer = apply_all) -> Answer:
        """A host that can be hung before it does something and before it answers."""

        async def hung(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
            await self.at("before the host applies")
            results = await answer(shop, items)
            await self.at("before the host answers")
            return results

        return hung

    def around(self, ledger: SqliteLedger) -> SqliteLedger:
        """The ledger, with a point before and after each change that a write makes."""
        return cast("SqliteLedger", _TrappedLedger(ledger, self))


class TogetherLedger:
    """A ledger whose look-ups of keys are answered in pairs: two that can come at once do."""

    def __init__(self, ledger: SqliteLedger) -> None:
        self._ledger = ledger
        self._others = anyio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    async def find_keys(self, target_list: str, keys: Sequence[str]) -> dict[str, TargetKey]:
        found = await self._ledger.find_keys(target_list, keys)
        others, self._others = self._others, anyio.Event()
        others.set()
        mine = self._others
        with anyio.move_on_after(0.05):
            await mine.wait()
        return found


class _TrappedLedger:
    def __init__(self, ledger: SqliteLedger, trap: Trap) -> None:
        self._ledger = ledger
        self._trap = trap

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    async def add_page(self, *args: Any, **settings: Any) -> None:
        await self._trap.at("before a page is put down")
        await self._ledger.add_page(*args, **settings)
        await self._trap.at("after a page is put down")

    async def change(self, change: Callable[[sqlite3.Connection], object]) -> None:
        await self._trap.at("before a change")
        await self._ledger.change(change)
        await self._trap.at("after a change")

    async def open_intent(self, route: str, members: Sequence[Member]) -> int:
        await self._trap.at("before the intent")
        intent = await self._ledger.open_intent(route, members)
        await self._trap.at("after the intent")
        return intent

    async def settle(self, route: str, settled: Sequence[Settled], **settings: Any) -> None:
        await self._trap.at("before the outcome")
        await self._ledger.settle(route, settled, **settings)
        await self._trap.at("after the outcome")

    async def park(self, route: str, doubtful: Sequence[Member], **settings: Any) -> None:
        await self._trap.at("before parking")
        await self._ledger.park(route, doubtful, **settings)
        await self._trap.at("after parking")

    async def count_attempt(self, route: str, members: Sequence[Member], **settings: Any) -> None:
        await self._trap.at("before an attempt is counted")
        await self._ledger.count_attempt(route, members, **settings)
        await self._trap.at("after an attempt is counted")
