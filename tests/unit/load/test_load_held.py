"""A row with an attempt that may land yet: whichever route sent that, another body of the row waits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio

from bulkmove import clock
from bulkmove.errors import RequestFailedError
from bulkmove.load.held import MOST_HELD, HeldRows
from bulkmove.load.loader import Loader, open_loader
from bulkmove.model import WriteItem, WriteResult
from bulkmove.transport.attempts import Attempt, note_attempt
from tests.doubles import JOINED, Shop, apply_all

OpenBench = Callable[[Shop], AbstractAsyncContextManager[Any]]
# Longer than any test: what waits for it is seen to wait, and never to end.
_SETTLE_S = 600.0
_SEEN_TO_WAIT_S, _AT_ONCE_S = 0.1, 10.0


async def twice(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
    """The first attempt gets no answer that settles it, the second does."""
    note_attempt(Attempt(clock.now(), "no answer within 60 s", is_unsettled=True))
    return await apply_all(shop, items)


@asynccontextmanager
async def loaders(it: Any, *, is_stopping: bool = False) -> AsyncIterator[tuple[Loader, Loader]]:
    """Of two routes to one list; the second may be of a run that stops."""
    lane = replace(it.lane(), settle_s=_SETTLE_S)
    last = replace(lane, is_stopping=lambda: is_stopping)
    async with (
        open_loader(lane, batch_size=None, writers=2) as first,
        open_loader(last, batch_size=None, writers=2) as second,
    ):
        yield first, second


async def test_another_route_s_body_waits_until_what_was_sent_has_landed(bench: OpenBench) -> None:
    async with bench(Shop.of([{"key": "x"}] * 2, answer=twice)) as it, loaders(it) as (first, second):
        await first.put(await it.put_down({"id": "1", "value": 1}))
        await first.flush()
        [newer] = await it.put_down({"id": "1", "value": 2})
        with anyio.move_on_after(_SEEN_TO_WAIT_S) as scope:
            await second.put([newer])
        assert scope.cancelled_caught
        assert it.shop.rows["1"]["value"] == 1


async def test_the_same_body_and_another_row_wait_for_nothing(bench: OpenBench) -> None:
    async with bench(Shop.of([{"key": "x"}] * 2, answer=twice)) as it, loaders(it) as (first, second):
        one, other, elsewhere = await it.put_down(*({"id": row, "value": n} for n, row in enumerate("112")))
        await first.put([one])
        await first.flush()
        with anyio.fail_after(_AT_ONCE_S):
            await second.put([other._replace(encoded=one.encoded, body=one.body), elsewhere])
            await second.flush()
        assert [row["value"] for row in it.shop.rows.values()] == [0, 2]
        assert len(it.shop.requests) == 3


async def test_where_the_run_stops_what_would_wait_stays_where_it_is(bench: OpenBench) -> None:
    async with bench(Shop.of([{"key": "x"}], answer=twice)) as it, loaders(it, is_stopping=True) as both:
        first, second = both
        await first.put(await it.put_down({"id": "1", "value": 1}))
        await first.flush()
        with anyio.fail_after(_AT_ONCE_S):
            await second.put(await it.put_down({"id": "1", "value": 2}))
            await second.flush()
        assert await it.open_ids() == ["2"]
        assert len(it.shop.requests) == 1


async def test_what_an_earlier_run_sent_again_holds_each_row_at_first(bench: OpenBench) -> None:
    async with bench(Shop.of([{"key": "x"}])) as it, loaders(it) as (loader, _):
        loader.heed_earlier(sent_until=0.0, unsettled_at=clock.now())
        [item] = await it.put_down({"id": "1", "value": 1})
        with anyio.move_on_after(_SEEN_TO_WAIT_S) as scope:
            await loader.put([item])
        assert scope.cancelled_caught
        assert it.shop.requests == []


async def test_what_an_earlier_run_sent_last_holds_only_the_second_body_of_a_row_for_both_routes(
    bench: OpenBench,
) -> None:
    async with bench(Shop.of([{"key": "x"}])) as it, loaders(it) as (first, second):
        for loader in (first, second):
            loader.heed_earlier(sent_until=clock.now(), unsettled_at=0.0)
        with anyio.fail_after(_AT_ONCE_S):
            await first.put(await it.put_down({"id": "1", "value": 1}))
            await first.flush()
        [newer] = await it.put_down({"id": "1", "value": 2})
        with anyio.move_on_after(_SEEN_TO_WAIT_S) as scope:
            await second.put([newer])
        assert scope.cancelled_caught
        assert it.shop.rows["1"]["value"] == 1


async def test_a_row_that_is_sent_to_again_meanwhile_is_waited_for_until_that_has_landed_too(
    bench: OpenBench,
) -> None:
    async with bench(Shop.of([{"key": "x"}])) as it:
        lane = it.lane()
        began = clock.now()
        lane.held.hold("1", b"older", until=began + 0.1)
        async with (
            open_loader(lane, batch_size=None, writers=2) as loader,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(loader.put, await it.put_down({"id": "1", "value": 2}))
            await anyio.sleep(0.05)
            lane.held.hold("1", b"older", until=began + 0.4)
        assert clock.now() - began >= 0.4


async def test_what_can_not_land_any_more_is_forgotten_where_much_is_held() -> None:
    held = HeldRows()
    for number in range(2 * MOST_HELD + 1):
        held.hold(str(number), b"", until=clock.now() + (100.0 if number == 1 else -1.0))
    assert "1" in held
    assert sum(str(number) in held for number in range(2 * MOST_HELD)) < MOST_HELD


async def test_of_two_routes_bodies_that_may_both_land_neither_goes_again_on_top_of_the_other(
    bench: OpenBench,
) -> None:
    """Both are on their way at once, and neither first attempt gets an answer; the second of one settles it."""
    late: list[WriteItem] = []

    async def answer(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        if items[0].body["value"] == 1:
            late.extend(items)
            return await twice(shop, items)
        note_attempt(Attempt(clock.now(), "no answer within 60 s", is_unsettled=True))
        if len(shop.requests) < 3:
            raise RequestFailedError("it kept failing")
        return await apply_all(shop, items)

    async with bench(Shop.of([{"key": "x"}], answer=answer)) as it, loaders(it) as (first, second):
        older, newer = await it.put_down({"id": "1", "value": 1}, {"id": "1", "value": 2})
        await first.put([older])
        await second.put([newer])
        for each in (first, second):
            await each.flush()
        second.begin_round()
        with anyio.move_on_after(_SEEN_TO_WAIT_S):
            await second.put([newer])
            await second.flush()
        for item in late:  # within its time
            it.shop.apply(item)
        assert await it.open_ids() == ["2"] or it.shop.rows["1"]["value"] == 2


async def test_what_waited_to_be_joined_waits_for_what_another_route_sent_meanwhile(bench: OpenBench) -> None:
    shop = Shop.of([{"key": "x"}], rules=JOINED, answer=twice)
    async with bench(shop) as it:
        with anyio.move_on_after(_SEEN_TO_WAIT_S) as scope:
            async with loaders(it) as (first, second):
                older, newer = await it.put_down({"id": "1", "value": 1}, {"id": "1", "value": 2})
                await second.put([newer])  # waits for others that are equal
                await first.put([older])
                await first.flush()
                await second.flush()
        assert scope.cancelled_caught
        assert it.shop.rows["1"]["value"] == 1
