"""A mapper put to a page: what each record becomes, and what a mapper that fails costs."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from bulkmove.errors import RejectRecordError
from bulkmove.mapping.apply import ASYNC_MAPPERS, Rejection, map_page
from bulkmove.mapping.context import RouteContext
from bulkmove.model import JsonObject
from bulkmove.protocols import MapContext

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
