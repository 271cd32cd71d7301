"""Many batches at a time: order, bounds, and leaving early."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from bulkmove.entries import Item
from bulkmove.errors import (
    CredentialsError,
    HeldError,
    HostUnavailableError,
    InDoubtError,
    RequestFailedError,
    single_error,
)
from bulkmove.load.batching import MAX_BATCH_BYTES
from bulkmove.load.loader import FIRST_WRITERS, MOST_WRITERS, most_writers, open_loader
from bulkmove.load.rehearsal import RehearsedTarget
from bulkmove.model import Counts, WriteItem, WriteResult
from tests.doubles import ARRAY, JOINED, ONCE, SINGLE, Shop, ShopTarget, apply_all

OpenBench = Callable[[Shop], AbstractAsyncContextManager[Any]]


def creates(count: int, first: int = 1) -> list[dict[str, Any]]:
    return [{"key": f"k{n}", "value": n} for n in range(first, first + count)]


@pytest.mark.parametrize("rules", [SINGLE, ARRAY, ONCE])
async def test_everything_is_delivered_once_when_flushed(bench: OpenBench, rules: Any) -> None:
    async with bench(Shop(rules=rules)) as it:
        async with open_loader(it.lane(), batch_size=None, writers=4) as loader:
            for page in range(5):
                await loader.put(await it.put_down(*creates(23, first=page * 23)))
            await loader.flush()
            assert await it.ledger.counts("r") == Counts(written=115)
        assert it.shop.values("value") == list(range(115))


async def test_several_requests_are_on_their_way_but_no_more_than_writers(bench: OpenBench) -> None:
    now, most = 0, 0

    async def count(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await anyio.sleep(0.02)
        now -= 1
        return await apply_all(shop, items)

    for writers, allowed in ((3, 3), (60, 60)):
        async with bench(Shop(answer=count)) as it:
            most = 0
            async with open_loader(it.lane(), batch_size=None, writers=writers) as loader:
                await loader.put(await it.put_down(*creates(80, first=writers * 1000)))
                await loader.flush()
            assert most == allowed


@pytest.mark.parametrize(
    ("max_items", "batch_size", "most"),
    [
        (1, None, MOST_WRITERS),
        (1000, 50, MOST_WRITERS),
        (1000, 100, MOST_WRITERS // 2),
        (1000, None, FIRST_WRITERS),
    ],
)
async def test_the_more_a_batch_holds_the_fewer_go_out_at_once(
    bench: OpenBench, max_items: int, batch_size: int | None, most: int
) -> None:
    """A slow host that takes 200/s is asked by a hundred at once; what they hold is in memory."""
    rules = {action: replace(rule, max_items=max_items) for action, rule in ARRAY.items()}
    async with bench(Shop(rules=rules)) as it:
        assert most_writers(it.lane(), batch_size) == most


async def test_a_host_that_takes_less_by_now_is_asked_by_fewer_writers(bench: OpenBench) -> None:
    """Each has its intent down while it waits for the host."""
    now, seen, wanted = 0, list[int](), 40

    async def count(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        nonlocal now
        now += 1
        seen.append(now)
        await anyio.sleep(0.01)
        now -= 1
        return await apply_all(shop, items)

    async with bench(Shop(answer=count)) as it:
        async with open_loader(it.lane(), batch_size=None, writers=3, wanted=lambda: wanted) as loader:
            for first, wanted in ((0, 40), (1000, 8), (2000, 1), (3000, 60)):
                seen.clear()
                await loader.put(await it.put_down(*creates(200, first=first)))
                await loader.flush()
                assert max(3, wanted // 2) <= max(seen[100:]) <= max(3, wanted)
        assert len(it.shop.rows) == len(it.shop.requests) == 800


@pytest.mark.parametrize("error", [CredentialsError("401"), HostUnavailableError("given up")])
async def test_what_is_in_flight_is_finished_where_another_ends_the_route(
    bench: OpenBench, error: Exception
) -> None:
    """Their answers are due: cut off, all of them would have to be read back."""
    sent = 0

    async def answer(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        nonlocal sent
        sent += 1
        if sent == 5:
            raise error
        await anyio.sleep(0.05)
        return await apply_all(shop, items)

    async def go(it: Any) -> None:
        with single_error():
            async with open_loader(it.lane(), batch_size=None, writers=8) as loader:
                await loader.put(await it.put_down(*creates(40)))
                await anyio.sleep_forever()

    async with bench(Shop(rules=ONCE, answer=answer)) as it:
        with pytest.raises(type(error)), anyio.fail_after(5):
            await go(it)
        assert sent == 8, "nothing new begins"
        assert len(it.shop.rows) == (await it.ledger.counts("r")).written == 7
        assert len(await it.ledger.intents("r")) <= 1


@pytest.mark.parametrize("rules", [SINGLE, ONCE, ARRAY])
async def test_what_is_in_flight_is_finished_where_the_run_ends_and_the_host_is_held(
    bench: OpenBench, rules: Any
) -> None:
    """Who waits for the host is sent away, and cuts nobody off."""
    ends, all_at_work, sent = anyio.Event(), anyio.Event(), 0

    async def hold(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        nonlocal sent
        sent += 1
        is_in_flight = sent <= 3
        if sent == 8:
            all_at_work.set()
        await ends.wait()
        if not is_in_flight:
            raise HeldError("not done, since the run ends")
        await anyio.sleep(0.05)
        return await apply_all(shop, items)

    async def go(it: Any) -> None:
        lane = replace(it.lane(), is_stopping=ends.is_set)
        with single_error():
            async with open_loader(lane, batch_size=2, writers=8) as loader:
                items = await it.put_down(*creates(12 * min(2, rules["create"].max_items)))
                await loader.put(items)
                await all_at_work.wait()
                ends.set()
                await loader.drain()

    async with bench(Shop(rules=rules, answer=hold)) as it:
        with pytest.raises(HeldError):
            await go(it)
        in_flight = 3 * min(2, rules["create"].max_items)
        assert len(it.shop.rows) == (await it.ledger.counts("r")).written == in_flight
        assert (await it.ledger.intents("r"), sent) == ([], 8)


async def test_put_waits_for_writers_that_are_behind(bench: OpenBench) -> None:
    """Memory is bounded: what the writers can't take yet is not handed over."""

    async def hang(*_: object) -> Sequence[WriteResult]:
        await anyio.sleep_forever()
        return []

    async with bench(Shop(answer=hang)) as it:
        items = await it.put_down(*creates(100))
        async with anyio.create_task_group() as tasks:  # noqa: SIM117  the inner ends first
            async with open_loader(it.lane(), batch_size=None, writers=3) as loader:
                with anyio.move_on_after(0.1) as scope:
                    await loader.put(items)
                assert scope.cancelled_caught
                assert len(it.shop.requests) == 3
                tasks.cancel_scope.cancel()
                await anyio.lowlevel.checkpoint()
        assert len(await it.open_ids()) == 100


async def test_put_that_is_cancelled_leaves_a_loader_that_drains(bench: OpenBench) -> None:
    go = anyio.Event()

    async def wait(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        await go.wait()
        return await apply_all(shop, items)

    async with bench(Shop(answer=wait)) as it:
        items = await it.put_down(*creates(100))
        async with open_loader(it.lane(), batch_size=None, writers=3) as loader:
            with anyio.move_on_after(0.05):
                await loader.put(items)
            go.set()
            with anyio.fail_after(5):
                await loader.drain()
            counts = await it.ledger.counts("r")
            assert counts.written == len(it.shop.rows) == 6, (
                "three with the writers, three that waited for them"
            )
            assert counts.pending == 94
            assert await it.ledger.intents("r") == []


@pytest.mark.parametrize("rules", [SINGLE, ONCE, ARRAY, JOINED])
async def test_updates_of_one_row_keep_their_order(bench: OpenBench, rules: Any) -> None:
    seen: list[tuple[str | None, Any]] = []

    async def slow_at_first(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        await anyio.sleep(0.02 / (1 + len(seen)))
        seen.extend((item.target_id, item.body["value"]) for item in items)
        return await apply_all(shop, items)

    async with bench(Shop.of([{"key": "x"}] * 3, rules=rules, answer=slow_at_first)) as it:
        async with open_loader(it.lane(), batch_size=None, writers=8) as loader:
            bodies = [{"id": str(n % 3 + 1), "value": n} for n in range(30)]
            await loader.put(await it.put_down(*bodies))
            await loader.flush()
        for row in ("1", "2", "3"):
            values = [value for target_id, value in seen if target_id == row]
            assert values == sorted(values)
            assert len(values) == 10


@pytest.mark.parametrize(
    ("rules", "error"), [(ONCE, InDoubtError("x", sent_at=1.0)), (SINGLE, RequestFailedError("x"))]
)
async def test_a_later_update_waits_for_one_that_stayed_open(
    bench: OpenBench, rules: Any, error: Exception
) -> None:
    is_failing = True

    async def fail_first(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        if is_failing and items[0].body["value"] == 1:
            raise error
        return await apply_all(shop, items)

    async with bench(Shop.of([{"key": "x"}] * 2, rules=rules, answer=fail_first)) as it:  # noqa: SIM117  the inner ends first
        async with open_loader(it.lane(), batch_size=None, writers=4) as loader:
            items = await it.put_down(
                {"id": "1", "value": 1}, {"id": "2", "value": 2}, {"id": "1", "value": 3}
            )
            await loader.put(items)
            await loader.flush()
            assert await it.open_ids() == ["1", "3"]
            await loader.put(await it.put_down({"id": "1", "value": 4}))
            await loader.flush()
            assert await it.open_ids() == ["1", "3", "4"]
            is_failing = False
            loader.begin_round()
            await loader.put([items[0], items[2]])
            await loader.flush()
            assert it.shop.rows["1"]["value"] == 3


async def test_an_update_waits_for_one_that_is_left_as_it_is(bench: OpenBench) -> None:
    async with bench(Shop.of([{"key": "x"}])) as it:
        async with open_loader(it.lane(), batch_size=None, writers=4) as loader:
            first, second = await it.put_down({"id": "1", "value": 1}, {"id": "1", "value": 2})
            loader.leave_open(first)
            await loader.put([second])
            await loader.flush()
        assert it.shop.requests == []


async def test_two_distinct_changes_of_a_thousand_rows_cost_four_requests(bench: OpenBench) -> None:
    shop = Shop.of([{"key": "x"}] * 1000, rules=JOINED | {"update": JOINED["update"].__class__("joined", 500, is_repeatable=True)})  # fmt: skip
    async with bench(shop) as it:
        async with open_loader(it.lane(), batch_size=None, writers=4) as loader:
            for page in range(10):
                rows = [{"id": str(page * 100 + n + 1), "value": page * 100 + n} for n in range(100)]
                items = [
                    item._replace(encoded=b'{"a":%d}' % (n % 2), body={"a": n % 2})
                    for n, item in enumerate(await it.put_down(*rows))
                ]
                await loader.put(items)
            await loader.flush()
        assert await it.ledger.counts("r") == Counts(written=1000)
        assert len(shop.requests) <= 4
        assert max(len(request) for request in shop.requests) <= 500


async def test_arrays_are_bounded_in_bytes(bench: OpenBench) -> None:
    async with bench(Shop(rules=ARRAY)) as it:
        async with open_loader(it.lane(), batch_size=None, writers=4) as loader:
            await loader.put(
                await it.put_down(*({"key": f"k{n}", "value": n, "text": "x" * 250_000} for n in range(8)))
            )
            await loader.flush()
        assert all(sum(len(i.encoded) for i in request) < MAX_BATCH_BYTES for request in it.shop.requests)
        assert len(it.shop.rows) == 8


async def test_drained_what_waits_to_be_filled_up_stays_pending(bench: OpenBench) -> None:
    async with bench(Shop(rules=ARRAY)) as it:
        async with open_loader(it.lane(), batch_size=None, writers=4) as loader:
            await loader.put(await it.put_down(*creates(14)))
            await loader.drain()
        assert await it.ledger.counts("r") == Counts(written=10, pending=4)


async def test_what_ends_a_delivery_ends_the_loader_and_loses_nothing(bench: OpenBench) -> None:
    async def fall_over(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        if len(shop.rows) >= 5:
            raise HostUnavailableError("down")
        return await apply_all(shop, items)

    async with bench(Shop(answer=fall_over)) as it:
        with pytest.raises(HostUnavailableError), single_error():  # noqa: PT012  what fails comes out where the ledger is left
            async with open_loader(it.lane(), batch_size=None, writers=2) as loader:
                await loader.put(await it.put_down(*creates(50)))
                await loader.flush()
        counts = await it.ledger.counts("r")
        assert counts.written + counts.pending == 50
        not_in_doubt = set(await it.open_ids()) - set(await it.doubtful_ids())
        assert not {str(value) for value in it.shop.values("value")} & not_in_doubt


async def test_a_rehearsal_reads_and_sends_nothing() -> None:
    shop = Shop.of([{"key": "x"}])
    target = RehearsedTarget(ShopTarget(shop))
    results = await target.write(
        [WriteItem(None, {}, b"{}"), WriteItem("1", {}, b"{}"), WriteItem(None, {}, b"{}")]
    )
    ids = [result.target_id for result in results]
    assert ids[1] == "1"
    assert len(set(ids)) == 3
    assert shop.requests == []
    assert (target.id_field, target.natural_key, target.rules) == ("id", "key", shop.rules)
    assert target.comparable({"id": 1, "key": "x"}) == {"key": "x"}


async def _change(it: Any, source_id: int, row: str, tags: str) -> Item:
    """A change of a row's tags alone."""
    (item,) = await it.put_down({"id": row, "value": source_id, "tags": tags})
    changed: Item = item._replace(body={"tags": tags}, encoded=b'{"tags":"%s"}' % tags.encode())
    return changed


async def test_what_one_page_puts_while_another_flushes_keeps_its_order_too(bench: OpenBench) -> None:
    """Changes wait to be joined by their bodies: a row's second one could else stand in a group before its first."""
    begun, go = anyio.Event(), anyio.Event()

    async def hold_first(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        begun.set()
        await go.wait()
        return await apply_all(shop, items)

    async with bench(Shop.of([{"key": "x"}] * 3, rules=JOINED, answer=hold_first)) as it:
        first, second = await _change(it, 1, "1", "first"), await _change(it, 2, "1", "second")
        other, early, late = (
            await _change(it, 3, "3", "late"),
            await _change(it, 4, "2", "early"),
            await _change(it, 5, "2", "late"),
        )
        async with open_loader(it.lane(), batch_size=None, writers=4) as loader:
            await loader.put([first])
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(loader.put, [second])  # which flushes, and waits for the answer
                await begun.wait()
                await loader.put([other, early])
                go.set()
            await loader.put([late])
            await loader.flush()
        assert [it.shop.rows[row]["tags"] for row in "123"] == ["second", "late", "late"]


async def test_where_the_run_stops_nothing_waits_for_a_row_that_is_not_sent_any_more(
    bench: OpenBench,
) -> None:
    async with bench(Shop.of([{"key": "x"}] * 3, rules=JOINED)) as it:
        changes = [await _change(it, n, "1", f"tags {n}") for n in range(3)]
        lane = replace(it.lane(), is_stopping=lambda: True)
        async with open_loader(lane, batch_size=None, writers=4) as loader:
            with anyio.fail_after(5):
                await loader.put(changes)
                await loader.flush()
        assert it.shop.requests == []
        assert await it.ledger.counts("r") == Counts(pending=3)


@pytest.mark.parametrize("rules", [SINGLE, JOINED])
async def test_rows_of_a_put_that_was_cut_off_are_not_waited_for(bench: OpenBench, rules: Any) -> None:
    """They stay pending, and are put again."""
    may_go = anyio.Event()

    async def wait(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        await may_go.wait()
        return await apply_all(shop, items)

    async with bench(Shop.of([{"key": "x"}] * 60, rules=rules, answer=wait)) as it:
        items = await it.put_down(*({"id": str(n), "value": n} for n in range(1, 61)))
        async with open_loader(it.lane(), batch_size=1, writers=3) as loader:
            with anyio.move_on_after(0.05) as scope:
                await loader.put(items)
            assert scope.cancelled_caught
            may_go.set()
            await loader.flush()
            loader.begin_round()
            _, left = await it.ledger.next_pending("r", 0)
            with anyio.fail_after(10):
                await loader.put(left)
                await loader.flush()
        assert not await it.open_ids()
