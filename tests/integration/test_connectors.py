"""The connectors and built-in mappers against the emulated APIs, over real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from bulkmove.connectors.discover import connector
from bulkmove.errors import ConfigError, CredentialsError, InDoubtError
from bulkmove.mapping.builtin.external_order import order_to_external_order
from bulkmove.mapping.builtin.relink import relink_product
from bulkmove.mapping.builtin.robosize_order import order_to_robosize_order
from bulkmove.mapping.context import RouteContext
from bulkmove.model import PageQuery, Record, Verdict, WriteItem
from bulkmove.protocols import Source, Target
from bulkmove.sandbox.process import SandboxRecord
from bulkmove.sandbox.server import Sandbox
from bulkmove.sandbox.settings import SandboxSettings
from bulkmove.settings import HostSettings, RouteSettings, Secret, StreamName
from bulkmove.transport import open_transport

CREDENTIALS = {
    "merchantpro": {"key": Secret("demo-key"), "secret": Secret("demo-secret")},
    "external-order": {"token": Secret("demo-token")},
    "robosize": {"api_key": Secret("demo-api-key")},
}


@dataclass
class World:
    """A running sandbox, with connectors opened on it."""

    url: str
    record: SandboxRecord
    stack: AsyncExitStack

    async def _opened(
        self, api: str, stream: str, host: Mapping[str, Any], settings: Mapping[str, Any]
    ) -> Any:
        found = connector(api)
        at = HostSettings(
            **{"name": api, "api": api, "url": self.url, "credentials": CREDENTIALS[api], **host}
        )
        transport = await self.stack.enter_async_context(
            open_transport(
                at,
                windows=(),
                sign=found.sign(at.credentials),
                wait_from_body=found.wait_from_body,
                is_passing=found.is_passing,
            )
        )
        name = StreamName(api, stream)
        return (
            found,
            transport,
            RouteSettings(**{"name": "r", "source": name, "target": name, "mapper": "m", **settings}),
        )

    async def source(
        self, api: str, stream: str, host: Mapping[str, Any] | None = None, **settings: Any
    ) -> Source:
        found, transport, route = await self._opened(api, stream, host or {}, settings)
        source: Source = found.source(stream, transport, route)
        return source

    async def target(self, api: str, stream: str, **settings: Any) -> Target:
        found, transport, route = await self._opened(api, stream, {}, settings)
        target: Target = found.target(stream, transport, route)
        return target


@asynccontextmanager
async def world(**settings: Any) -> AsyncIterator[World]:
    async with (
        Sandbox(SandboxSettings(**({"orders": 60, "products": 20} | settings))) as sandbox,
        SandboxRecord(sandbox.url) as record,
        AsyncExitStack() as stack,
    ):
        yield World(sandbox.url, record, stack)


@pytest.fixture
async def at() -> AsyncIterator[World]:
    async with world() as opened:
        yield opened


async def read_all(source: Source, limit: int = 25) -> list[Record]:
    records: list[Record] = []
    while True:
        page = await source.fetch(PageQuery(limit, len(records)))
        records += page.records
        if not page.records or page.has_next is False:
            return records


def items(bodies: list[dict[str, Any]], *ids: str | None) -> list[WriteItem]:
    targets = ids or (None,) * len(bodies)
    return [WriteItem(to, body, orjson.dumps(body)) for to, body in zip(targets, bodies, strict=True)]


def shop(**tables: Mapping[str, str]) -> RouteContext:
    return RouteContext("r", {"shop": 2, **dict.fromkeys(tables, "x.csv")}, tables, lambda _route, _id: ())


async def external_bodies(at: World, *, context: RouteContext | None = None) -> list[dict[str, Any]]:
    records = await read_all(await at.source("merchantpro", "orders"))
    bodies = [order_to_external_order(record.data, context or shop()) for record in records]
    return [body for body in bodies if body is not None]


async def test_a_shop_s_orders_are_read_along_their_dates(at: World) -> None:
    records = await read_all(await at.source("merchantpro", "orders"))
    stored = {row["id"]: row for row in await at.record.rows("orders")}
    assert len(records) == len({record.id for record in records}) == 60
    assert all(record.data["line_items"] == stored[record.data["id"]]["line_items"] for record in records)
    keys = [record.key or 0 for record in records]
    assert keys == sorted(keys)


async def test_pages_between_two_keys_hold_all_that_lies_between(at: World) -> None:
    source = await at.source("merchantpro", "orders")
    keys = [record.key or 0 for record in await read_all(source)]
    page = await source.fetch(PageQuery(100, after=keys[10], before=keys[50]))
    between = [key for key in keys if keys[10] < key < keys[50]]
    assert [key for record in page.records if keys[10] < (key := record.key or 0) < keys[50]] == between


async def test_only_the_fields_asked_for_come(at: World) -> None:
    source = await at.source("merchantpro", "orders", fields_used=("total_amount", "line_items", "tags"))
    page = await source.fetch(PageQuery(3))
    assert page.records[0].data.keys() == {
        "id",
        "date_created",
        "date_modified",
        "total_amount",
        "line_items",
        "tags",
    }


async def test_a_host_s_own_filter_takes_effect(at: World) -> None:
    records = await read_all(await at.source("merchantpro", "orders", where={"shipping_status": "delivered"}))
    assert {record.data["shipping_status"] for record in records} == {"delivered"}


async def test_undated_orders_have_no_key() -> None:
    async with world(undated=3) as at:
        records = await read_all(await at.source("merchantpro", "orders"))
        assert sum(record.key is None for record in records) == 3


async def test_wrong_credentials_end_it(at: World) -> None:
    source = await at.source(
        "merchantpro", "orders", {"credentials": {"key": Secret("x"), "secret": Secret("y")}}
    )
    with pytest.raises(CredentialsError):
        await source.fetch(PageQuery(1))


@pytest.mark.parametrize("api", ["merchantpro", "robosize"])
async def test_a_wrong_path_names_the_setting(at: World, api: str) -> None:
    source = await at.source(api, "orders", {"paths": {"orders": "/nowhere/"}})
    with pytest.raises(ConfigError, match=rf"hosts\.{api}\.url"):
        await source.fetch(PageQuery(1))


async def test_a_failure_that_passes_is_waited_out(at: World) -> None:
    await at.record.add_fault("passing-error", times=1)
    source = await at.source("merchantpro", "orders")
    assert len((await source.fetch(PageQuery(5))).records) == 5


# To the new shop


@pytest.mark.parametrize("created_at", ["epoch", "iso", "absent"])
@pytest.mark.parametrize("external_list", ["envelope", "array"])
async def test_mapped_orders_are_written_and_read_back_as_they_were_sent(
    created_at: str, external_list: str
) -> None:
    async with world(created_at=created_at, external_list=external_list) as at:
        bodies = await external_bodies(at)
        target = await at.target("external-order", "orders")
        results = await target.write(items(bodies))
        assert {result.verdict for result in results} == {Verdict.WRITTEN}
        rows = {record.id: record for record in (await target.list().fetch(PageQuery(1000))).records}
        assert len(rows) == 60
        for body, result in zip(bodies, results, strict=True):
            row = rows[result.target_id]
            shown = target.comparable(row.data)
            assert {name: shown[name] for name in body} == target.comparable(body)
            assert (row.key is None) == (created_at == "absent")


async def test_numbered_pages_cover_the_list_and_end(at: World) -> None:
    target = await at.target("external-order", "orders")
    await target.write(items(await external_bodies(at)))
    pages = [await target.list().fetch(PageQuery(25, offset)) for offset in (0, 25, 50, 75)]
    assert [len(page.records) for page in pages] == [25, 25, 10, 0]
    assert [page.has_next for page in pages] == [True, True, False, False]


@pytest.mark.parametrize("shape", ["list", "indexed"])
async def test_one_bad_order_leaves_all_unwritten_and_is_named(shape: str) -> None:
    async with world(drf=shape) as at:
        bodies = await external_bodies(at)
        bodies[7]["order_items"][0]["order_status"] = "lost"
        target = await at.target("external-order", "orders")
        results = await target.write(items(bodies))
        assert [i for i, result in enumerate(results) if result.verdict is Verdict.REJECTED] == [7]
        assert {result.verdict for i, result in enumerate(results) if i != 7} == {Verdict.HELD}
        assert "order_items" in (results[7].message or "")
        assert await at.record.rows("external-orders") == []
        await target.write(items([body for i, body in enumerate(bodies) if i != 7]))
        assert len(await at.record.rows("external-orders")) == 59


async def test_errors_inside_a_2xx_reject_their_order_alone(at: World) -> None:
    await at.record.add_fault("partial-200", share=1.0)
    bodies = await external_bodies(at)
    bodies[7]["order_items"] = "none"
    results = await (await at.target("external-order", "orders")).write(items(bodies))
    assert [i for i, result in enumerate(results) if result.verdict is not Verdict.WRITTEN] == [7]
    assert results[7].verdict is Verdict.REJECTED


async def test_orders_that_a_short_answer_leaves_out_are_in_doubt(at: World) -> None:
    await at.record.add_fault("short-answer", share=1.0)
    bodies = await external_bodies(at)
    results = await (await at.target("external-order", "orders")).write(items(bodies))
    verdicts = {result.verdict for result in results}
    assert verdicts == {Verdict.WRITTEN, Verdict.DOUBT}
    rows = {row["rrn"]: str(row["order_id"]) for row in await at.record.rows("external-orders")}
    for body, result in zip(bodies, results, strict=True):
        assert result.target_id in {None, rows[body["rrn"]]}


@pytest.mark.parametrize("fault", ["cut-json", "html-200", "dropped-after", "error-502-after"])
async def test_a_creation_whose_answer_is_lost_is_in_doubt(at: World, fault: str) -> None:
    target = await at.target("external-order", "orders")
    bodies = await external_bodies(at)
    await at.record.add_fault(fault, share=1.0, methods=["POST"])
    with pytest.raises(InDoubtError):
        await target.write(items(bodies))


@pytest.mark.parametrize("updates", ["append", "replace"])
async def test_an_update_never_doubles_a_line(updates: str) -> None:
    async with world(items_on_update=updates) as at:
        bodies = await external_bodies(at)
        options = {"items_on_update": updates}
        target = await at.target("external-order", "orders", options=options)
        ids = [result.target_id for result in await target.write(items(bodies))]
        for body in bodies[:30]:
            body["order_items"] = [
                {**line, "quantity": line["quantity"] + 1}
                for line in (*body["order_items"], body["order_items"][0])
            ]
        results = await target.write(items(bodies, *ids))
        expected = Verdict.UNCHANGED if updates == "append" else Verdict.WRITTEN
        assert [result.verdict for result in results] == [Verdict.WRITTEN] * 30 + [expected] * 30
        assert [result.target_id for result in results] == ids
        rows = {row["rrn"]: row for row in await at.record.rows("external-orders")}
        assert len(rows) == 60
        for body in bodies:
            assert (
                target.comparable(rows[body["rrn"]])["order_items"] == target.comparable(body)["order_items"]
            )


async def test_an_update_of_an_order_that_is_gone_is_rejected(at: World) -> None:
    target = await at.target("external-order", "orders")
    (result,) = await target.write(items([{"shop": 2}], "999999"))
    assert (result.verdict, result.cause) == (Verdict.REJECTED, "not-found")


async def test_products_and_places_travel_through_their_tables() -> None:
    async with world(strict_references=True) as at:
        ids = {old: str(new) for old, new in (await at.record.ids()).items()}
        bodies = await external_bodies(at, context=shop(products=ids))
        results = await (await at.target("external-order", "orders")).write(items(bodies))
        assert {result.verdict for result in results} == {Verdict.WRITTEN}


# To the sizing service


async def test_orders_reach_the_sizing_service_exactly(at: World) -> None:
    records = await read_all(await at.source("merchantpro", "orders"))
    context = RouteContext("r", {"data": "all"}, {}, lambda _route, _id: ())
    bodies = [order_to_robosize_order(record.data, context) for record in records[:5]]
    target = await at.target("robosize", "orders")
    written = [(await target.write(items([body])))[0] for body in bodies if body is not None]
    rows = {record.id: record.data for record in await read_all(target.list())}
    for record, body, result in zip(records, bodies, written, strict=False):
        assert body is not None
        assert result.verdict is Verdict.WRITTEN
        assert rows[result.target_id]["data"] == record.data
        assert target.comparable(rows[result.target_id]) == target.comparable(body)
    (changed,) = await target.write(items([{"store_id": "294", "device_id": "x"}], written[0].target_id))
    assert changed.verdict is Verdict.WRITTEN
    stored = {str(row["id"]): row for row in await at.record.rows("robosize-orders")}
    assert stored[written[0].target_id or ""]["store_id"] == "294"


async def test_products_are_relinked_one_number_each(at: World) -> None:
    products = await read_all(await at.source("robosize", "products"))
    ids = {old: str(new) for old, new in (await at.record.ids()).items()}
    context = RouteContext("r", {"ids": "ids.csv"}, {"ids": ids}, lambda _route, _id: ())
    target = await at.target("robosize", "products")
    assert len(products) == 20
    for product in products:
        body = relink_product(product.data, context)
        assert body is not None
        (result,) = await target.write(items([{"store_id": body["store_id"]}], body["id"]))
        assert result.verdict is Verdict.WRITTEN
    after = {record.id: record.data for record in await read_all(target.list())}
    for product in products:
        assert after[product.id] == {**product.data, "store_id": ids[str(product.data["store_id"])]}


async def test_one_change_reaches_many_products_in_one_request(at: World) -> None:
    target = await at.target("robosize", "products")
    products = await read_all(target.list())
    results = await target.write(items([{"tags": ["Rochii 👗"]}] * 20, *(product.id for product in products)))
    assert {result.verdict for result in results} == {Verdict.WRITTEN}
    assert all(row.data["tags"] == [{"name": "Rochii 👗"}] for row in await read_all(target.list()))
    assert (await at.record.stats())["robosize"]["requests"]["PATCH products"] == {"200": 1}


async def test_a_product_is_created(at: World) -> None:
    target = await at.target("robosize", "products")
    body = {
        "name": "Rochie 👗",
        "store_id": "x-1",
        "tags": ["Rochii"],
        "image_url": "https://x/1.jpg",
        "type": "top",
    }
    (result,) = await target.write(items([body]))
    rows = {record.id: record.data for record in await read_all(target.list())}
    comparable = target.comparable(rows[result.target_id])
    assert {name: comparable[name] for name in target.comparable(body)} == target.comparable(body)


async def test_a_longer_page_is_cut_without_a_word_and_still_read_whole() -> None:
    async with world(robosize_max_limit=7) as at:
        assert len(await read_all(await at.source("robosize", "products"), 200)) == 20
