"""The external-order API through its typed calls and its streams, against the emulated API in every dialect."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import orjson
import pytest

from bulkmove.connectors.external_order import CONNECTOR
from bulkmove.connectors.external_order.api import ExternalOrderApi
from bulkmove.connectors.external_order.types import ChangedOrder, NewLine, NewOrder
from bulkmove.errors import RefusedError
from bulkmove.extract.passes import read_passes
from bulkmove.extract.tally import Tally
from bulkmove.model import JsonObject, Verdict, WriteItem
from bulkmove.protocols import Source, Transport
from bulkmove.sandbox.process import SandboxRecord
from bulkmove.sandbox.server import Sandbox
from bulkmove.sandbox.settings import SandboxSettings
from bulkmove.settings import HostSettings, RouteSettings, Secret, StreamName
from bulkmove.transport import open_transport
from tests.integration.moving import Job, Stage, Stages

DOCUMENTS = Path(__file__).parents[2] / "samples" / "documents" / "external-order"
(DOCUMENTED,) = json.loads(next(DOCUMENTS.glob("*-upsert-orders.request.json")).read_text())["body"]
DIALECTS = [
    pytest.param(spelling, paging, id=f"{spelling} {paging}")
    for spelling in ("underscored", "run-together")
    for paging in ("page", "limit-offset")
]
LINE: NewLine = {"product": 104392, "quantity": 1, "order_status": "in_collection"}


@dataclass
class Shop:
    """An emulated shop, and a client of it that is set to its dialect."""

    transport: Transport
    record: SandboxRecord

    @property
    def api(self) -> ExternalOrderApi:
        return ExternalOrderApi(self.transport)

    def source(self, stream: str, **where: str) -> Source:
        return CONNECTOR.source(stream, self.transport, self._route(stream, where=where))

    async def write(self, stream: str, *items: tuple[JsonObject, str | None], mode: Any = "upsert") -> Any:
        target = CONNECTOR.target(stream, self.transport, self._route(stream, mode=mode))
        return await target.write([WriteItem(to, body, orjson.dumps(body)) for body, to in items])

    def _route(self, stream: str, **settings: Any) -> RouteSettings:
        name = StreamName("new", stream)
        return RouteSettings(name="r", source=name, target=name, mapper="none", **settings)


@asynccontextmanager
async def opened(options: dict[str, str] | None = None, **settings: Any) -> AsyncIterator[Shop]:
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(
            Sandbox(SandboxSettings(**({"orders": 20, "products": 30} | settings)))
        )
        record = await stack.enter_async_context(SandboxRecord(sandbox.url))
        host = HostSettings(
            name="new",
            api="external-order",
            url=sandbox.url,
            credentials={"token": Secret("demo-token")},
            options=options or {},
        )
        transport = await stack.enter_async_context(
            open_transport(host, windows=(), sign=CONNECTOR.sign(host.credentials))
        )
        yield Shop(transport, record)


@asynccontextmanager
async def speaking(spelling: str, paging: str, **settings: Any) -> AsyncIterator[Shop]:
    emulated = {"external_spelling": spelling, "external_paging": paging, **settings}
    async with opened({"spelling": spelling, "paging": paging}, **emulated) as shop:
        yield shop


async def rows_of(source: Source, *, limit: int = 10) -> list[JsonObject]:
    found: list[JsonObject] = []

    async def keep(records: Any) -> None:
        found.extend(record.data for record in records)

    async with Tally() as tally:
        await read_passes(source, limit=limit, concurrency=lambda: 3, sink=keep, tally=tally)
    return found


@pytest.mark.parametrize(("spelling", "paging"), DIALECTS)
async def test_every_typed_call_does_what_it_says(spelling: str, paging: str) -> None:
    async with speaking(spelling, paging, targets_existing=5) as shop:
        api = shop.api
        assert {row["name"] for row in (await api.stores()).rows} >= {"Magazin online"}
        assert [row["id"] for row in (await api.stores_of_group(2)).rows] == [3]
        regions = await api.regions(page=2, page_size=10)
        assert (len(regions.rows), regions.total, regions.has_next) == (10, 42, True)
        cluj = next(row["id"] for row in (await api.regions()).rows if row["name"] == "Cluj")
        towns = (await api.localities(cluj)).rows
        assert {row["region_id"] for row in towns} == {cluj}
        bucharest = {row["locality_id"] for row in (await api.sectors()).rows}
        assert len((await api.sectors(bucharest.pop())).rows) == 6
        (new, *_) = (await shop.record.ids()).values()
        (product,) = (await api.products(str(new))).rows
        assert [row["id"] for row in (await api.products(product["code"])).rows] == [new]
        assert (await api.promo_codes()).total == 6
        new_order: NewOrder = {"shop": 2, "order_items": [LINE, LINE], "address": {"zip_code": 2068}}
        (made,) = await api.upsert([new_order])
        order_id, items = made["order_id"], made["order_items"]
        assert (await api.order(order_id)) == made
        assert (await api.address(order_id))["zip_code"] == 2068
        assert (await api.search_orders(order_id)).rows == [made]
        assert (await api.orders(status=("in_collection",))).rows == [made]
        assert (await api.orders(ordering="-created_at", page_size=1)).rows == [made]
        assert (await api.orders(created_after=4_000_000_000)).total == 0
        await api.delete_order_item(items[0]["order_id"])
        with pytest.raises(RefusedError, match="404"):
            await api.delete_order_item(items[0]["order_id"])
        (changed,) = await api.upsert([{"order_id": order_id, "promo_code": 1}])
        assert (changed["promo_code"], changed["order_items"]) == (1, items[1:])


@pytest.mark.parametrize(("spelling", "paging"), DIALECTS)
async def test_the_documented_body_reaches_the_shop_by_the_call_and_by_the_stream(
    spelling: str, paging: str
) -> None:
    async with speaking(spelling, paging, targets_existing=1) as shop:
        (there,) = (await shop.api.orders()).rows
        address = {name: value for name, value in DOCUMENTED["address"].items() if name != "address_id"}
        line = {**DOCUMENTED["order_items"][0], "order_id": there["order_items"][0]["order_id"]}
        # The document's body, under the ids that this shop has.
        body = {**DOCUMENTED, "order_id": there["order_id"], "order_items": [line], "address": address}
        (row,) = await shop.api.upsert([cast(ChangedOrder, body)])
        assert [row["rrn"], row["order_items"][0]] == ["999999", line]
        plain = {name: value for name, value in DOCUMENTED.items() if name not in {"order_id", "address"}}
        bare = {name: value for name, value in line.items() if name != "order_id"}
        new = {**plain, "rrn": "1000000", "order_items": [bare], "address": address}
        (result,) = await shop.write("orders", (new, None))
        assert result.verdict is Verdict.WRITTEN
        (again,) = await shop.write("orders", (new, result.target_id))
        assert again.verdict is Verdict.UNCHANGED
        stored = {item["rrn"]: item for item in await shop.record.rows("external-orders")}
        for written in (row, new):
            kept = stored[str(written["rrn"])]
            assert kept["_ignored"] == []
            assert kept["promo_code"] == 1
            assert {**kept["address"], "address_id": 0} == {**address, "address_id": 0}
            assert {**bare, "order_id": 0} in [{**each, "order_id": 0} for each in kept["order_items"]]


@pytest.mark.parametrize("shape", ["envelope", "array"])
@pytest.mark.parametrize(("spelling", "paging"), DIALECTS)
async def test_every_stream_is_read_whole(spelling: str, paging: str, shape: str) -> None:
    async with speaking(spelling, paging, external_list=shape, targets_existing=25) as shop:
        rows = await rows_of(shop.source("orders"))
        stored = {row["order_id"]: row for row in await shop.record.rows("external-orders")}
        assert [row["order_id"] for row in rows] == list(stored)
        assert all(row["order_items"] == stored[row["order_id"]]["order_items"] for row in rows)
        counts = {"stores": 3, "regions": 42, "sectors": 6, "promo-codes": 6, "products": 30}
        for stream, count in counts.items():
            found = await rows_of(shop.source(stream))
            assert len({row["id"] for row in found}) == len(found)
            assert len(found) == count if stream != "products" else len(found) >= count
        assert {row["region_id"] for row in await rows_of(shop.source("localities", region_id="102"))} == {
            102
        }
        assert await rows_of(shop.source("sectors", locality_id="1")) == []
        assert [row["id"] for row in await rows_of(shop.source("stores", group="2"))] == [3]


@pytest.mark.parametrize("shape", ["envelope", "array"])
async def test_products_are_found_by_id_code_and_name(shape: str) -> None:
    async with opened(external_list=shape) as shop:
        search = CONNECTOR.search("products", shop.transport)
        (row, *_) = await rows_of(shop.source("products"))
        for text in (str(row["id"]), row["code"], row["barcode"], row["name"]):
            if text:
                assert row in await search(text)
        assert await search("nothing like it") == []


@pytest.mark.parametrize("orders", [0, 12])
@pytest.mark.parametrize(("spelling", "paging"), DIALECTS)
async def test_a_look_finds_the_dialect_whatever_is_set(spelling: str, paging: str, orders: int) -> None:
    async with opened(external_spelling=spelling, external_paging=paging, targets_existing=orders) as shop:
        found = {finding.question: finding for finding in await CONNECTOR.examine(shop.transport)}
        stats = (await shop.record.stats())["external-order"]
        assert stats["total"] <= 8
        assert all(call.startswith("GET ") for call in stats["requests"])
        told = {name: found[name].setting for name in ("spelling", "paging") if found[name].verdict == "bad"}
        wanted = {"spelling": spelling, "paging": paging}
        usual = {"spelling": "underscored", "paging": "page"}
        assert told == {
            name: f'options.{name} = "{value}"'
            for name, value in wanted.items()
            if orders and value != usual[name]
        }
        assert found["path regions"].verdict == "good"


@pytest.mark.parametrize("created_at", ["epoch", "iso", "absent"])
async def test_a_look_tells_the_ways_of_a_host(created_at: str) -> None:
    settings: dict[str, Any] = {
        "external_list": "array",
        "external_created_after": "ignored",
        "created_at": created_at,
    }
    async with opened(targets_existing=12, **settings) as shop:
        found = {finding.question: finding for finding in await CONNECTOR.examine(shop.transport)}
        assert (found["lists"].verdict, found["created_after"].verdict) == ("note", "note")
        assert found["created_at"].verdict == ("note" if created_at == "absent" else "good")
        assert (found["ordering"].verdict, found["path order"].verdict) == ("good", "good")


# Whole migrations


def stage_of(sandbox: Stages, spelling: str, paging: str = "page") -> Stage:
    """A sandbox of a dialect, the same for all tests of this one."""
    usual = {"external_spelling": "underscored", "external_paging": "page"}
    emulated = {"external_spelling": spelling, "external_paging": paging}
    return sandbox(**{name: value for name, value in emulated.items() if value != usual[name]})


@pytest.mark.parametrize(("spelling", "paging"), DIALECTS)
def test_a_shop_is_moved_and_changed_in_every_dialect(
    sandbox: Stages, tmp_path: Path, spelling: str, paging: str
) -> None:
    job = Job(tmp_path, stage_of(sandbox, spelling, paging))
    job.hosts["new"] = job.host("external-order", options={"spelling": spelling, "paging": paging})
    job.with_orders()
    ended = job.run()
    assert (ended.code, ended.counts("orders")) == (0, {"read": 300, "written": 300}), ended.told
    job.check_all_equal()
    rows = job.stage.rows("external-orders")
    assert {(row["_writes"], *row["_ignored"]) for row in rows} == {(1,)}
    # Another migration finds them by their key, and changes the store of each.
    again = Job(tmp_path, job.stage, name="again", hosts=job.hosts)
    again.with_orders(mode="update", options={"shop": 3})
    ended = again.run()
    assert (ended.code, ended.counts("orders")) == (0, {"read": 300, "written": 300}), ended.told
    changed = job.stage.rows("external-orders")
    assert {(row["_writes"], row["shop"], *row["_ignored"]) for row in changed} == {(2, 3)}
    assert [row["order_items"] for row in changed] == [row["order_items"] for row in rows]


def test_a_host_in_another_spelling_than_is_set_ends_the_run_before_any_write(
    sandbox: Stages, tmp_path: Path
) -> None:
    job = Job(tmp_path, stage_of(sandbox, "run-together"))
    job.hosts["new"] = job.host("external-order", options={"spelling": "run-together"})
    assert job.with_orders().run("--limit", "5").code == 0
    written = job.stage.written()
    other = Job(tmp_path, job.stage, name="other")
    ended = other.with_orders().run()
    assert ended.code == 2, ended.told
    assert 'hosts.new.options.spelling = "run-together"' in ended.told
    assert job.stage.written() == written > 0


TAKE_AWAY = """
def take_away(record, context):
    return [{"id": line["order_id"]} for line in record["order_items"][1:]]
"""


@pytest.mark.parametrize("spelling", ["underscored", "run-together"])
def test_lines_are_taken_out_of_their_orders_and_no_other(
    sandbox: Stages, tmp_path: Path, spelling: str
) -> None:
    job = Job(tmp_path, stage_of(sandbox, spelling)).with_mapper(TAKE_AWAY)
    job.hosts["new"] = job.host("external-order", options={"spelling": spelling})
    assert job.with_orders().run("--limit", "60").code == 0
    before = {row["order_id"]: row["order_items"] for row in job.stage.rows("external-orders")}
    spare = sum(len(lines) - 1 for lines in before.values())
    assert spare > 10
    away = Job(tmp_path, job.stage, name="away", hosts=job.hosts)
    away.routes["lines"] = {
        "source": "new.orders",
        "target": "new.order-items",
        "mapper": "mappers.py:take_away",
        "mode": "delete",
    }
    ended = away.run()
    alone = sum(len(lines) == 1 for lines in before.values())
    counts = {"read": 60, "written": 60 - alone, "skipped": alone}
    assert (ended.code, ended.counts("lines")) == (0, counts), ended.told
    after = {row["order_id"]: row["order_items"] for row in job.stage.rows("external-orders")}
    assert after == {order_id: lines[:1] for order_id, lines in before.items()}
    assert job.stage.count("external-order", "DELETE order-item") == spare
