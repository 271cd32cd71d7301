"""The eight kinds of write, each as a route from a shop in memory to a host on a real socket, and what became of its records."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import anyio
import orjson

from bulkmove.connectors.external_order import CONNECTOR as EXTERNAL_ORDER
from bulkmove.connectors.fates import Kind
from bulkmove.connectors.merchantpro import CONNECTOR as MERCHANTPRO
from bulkmove.connectors.robosize import CONNECTOR as ROBOSIZE
from bulkmove.errors import single_error
from bulkmove.ledger import SqliteLedger, open_ledger
from bulkmove.mapping.resolve import ResolvedMapper
from bulkmove.model import State, Summary
from bulkmove.pipeline.job import RunOptions
from bulkmove.pipeline.opening import open_host
from bulkmove.pipeline.plan import MigrationPlan, RoutePlan
from bulkmove.pipeline.runner import run_migration
from bulkmove.protocols import Connector, MapContext, StreamSpec
from bulkmove.settings import (
    HostSettings,
    MigrationSettings,
    Mode,
    RouteSettings,
    Secret,
    StreamName,
    Window,
)
from bulkmove.transport import Timing
from tests.doubles import Shop, as_connector
from tests.integration.fated_host import EXTERNAL, MADE_AT, ORDERS, PRODUCTS, SHOP, FatedHost, Row

_SECRETS = {
    EXTERNAL_ORDER.name: ("token",), ROBOSIZE.name: ("api_key",), MERCHANTPRO.name: ("key", "secret"),
}  # fmt: skip
_SOURCE = StreamSpec(name="rows", id_field="id", can_read=True, can_write=False, natural_key="key")
SETTLE_S = 0.05
# Fields that take any text: what makes a body large.
_FILLED = {EXTERNAL: "promo_code", ORDERS: "filler", PRODUCTS: "image_url", SHOP: "shipping_address"}


@dataclass(frozen=True, slots=True)
class Scene:
    """One kind of write: where it goes, what stands there before, what a record becomes, and what it shall be there."""

    kind: Kind
    connector: Connector
    stream: str
    place: str
    mode: Mode
    body: Callable[[int], Row]
    before: Callable[[int], Row] | None = None
    after: Callable[[int], Row | None] = lambda _: None
    options: Mapping[str, Any] = field(default_factory=dict)

    def rows_before(self, count: int) -> dict[str, Row]:
        return {str(n): self.before(n) for n in range(1, count + 1)} if self.before is not None else {}


def _line(product: int, quantity: int) -> Row:
    return {"product": product, "quantity": quantity, "order_status": "new"}


def _new_order(n: int) -> Row:
    return {"rrn": f"k{n}", "shop": n, "order_items": [_line(7, n)]}


def _old_order(n: int) -> Row:
    return {"order_id": n, "rrn": f"k{n}", "shop": 9, "order_items": [{**_line(7, 90), "order_id": 1000 + n}]}


def _changed_order(n: int) -> Row:
    return {"order_id": n, "rrn": f"k{n}", "shop": n, "order_items": [_line(7, n), _line(8, n)]}


def _old_fitting(n: int) -> Row:
    return {"id": n, "store_id": f"k{n}", "data": {"total": 90}}


def _plain(row: Row) -> Row:
    """A row as it was sent: without the ids of lines, and without its own."""
    own = {"order_id", "id", "date_created", *_FILLED.values()}
    shown = {name: value for name, value in row.items() if name not in own}
    if "data" in shown:
        shown["data"] = {name: value for name, value in shown["data"].items() if name not in own}
    if "order_items" in shown:
        shown["order_items"] = [
            {name: value for name, value in line.items() if name != "order_id"}
            for line in shown["order_items"]
        ]
    return shown


def _old_order_of_shop(n: int) -> Row:
    return {"id": str(n), "date_created": MADE_AT, "channel_ref_id": f"k{n}", "shipping_status": "awaiting"}


SCENES: Sequence[Scene] = (
    Scene(Kind.ARRAY_CREATE, EXTERNAL_ORDER, "orders", EXTERNAL, "create", _new_order, after=_new_order),
    Scene(
        Kind.CREATE, ROBOSIZE, "orders", ORDERS, "create",
        lambda n: {"store_id": f"k{n}", "device_id": f"d{n}", "data": {"total": n}},
        after=lambda n: {"store_id": f"k{n}", "data": {"total": n}},
    ),
    Scene(
        Kind.CREATE, MERCHANTPRO, "orders", SHOP, "create",
        lambda n: {"channel_ref_id": f"k{n}", "customer_email": f"{n}@example.ro"},
        after=lambda n: {"channel_ref_id": f"k{n}", "customer_email": f"{n}@example.ro"},
    ),
    Scene(
        Kind.ARRAY_UPDATE, EXTERNAL_ORDER, "orders", EXTERNAL, "update", _changed_order,
        before=_old_order, after=lambda n: _plain(_changed_order(n)),
    ),
    Scene(
        Kind.ARRAY_SET, EXTERNAL_ORDER, "orders", EXTERNAL, "update", _changed_order,
        before=_old_order, after=lambda n: _plain(_changed_order(n)), options={"items_on_update": "replace"},
    ),
    Scene(
        Kind.UPDATE, ROBOSIZE, "orders", ORDERS, "update",
        lambda n: {"id": str(n), "store_id": f"k{n}", "data": {"total": n}}, before=_old_fitting,
        after=lambda n: {"store_id": f"k{n}", "data": {"total": n}},
    ),
    Scene(
        Kind.UPDATE, MERCHANTPRO, "orders", SHOP, "update",
        lambda n: {"id": str(n), "customer_email": f"{n}@example.ro"}, before=_old_order_of_shop,
        after=lambda n: {**_plain(_old_order_of_shop(n)), "customer_email": f"{n}@example.ro"},
    ),
    Scene(
        Kind.JOINED, ROBOSIZE, "products", PRODUCTS, "update",
        lambda n: {"id": str(n), "name": "new"}, before=lambda n: {"id": n, "store_id": f"k{n}", "name": "old"},
        after=lambda n: {"store_id": f"k{n}", "name": "new"},
    ),
    Scene(Kind.DELETE, ROBOSIZE, "orders", ORDERS, "delete", lambda n: {"id": str(n)}, before=_old_fitting),
    Scene(Kind.DELETE, MERCHANTPRO, "orders", SHOP, "delete", lambda n: {"id": str(n)}, before=_old_order_of_shop),
    Scene(
        Kind.PROCESS, MERCHANTPRO, "processing", SHOP, "update", lambda n: {"id": str(n), "handler": "shipped"},
        before=_old_order_of_shop, after=lambda n: {**_plain(_old_order_of_shop(n)), "shipping_status": "shipped"},
    ),
)  # fmt: skip


def scene_of(kind: Kind) -> Scene:
    return next(scene for scene in SCENES if scene.kind is kind)


ARRAYS = frozenset({Kind.ARRAY_CREATE, Kind.ARRAY_UPDATE, Kind.ARRAY_SET, Kind.JOINED})


@dataclass
class Play:
    """A scene with its host and its ledger, run after run. `count`: how many records the source holds."""

    scene: Scene
    host: FatedHost
    folder: Path
    count: int = 4
    timeout_s: float = 5.0
    filler: int = 0

    def __post_init__(self) -> None:
        self.host.rows[self.scene.place] = self.scene.rows_before(self.count)
        self.host.replaces = self.scene.kind is Kind.ARRAY_SET

    @property
    def ledger(self) -> Path:
        return self.folder / "play.ledger.db"

    async def run(
        self,
        *,
        stop: anyio.Event | None = None,
        around: Callable[[SqliteLedger], SqliteLedger] = lambda ledger: ledger,
        attempts_over_s: float = 60.0,
    ) -> Summary:
        with single_error():
            async with open_ledger(self.ledger, synchronous="normal") as ledger:
                return await run_migration(
                    self._plan(),
                    around(ledger),
                    options=RunOptions(attempts_over_s=attempts_over_s),
                    observer=None,
                    stop=stop or anyio.Event(),
                    open_host=partial(open_host, timing=Timing(chance=lambda: 0.0)),
                )

    def _plan(self) -> MigrationPlan:
        scene = self.scene
        source = Shop.of([{"key": f"k{n}"} for n in range(1, self.count + 1)])
        hosts = {"old": HostSettings("old", "shop", "http://old.invalid"), "new": self._new()}
        route = RouteSettings(
            name="r", source=StreamName("old", "rows"), target=StreamName("new", scene.stream), mapper="m",
            mode=scene.mode, options=scene.options, check_bodies=False,
        )  # fmt: skip
        settings = MigrationSettings("play", self.folder, hosts, {"r": route}, self.ledger)
        mapper = ResolvedMapper(name="m", function=self._map, is_async=False, file=None, digest="")
        plan = RoutePlan(
            route, _SOURCE, scene.connector.streams[scene.stream], mapper, {}, {"mode": scene.mode}
        )
        return MigrationPlan(
            settings, {"old": as_connector({"rows": source}), "new": scene.connector}, {"r": plan}
        )

    def _new(self) -> HostSettings:
        return HostSettings(
            name="new",
            api=self.scene.connector.name,
            url=self.host.url,
            credentials={name: Secret("x") for name in _SECRETS[self.scene.connector.name]},
            windows=(Window(100_000, 1.0),),
            burst=1000,
            concurrency=1,
            timeout_s=self.timeout_s,
            settle_s=SETTLE_S,
        )

    def _map(self, record: Row, context: MapContext) -> Row:
        del context
        number = int(record["id"])
        body = mapped = self.scene.body(number)
        if self.filler and number == 1:
            if self.scene.place == ORDERS:
                body = body["data"]
            body[_FILLED[self.scene.place]] = "x" * self.filler
        return mapped

    def states(self) -> dict[int, str]:
        """By record: what it is in the ledger; `doubt` and `free` are two ways to be pending."""
        with closing(sqlite3.connect(self.ledger)) as connection:
            records = connection.execute("SELECT source_id, state, cause FROM records").fetchall()
            intents = connection.execute("SELECT members FROM intents").fetchall()
        doubtful = {int(each[0]) for (members,) in intents for each in orjson.loads(members)}
        found = {}
        for source_id, state, cause in records:
            number = int(source_id)
            if state == State.PENDING:
                found[number] = "doubt" if number in doubtful else "free"
            else:
                found[number] = "too-large" if cause == "too-large" else State(state).name.lower()
        return found

    def times_done(self, number: int) -> int:
        """How often the record is at the host as it shall be. Raises AssertionError where it is there in another way."""
        shall = self.scene.after(number)
        was = _plain(self.scene.before(number)) if self.scene.before is not None else None
        rows = self.host.rows[self.scene.place]
        if was is None:
            mine = [_plain(row) for row in rows.values() if f"k{number}" in row.values()]
        else:
            mine = [_plain(rows[str(number)])] if str(number) in rows else []
        if shall is None:
            return 1 - len(mine)
        assert all(row in (shall, was) for row in mine), f"record {number} is {mine}, not {shall}"
        return sum(row == shall for row in mine)


class LeavingHost:
    """A ledger whose host refuses connections from when the first page is put down, right before it is written."""

    def __init__(self, ledger: SqliteLedger, host: FatedHost, has_left: anyio.Event) -> None:
        self._ledger = ledger
        self._host = host
        self._has_left = has_left

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    async def add_page(self, *args: Any, **settings: Any) -> None:
        await self._host.leave()
        await self._ledger.add_page(*args, **settings)
        self._has_left.set()

    @classmethod
    def of(cls, host: FatedHost, has_left: anyio.Event) -> Callable[[SqliteLedger], SqliteLedger]:
        return lambda ledger: cast("SqliteLedger", cls(ledger, host, has_left))


@asynccontextmanager
async def playing(scene: Scene, folder: Path, **settings: Any) -> AsyncIterator[Play]:
    host = FatedHost()
    await host.come()
    try:
        yield Play(scene, host, folder, **settings)
    finally:
        await host.leave()
