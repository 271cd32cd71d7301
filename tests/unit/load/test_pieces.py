"""Bodies that are divided by field: settled when all of their pieces were answered, and never before."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial
from typing import Any

import anyio
import pytest

from bulkmove.entries import Item
from bulkmove.errors import InDoubtError, RequestFailedError
from bulkmove.ledger import keeping, undoing
from bulkmove.ledger.story import story
from bulkmove.load import batching
from bulkmove.load.dividing import Divided, divide
from bulkmove.load.loader import Loader, open_loader
from bulkmove.model import Counts, JsonObject, Verdict, WriteItem, WriteResult
from tests.doubles import JOINED, Shop, Trap, apply_all

OpenBench = Callable[[Shop], AbstractAsyncContextManager[Any]]
Answer = Callable[[Shop, Sequence[WriteItem]], Any]

TAGS, TYPES = 4, 3
ROWS = TAGS * TYPES


def shop(answer: Answer = apply_all) -> Shop:
    return Shop.of([{"key": "x"}] * ROWS, rules=JOINED, answer=answer)


def wanted(row: int) -> JsonObject:
    return {"tags": row % TAGS, "type": row // TAGS}


async def crossed(bench: Any) -> list[Item]:
    """Changes of all rows: each pair of tags and type once."""
    items = await bench.put_down(*({"id": str(n + 1), "value": n, **wanted(n)} for n in range(ROWS)))
    return [_without_value(item) for item in items]


def _without_value(item: Item) -> Item:
    body = {name: value for name, value in item.body.items() if name != "value"}
    return item._replace(body=body, encoded=b'{"tags":%d,"type":%d}' % (body["tags"], body["type"]))


async def send(loader: Loader, items: Sequence[Item]) -> None:
    await loader.put(items)
    await loader.flush()


def is_right(shop: Shop, *, but_for: Sequence[int] = ()) -> bool:
    rows = [n for n in range(ROWS) if n not in but_for]
    return all(shop.rows[str(n + 1)] == {"key": "x", "id": str(n + 1), **wanted(n)} for n in rows)


async def test_one_request_for_each_value_changes_all(bench: OpenBench) -> None:
    seen: list[int] = []

    async def look(of: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        seen.append((await it.ledger.counts("r")).written)
        return await apply_all(of, items)

    async with bench(shop(look)) as it:
        async with open_loader(it.lane(), batch_size=None, writers=1) as loader:
            await send(loader, await crossed(it))
        assert len(it.shop.requests) == TAGS + TYPES
        assert is_right(it.shop)
        assert await it.ledger.counts("r") == Counts(written=ROWS)
        assert len(it.settled) == ROWS
        assert seen[: max(TAGS, TYPES)] == [0] * max(TAGS, TYPES), "nothing is settled by half"


async def test_a_host_that_writes_whole_rows_back_loses_no_piece(bench: OpenBench) -> None:
    async def read_change_and_write_back(of: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        read = {item.target_id: dict(of.rows[item.target_id or ""]) for item in items}
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        for item in items:
            of.rows[item.target_id or ""] = {**read[item.target_id], **item.body}
        return [WriteResult(Verdict.WRITTEN, target_id=item.target_id) for item in items]

    async with bench(shop(read_change_and_write_back)) as it:
        async with open_loader(it.lane(), batch_size=None, writers=8) as loader:
            await send(loader, await crossed(it))
        assert is_right(it.shop)
        assert len(it.shop.requests) == TAGS + TYPES


async def test_a_record_tells_of_all_requests_that_carried_it(bench: OpenBench) -> None:
    async with bench(shop()) as it:
        async with open_loader(it.lane(), batch_size=None, writers=3) as loader:
            await send(loader, await crossed(it))
        told = await it.ledger.ask(partial(story, route="r", source_id="5"))
        said = sorted((request.said, request.is_last) for request in told.bodies[0].requests)
        assert [text.rpartition(", for ")[2] for text, _ in said] == ["tags alone", "type alone"]
        assert [is_last for _, is_last in said].count(True) == 1


async def test_each_row_is_confirmed_by_its_whole_body(bench: OpenBench) -> None:
    async with bench(shop()) as it:
        lane = replace(it.lane(), confirms=True)
        async with open_loader(lane, batch_size=None, writers=3) as loader:
            await send(loader, await crossed(it))
        changes = it.ledger.unconfirmed("r")
        assert await changes.count() == ROWS
        found = await changes.of_rows([str(n + 1) for n in range(ROWS)])
        assert {each.target_id: each.body for each in found} == {
            str(n + 1): b'{"tags":%d,"type":%d}' % (n % TAGS, n // TAGS) for n in range(ROWS)
        }


@pytest.mark.parametrize("error", [RequestFailedError("x"), InDoubtError("x", sent_at=1.0)])
async def test_where_a_piece_failed_its_bodies_stay_open_and_go_whole(
    bench: OpenBench, error: Exception
) -> None:
    async def fail(of_: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        if items[0].body == {"tags": 1}:
            raise error
        return await apply_all(of_, items)

    failed = [n for n in range(ROWS) if wanted(n)["tags"] == 1]
    async with bench(shop(fail)) as it:
        async with open_loader(it.lane(), batch_size=None, writers=1) as loader:
            await send(loader, await crossed(it))
            later = [request for request in it.shop.requests if "type" in request[0].body]
            assert sorted(map(len, later)) == [TAGS - 1] * TYPES, "no further piece of these is sent"
            assert await it.open_ids() == sorted(map(str, failed))
            assert await it.ledger.counts("r") == Counts(written=ROWS - len(failed), pending=len(failed))
            it.shop.requests.clear()
            loader.begin_round()
            _, again = await it.ledger.next_pending("r", 0)
            assert {item.attempts for item in again} == {1}
            await send(loader, list(map(_without_value, again)))
        assert [list(request[0].body) for request in it.shop.requests] == [["tags", "type"]] * len(failed)
        assert is_right(it.shop)
        assert await it.ledger.counts("r") == Counts(written=ROWS)


async def test_what_stands_half_written_is_told_to_who_would_undo_it(bench: OpenBench) -> None:
    async def fail(of_: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        if "type" in items[0].body:
            raise RequestFailedError("x")
        return await apply_all(of_, items)

    async with bench(shop(fail)) as it:
        await it.ledger.begin_keeping("r", is_own_list=False, rows=True)
        number = it.ledger.number_of("r")
        assert await it.ledger.ask(partial(undoing.half_written, route=number)) == (0, None)
        async with open_loader(it.lane(), batch_size=None, writers=1) as loader:
            await send(loader, await crossed(it))
        count, first = await it.ledger.ask(partial(undoing.half_written, route=number))
        assert count == ROWS
        assert first in await it.open_ids()


def refusing(row: str, field: str) -> Answer:
    """One row does not take the field: alone it is rejected, with others all are held, and none is named."""

    async def answer(of_: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        if field not in items[0].body or row not in {item.target_id for item in items}:
            return await apply_all(of_, items)
        if len(items) == 1:
            return [WriteResult(Verdict.REJECTED, cause="refused", message=f"{field}: no")]
        return [WriteResult(Verdict.HELD, cause="unnamed")] * len(items)

    return answer


@pytest.mark.parametrize(("field", "other"), [("tags", "type"), ("type", "tags")])
async def test_a_piece_that_is_refused_costs_its_record_alone_and_tells_what_was_written(
    bench: OpenBench, field: str, other: str
) -> None:
    async with bench(shop(refusing("6", field))) as it:
        await it.ledger.begin_keeping("r", is_own_list=True, rows=True)
        async with open_loader(it.lane(), batch_size=None, writers=1) as loader:
            await send(loader, await crossed(it))
        assert await it.ledger.counts("r") == Counts(written=ROWS - 1, rejected=1)
        assert is_right(it.shop, but_for=[5])
        (rejected,) = [each for each in it.settled if each.cause == "refused"]
        was_written = other in it.shop.rows["6"]
        said = f"{field}: no" + (f"; its {other} was written all the same" if was_written else "")
        assert rejected.message == said
        kept = await it.ledger.ask(partial(keeping.written_bodies, route=1, source_ids=["5"]))
        # What an undo has to put back.
        assert kept == ({("5", 0): {other: wanted(5)[other]}} if was_written else {})
        assert len(it.shop.requests) < ROWS, "the others are not sent one by one"


async def test_a_later_change_of_a_row_waits_for_all_pieces_of_the_first(bench: OpenBench) -> None:
    order: list[tuple[str, JsonObject]] = []

    async def slow(of_: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        await anyio.sleep(0.003 / (1 + len(order)))
        order.extend((item.target_id or "", item.body) for item in items)
        return await apply_all(of_, items)

    async with bench(shop(slow)) as it:
        async with open_loader(it.lane(), batch_size=None, writers=8) as loader:
            await loader.put(await crossed(it))
            second = await it.put_down({"id": "3", "value": 100, "tags": 9})
            await send(loader, [item._replace(body={"tags": 9}, encoded=b'{"tags":9}') for item in second])
        assert [body for row, body in order if row == "3"][-1] == {"tags": 9}
        assert it.shop.rows["3"]["tags"] == 9


async def test_a_host_that_is_given_too_much_gets_smaller_pieces(bench: OpenBench) -> None:
    async def answer(of_: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        if len(items) > 2:
            return [WriteResult(Verdict.TOO_LARGE)] * len(items)
        return await apply_all(of_, items)

    async with bench(shop(answer)) as it:
        async with open_loader(it.lane(), batch_size=None, writers=2) as loader:
            await send(loader, await crossed(it))
        assert await it.ledger.counts("r") == Counts(written=ROWS)
        assert is_right(it.shop)


@pytest.mark.parametrize("hang_at", range(1, 60, 3))
async def test_cut_off_anywhere_nothing_is_lost_and_what_is_sent_again_makes_it_right(
    bench: OpenBench, hang_at: int
) -> None:
    trap = Trap(hang_at)
    async with bench(shop(trap.answering())) as it:
        items = await crossed(it)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_send_in_a_loader, it.lane(trap), items, tasks.cancel_scope)
            tasks.start_soon(_cut_off, trap, tasks.cancel_scope)
        done = {each.member.source_id for each in it.settled}
        left = await it.open_ids()
        assert not done & set(left)
        for source_id in {str(n) for n in range(ROWS)} - set(left):
            assert is_right(it.shop, but_for=[n for n in range(ROWS) if str(n) != source_id])
        it.shop.answer = apply_all
        async with open_loader(it.lane(), batch_size=None, writers=2) as loader:
            await send(loader, [item for item in items if item.member.source_id in left])
        assert is_right(it.shop)
        assert await it.ledger.counts("r") == Counts(written=ROWS)


async def _send_in_a_loader(lane: Any, items: Sequence[Item], scope: anyio.CancelScope) -> None:
    async with open_loader(lane, batch_size=None, writers=2) as loader:
        await send(loader, items)
    scope.cancel()


async def _cut_off(trap: Trap, scope: anyio.CancelScope) -> None:
    await trap.is_sprung.wait()
    scope.cancel()


MANY_TAGS, MANY_TYPES = 60, 50


def many() -> tuple[Shop, list[JsonObject]]:
    """Rows, and a change of each, so many that they are divided aside."""
    count = MANY_TAGS * MANY_TYPES
    assert count > batching.MOST_AT_ONCE
    bodies = [
        {"id": str(n + 1), "value": n, "tags": n % MANY_TAGS, "type": n // MANY_TAGS} for n in range(count)
    ]
    return Shop.of([{"key": "x"}] * count, rules=JOINED), bodies


async def test_while_very_many_are_divided_the_event_loop_goes_on(
    bench: OpenBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on also where it would have to: what is divided waits for the loop here."""
    is_going_on = threading.Event()

    def divide_later(*args: Any, **others: Any) -> Divided:
        assert is_going_on.wait(10), "the event loop stands still"
        return divide(*args, **others)

    monkeypatch.setattr(batching, "divide", divide_later)
    of, bodies = many()
    async with bench(of) as it:
        items = [_without_value(item) for item in await it.put_down(*bodies)]
        async with (
            open_loader(it.lane(), batch_size=None, writers=4) as loader,
            anyio.create_task_group() as tasks,
        ):
            await loader.put(items)
            tasks.start_soon(loader.flush)
            await anyio.lowlevel.checkpoint()
            is_going_on.set()
        assert len(it.shop.requests) < len(bodies)
        assert all(it.shop.rows[body["id"]]["type"] == body["type"] for body in bodies)
        assert await it.ledger.counts("r") == Counts(written=len(bodies))


async def test_cut_off_while_very_many_are_divided_all_stay_open(
    bench: OpenBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_cut_off = threading.Event()

    def divide_later(*args: Any, **others: Any) -> Divided:
        is_cut_off.wait(10)
        return divide(*args, **others)

    monkeypatch.setattr(batching, "divide", divide_later)
    of, bodies = many()
    async with bench(of) as it:
        items = [_without_value(item) for item in await it.put_down(*bodies)]
        async with open_loader(it.lane(), batch_size=None, writers=4) as loader:
            await loader.put(items)
            with anyio.move_on_after(0.05) as scope:
                await loader.flush()
        is_cut_off.set()
        assert scope.cancelled_caught
        assert not it.shop.requests
        assert await it.ledger.counts("r") == Counts(pending=len(bodies))
