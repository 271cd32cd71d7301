"""A mapper put to a page: what each record becomes, and what a mapper that fails costs."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from bulkmove.errors import HostUnavailableError, RejectRecordError
from bulkmove.mapping.apply import ASYNC_MAPPERS, MOST_ROUNDS, Rejection, Skip, map_page
from bulkmove.mapping.context import RouteContext
from bulkmove.mapping.lookups.asking import StandIn
from bulkmove.mapping.lookups.decisions import Decision, Decisions
from bulkmove.mapping.lookups.index import Index
from bulkmove.mapping.lookups.keys import FieldWatch
from bulkmove.mapping.lookups.resolver import Lookups
from bulkmove.model import JsonObject
from bulkmove.protocols import MapContext
from bulkmove.settings import LookupSettings

CONTEXT = RouteContext("r", {"x": 1}, {}, lambda _route, _id: ())


def rows(count: int) -> list[JsonObject]:
    return [{"id": n} for n in range(count)]


def one(record: JsonObject, _: MapContext) -> JsonObject:
    return {"of": record["id"]}


async def one_async(record: JsonObject, _: MapContext) -> JsonObject:
    await anyio.sleep(0.001 * (5 - record["id"] % 5))
    return {"of": record["id"]}


@pytest.mark.parametrize(
    ("mapper", "in_thread"), [(one, False), (one, True), (one_async, False), (one_async, True)]
)
async def test_results_come_in_the_order_of_the_records(mapper: Any, in_thread: Any) -> None:
    results = await map_page(mapper, rows(50), CONTEXT, in_thread=in_thread)
    assert results == [[{"of": n}] for n in range(50)]


def several(*_: object) -> Iterator[JsonObject]:
    yield {"n": 1}
    yield {"n": 2}


@pytest.mark.parametrize(
    ("given", "becomes"),
    [
        (None, []), ([], []), ((), []), (iter(()), []), ({}, [{}]), ({"a": 1}, [{"a": 1}]),
        ([{"a": 1}, {"b": 2}], [{"a": 1}, {"b": 2}]), (({"a": 1},), [{"a": 1}]), (several(), [{"n": 1}, {"n": 2}]),
    ],
)  # fmt: skip
async def test_a_record_becomes_no_body_one_or_several(given: Any, becomes: Any) -> None:
    assert await map_page(lambda _r, _c: given, rows(1), CONTEXT) == [becomes]


@pytest.mark.parametrize("given", ["text", b"bytes", 7, True, 1.5, object()])
async def test_what_is_neither_is_rejected_by_the_name_of_its_type(given: Any) -> None:
    [result] = await map_page(lambda _r, _c: given, rows(1), CONTEXT)
    assert isinstance(result, Rejection)
    assert result.cause == "mapper-error"
    assert type(given).__name__ in result.message


def raising(error: BaseException) -> Any:
    def mapper(record: JsonObject, _: MapContext) -> JsonObject:
        if record["id"] == 1:
            raise error
        return record

    return mapper


def raising_async(error: BaseException) -> Any:
    async def mapper(record: JsonObject, _: MapContext) -> JsonObject:
        await anyio.lowlevel.checkpoint()
        if record["id"] == 1:
            raise error
        return record

    return mapper


def raising_late(error: BaseException) -> Any:
    def mapper(record: JsonObject, _: MapContext) -> Iterator[JsonObject]:
        yield record
        if record["id"] == 1:
            raise error

    return mapper


@pytest.mark.parametrize("making", [raising, raising_async, raising_late])
@pytest.mark.parametrize("in_thread", [False, True])
@pytest.mark.parametrize(
    "error",
    [RejectRecordError("unwanted", cause="too-old"), KeyError("price"), RecursionError("deep"), SystemExit(3), MemoryError()],
)  # fmt: skip
async def test_whatever_a_mapper_raises_costs_its_own_record(
    making: Any, in_thread: Any, error: BaseException
) -> None:
    results = await map_page(making(error), rows(3), CONTEXT, in_thread=in_thread)
    assert results[0] == [{"id": 0}]
    assert results[2] == [{"id": 2}]
    assert isinstance(results[1], Rejection)
    if isinstance(error, RejectRecordError):
        assert results[1] == Rejection("too-old", "unwanted")
    else:
        assert results[1].cause == "mapper-error"
        assert type(error).__name__ in results[1].message


async def test_a_traceback_names_the_line_of_the_mapper_and_not_ours() -> None:
    [_, result] = await map_page(raising(ValueError("bad price")), rows(2), CONTEXT)
    assert isinstance(result, Rejection)
    assert result.message.startswith("ValueError: bad price")
    assert "test_apply.py" in result.message
    assert "mapping/apply.py" not in result.message


async def test_a_message_without_end_is_cut() -> None:
    [_, result] = await map_page(raising(ValueError("x" * 100_000)), rows(2), CONTEXT)
    assert isinstance(result, Rejection)
    assert len(result.message) <= 4000


async def test_each_record_is_given_to_the_mapper_once() -> None:
    given: list[int] = []

    def mapper(record: JsonObject, _: MapContext) -> JsonObject:
        given.append(record["id"])
        raise KeyError("x")

    await map_page(mapper, rows(20), CONTEXT)
    assert given == list(range(20))


async def test_async_mappers_run_side_by_side_within_a_bound() -> None:
    now, most = 0, 0

    async def mapper(record: JsonObject, _: MapContext) -> JsonObject:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await anyio.sleep(0.001)
        now -= 1
        return record

    await map_page(mapper, rows(100), CONTEXT)
    assert most == ASYNC_MAPPERS


async def test_a_mapper_that_asks_the_ledger_is_kept_off_the_loop() -> None:
    async def where(*, in_thread: bool) -> object:
        results = await map_page(
            lambda _r, _c: {"t": threading.get_ident()}, rows(1), CONTEXT, in_thread=in_thread
        )
        assert isinstance(results[0], list)
        return results[0][0]["t"]

    assert await where(in_thread=False) == threading.get_ident()
    assert await where(in_thread=True) != threading.get_ident()


async def test_cancelled_an_async_mapper_is_cancelled_and_nothing_is_made_up() -> None:
    async def mapper(record: JsonObject, _: MapContext) -> JsonObject:
        await anyio.sleep_forever()
        return record

    with anyio.move_on_after(0.02) as scope:
        await map_page(mapper, rows(3), CONTEXT)
        pytest.fail("nothing came back")
    assert scope.cancelled_caught


async def test_an_async_generator_is_no_mapper_and_is_told_so() -> None:
    async def mapper(record: JsonObject, _: MapContext) -> AsyncIterator[JsonObject]:
        yield record

    [result] = await map_page(mapper, rows(1), CONTEXT)  # type: ignore[arg-type]
    assert isinstance(result, Rejection)


# Look-ups


class World:
    """Regions that are loaded, towns of a region and products that are asked for. `asked` is what the host was asked."""

    def __init__(
        self, *, collecting: bool = False, decisions: Decisions | None = None, most_kept: int = 1000
    ) -> None:
        self.asked: list[str] = []
        self.error: Exception | None = None
        self.lookups = Lookups(decisions, collecting=collecting)
        region = LookupSettings("region")
        index = Index(region, FieldWatch(region, "new.regions"))
        index.add_pairs([("Bihor", 101), ("Cluj", 102)])
        self.lookups.add_whole(region, index)
        town = LookupSettings("town", within="region_id", load="on-demand")
        self.lookups.add_on_demand(town, self.towns, named="new.towns", by_outer=True, most_kept=most_kept)
        product = LookupSettings("product", key="sku", load="on-demand", missing="null")
        self.lookups.add_on_demand(
            product, self.products, named="new.products", by_outer=False, most_kept=most_kept
        )

    async def towns(self, region: str) -> Sequence[JsonObject]:
        await self._ask(region)
        return [{"name": f"Town {n}", "id": int(region) * 10 + n, "region_id": region} for n in range(5)]

    async def products(self, text: str) -> Sequence[JsonObject]:
        await self._ask(text)
        return [{"sku": text, "id": int(text[1:])}] if text.startswith("P") else []

    async def _ask(self, what: str) -> None:
        self.asked.append(what)
        await anyio.lowlevel.checkpoint()
        if self.error is not None:
            raise self.error

    @property
    def context(self) -> RouteContext:
        names = {name: name for name in ("region", "town", "product")}
        return RouteContext("r", {}, {}, lambda _route, _id: (), self.lookups.of_route(names))


def orders(count: int, **fields: Any) -> list[JsonObject]:
    return [
        {
            "id": n,
            "region": ("Bihor", "Cluj")[n % 2],
            "town": f"Town {n % 5}",
            "skus": [f"P{n % 7}", f"P{n % 3}"],
            **fields,
        }
        for n in range(count)
    ]


def place(record: JsonObject, context: MapContext) -> JsonObject:
    region = context.lookup("region", record["region"])
    return {
        "region": int(region),
        "town": int(context.lookup("town", (region, record["town"]))),
        "products": [context.lookup("product", sku) for sku in record["skus"]],
    }


place.is_pure = True  # type: ignore[attr-defined]  # as a built-in mapper says it


async def place_async(record: JsonObject, context: MapContext) -> JsonObject:
    region = await context.find("region", record["region"])
    return {
        "region": region,
        "town": await context.find("town", (region, record["town"])),
        "products": [await context.find("product", sku) for sku in record["skus"]],
    }


def placed(record: JsonObject) -> JsonObject:
    region = 101 + record["id"] % 2
    return {
        "region": region,
        "town": region * 10 + record["id"] % 5,
        "products": [int(sku[1:]) if sku.startswith("P") else None for sku in record["skus"]],
    }


BOTH = pytest.mark.parametrize("mapper", [place, place_async])


@BOTH
@pytest.mark.parametrize("in_thread", [False, True])
async def test_a_page_asks_for_each_value_once(mapper: Any, in_thread: Any) -> None:
    world, records = World(), orders(100)
    results = await map_page(mapper, records, world.context, in_thread=in_thread)
    assert results == [[placed(record)] for record in records]
    assert sorted(world.asked) == ["101", "102", *(f"P{n}" for n in range(7))]


async def test_a_pure_mapper_is_called_again_only_for_records_that_needed_something() -> None:
    calls: list[int] = []

    def mapper(record: JsonObject, context: MapContext) -> JsonObject:
        calls.append(record["id"])
        return place(record, context) if record["id"] == 3 else {}

    mapper.is_pure = True  # type: ignore[attr-defined]  # as a built-in mapper says it
    await map_page(mapper, orders(6), World().context)
    assert calls == [0, 1, 2, 3, 4, 5, 3]


async def test_a_page_keeps_its_answers_though_a_cache_has_room_for_one() -> None:
    world, records = World(most_kept=1), orders(40)
    assert await map_page(place, records, world.context) == [[placed(record)] for record in records]
    assert len(world.asked) == len(set(world.asked))


async def test_a_stand_in_never_gets_into_a_body_and_never_hides_an_error() -> None:
    def mapper(record: JsonObject, context: MapContext) -> JsonObject:
        found = context.lookup("product", record["skus"][0])
        assert not isinstance(found, StandIn) or record["id"] % 2, "a stand-in is no product"
        if not isinstance(found, StandIn):
            raise RejectRecordError("no good", cause="mine")
        return {"product": found}

    mapper.is_pure = True  # type: ignore[attr-defined]  # as a built-in mapper says it
    assert await map_page(mapper, orders(4), World().context) == [Rejection("mine", "no good")] * 4


async def test_a_mapper_that_always_asks_for_more_comes_to_an_end() -> None:
    def mapper(_: JsonObject, context: MapContext) -> JsonObject:
        mapper.calls += 1  # type: ignore[attr-defined]  # it is not pure at all
        return {"p": context.lookup("product", f"P{mapper.calls}")}  # type: ignore[attr-defined]

    mapper.is_pure, mapper.calls = True, 0  # type: ignore[attr-defined]
    [result] = await map_page(mapper, rows(1), World().context)
    assert isinstance(result, Rejection)
    assert "still asked" in result.message
    assert mapper.calls == MOST_ROUNDS  # type: ignore[attr-defined]


@BOTH
async def test_a_host_that_fails_ends_the_page_and_rejects_no_record(mapper: Any) -> None:
    world = World()
    world.error = HostUnavailableError("host new: gone")
    with pytest.raises(HostUnavailableError, match="gone"):
        await map_page(mapper, orders(10), world.context)


async def test_a_mapper_can_not_swallow_that_a_host_failed() -> None:
    async def mapper(record: JsonObject, context: MapContext) -> JsonObject:
        try:
            return {"p": await context.find("product", record["skus"][0])}
        except Exception:  # noqa: BLE001  the point of the test
            return {"p": None}

    world = World()
    world.error = HostUnavailableError("host new: gone")
    with pytest.raises(HostUnavailableError):
        await map_page(mapper, orders(3), world.context)


@BOTH
async def test_a_value_that_does_not_resolve_costs_its_record(mapper: Any) -> None:
    records = orders(3)
    records[1]["town"] = "Nowhere"
    results = await map_page(mapper, records, World().context)
    assert [isinstance(result, Rejection) for result in results] == [False, True, False]
    assert isinstance(results[1], Rejection)
    assert results[1].cause == "unresolved"
    assert "'Nowhere' within '102'" in results[1].message


@BOTH
@pytest.mark.parametrize("in_thread", [False, True])
async def test_all_that_a_record_lacks_is_collected_in_one_pass(mapper: Any, in_thread: Any) -> None:
    world, records = World(collecting=True), orders(6)
    records[2] |= {"region": "Xanadu", "skus": ["Q1", "Q2", "Q1"]}
    records[4] |= {"town": "Nowhere", "skus": ["Q1"]}
    ids = [f"id-{n}" for n in range(6)]
    results = await map_page(mapper, records, world.context, in_thread=in_thread, ids=ids)
    assert [isinstance(result, Rejection) for result in results] == [False, False, True, False, True, False]
    assert all(result.cause == "unresolved" for result in results if isinstance(result, Rejection))
    told = {
        (u.lookup, u.value, u.within): (u.records, u.first_id, u.becomes) for u in world.lookups.unresolved()
    }
    first_q1 = told.pop(("product", "Q1", None))
    assert first_q1[0] == 2
    assert first_q1[1] in {"id-2", "id-4"}
    assert told == {
        ("region", "Xanadu", None): (1, "id-2", "rejected"),
        ("product", "Q2", None): (1, "id-2", "null"),
        ("town", "Nowhere", "101"): (1, "id-4", "rejected"),
    }


async def test_what_becomes_null_rejects_no_record_while_values_are_collected() -> None:
    world = World(collecting=True)
    [record] = orders(1, skus=["Q1"])
    assert await map_page(place, [record], world.context, ids=["7"]) == [[placed(record)]]
    assert [(u.value, u.becomes) for u in world.lookups.unresolved()] == [("Q1", "null")]


@BOTH
@pytest.mark.parametrize("collecting", [False, True])
async def test_a_record_that_is_decided_to_be_skipped_is_skipped(mapper: Any, collecting: Any) -> None:
    decisions = Decisions({"town": {("101", "Town 0"): Decision("skip")}})
    world, records = World(collecting=collecting, decisions=decisions), orders(3, skus=["P1"])
    records[0]["skus"] = ["Q1"]
    results = await map_page(mapper, records, world.context, ids=["0", "1", "2"])
    assert results[0] == Skip(
        "decision", "decisions.toml says to skip records with 'Town 0' within '101' (town)"
    )
    assert [isinstance(result, list) and bool(result) for result in results] == [False, True, True]
    assert world.lookups.unresolved() == []


async def test_nothing_is_asked_for_a_record_that_is_skipped() -> None:
    def mapper(record: JsonObject, context: MapContext) -> JsonObject:
        return {
            "r": context.lookup("region", record["region"]),
            "p": context.lookup("product", record["skus"][0]),
        }

    mapper.is_pure = True  # type: ignore[attr-defined]  # as a built-in mapper says it
    world = World(decisions=Decisions({"region": {("", "Bihor"): Decision("skip")}}))
    (result,) = await map_page(mapper, orders(1), world.context)
    assert isinstance(result, Skip)
    assert world.asked == []


@pytest.mark.parametrize("ending", ["skip", "reject", "none"])
async def test_whatever_a_mapper_made_of_a_stand_in_is_made_again(ending: str) -> None:
    def mapper(record: JsonObject, context: MapContext) -> JsonObject | None:
        if context.lookup("product", "Q7") is None:  # which the host does not have
            return {"id": record["id"]}
        if ending == "skip":
            context.lookup("region", "Bihor")
        elif ending == "reject":
            raise RejectRecordError("a stand-in", cause="mine")
        return None

    mapper.is_pure = True  # type: ignore[attr-defined]  # as a built-in mapper says it
    world = World(decisions=Decisions({"region": {("", "Bihor"): Decision("skip")}}))
    assert await map_page(mapper, orders(1), world.context) == [[{"id": 0}]]


async def test_a_mapper_that_stumbles_over_every_stand_in_gets_all_its_values() -> None:
    names = {n: f"no. {n}" for n in range(40)}

    def mapper(_: JsonObject, context: MapContext) -> JsonObject:
        return {"names": [names[context.lookup("product", f"P{n}")] for n in range(40)]}

    mapper.is_pure = True  # type: ignore[attr-defined]  # as a built-in mapper says it
    assert await map_page(mapper, rows(2), World().context) == [[{"names": list(names.values())}]] * 2


def knowing_better(record: JsonObject, context: MapContext) -> JsonObject:
    """Takes a region that it does not find for none, unless it is asked to insist; changes its record."""
    region = record.pop("region")
    try:
        return {"region": context.lookup("region", region)}
    except RejectRecordError:
        if record["id"]:
            raise
        return {"region": None}


def knowing_better_purely(record: JsonObject, context: MapContext) -> JsonObject:
    return {**knowing_better(dict(record), context), "product": context.lookup("product", "P1")}


async def knowing_better_slowly(record: JsonObject, context: MapContext) -> JsonObject:
    region = record.pop("region")
    try:
        return {"region": await context.find("region", region)}
    except RejectRecordError:
        if record["id"]:
            raise
        return {"region": None}


knowing_better_purely.is_pure = True  # type: ignore[attr-defined]  # as a built-in mapper says it


@pytest.mark.parametrize("mapper", [knowing_better, knowing_better_purely, knowing_better_slowly])
async def test_a_mapper_that_takes_no_rejection_is_planned_as_it_runs(mapper: Any) -> None:
    world = World(collecting=True)
    planned = await map_page(mapper, orders(2, region="Nowhere"), world.context, ids=["a", "b"])
    run = await map_page(mapper, orders(2, region="Nowhere"), World().context)
    assert planned[0] == run[0] != []
    assert [each.cause for each in (planned[1], run[1]) if isinstance(each, Rejection)] == ["unresolved"] * 2
    assert [(each.value, each.records, each.first_id) for each in world.lookups.unresolved()] == [
        ("Nowhere", 1, "b")
    ]


async def test_a_mapper_goes_on_to_another_look_up_in_a_plan_as_it_does_in_a_run() -> None:
    def mapper(record: JsonObject, context: MapContext) -> JsonObject:
        try:
            return {"r": context.lookup("region", record["region"])}
        except RejectRecordError:
            return {"t": context.lookup("town", (101, "Town 3"))}

    mapper.is_pure = True  # type: ignore[attr-defined]  # as a built-in mapper says it
    world = World(collecting=True)
    assert await map_page(mapper, orders(1, region="Nowhere"), world.context) == [[{"t": 1013}]]
    assert world.lookups.unresolved() == []


async def test_a_plain_mapper_may_not_ask_on_demand_and_its_records_say_why() -> None:
    def mapper(record: JsonObject, context: MapContext) -> JsonObject:
        return {"p": context.lookup("product", record["skus"][0])}

    [result] = await map_page(mapper, orders(1), World().context)
    assert isinstance(result, Rejection)
    assert result.cause == "on-demand"
