"""The gate is one decision: windows, concurrency and pauses together, first come first served."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulkmove.settings import Window
from bulkmove.transport.gate import Gate
from bulkmove.transport.meters import SlidingLog
from bulkmove.transport.slot import Slot

RunVirtually = Callable[[Coroutine[Any, Any, None]], None]


def gate_of(*windows: Window, burst: int = 1, concurrency: int = 16) -> Gate:
    return Gate(windows, burst=burst, concurrency=concurrency, clock=asyncio.get_running_loop().time)


def most_in(times: Sequence[float], period_s: float) -> int:
    """The most of `times` in any half-open interval of `period_s`."""
    return max((sum(1 for t in times if start <= t < start + period_s) for start in times), default=0)


async def starts(gate: Gate, count: int, *, takes_s: float = 0.01, workers: int = 20) -> list[float]:
    """When `count` requests were let out, of workers that ask again at once."""
    times: list[float] = []

    async def work() -> None:
        while len(times) < count:
            slot = await gate.acquire()
            if len(times) < count:
                times.append(asyncio.get_running_loop().time())
            gate.sent(slot)
            await anyio.sleep(takes_s)
            gate.release(slot)

    async with anyio.create_task_group() as group:
        for _ in range(workers):
            group.start_soon(work)
    return times


@pytest.mark.parametrize("rate", [1, 4, 20, 100, 200])
def test_a_window_is_kept_strictly_and_used_to_98_5_percent(run_virtually: RunVirtually, rate: int) -> None:
    async def scenario() -> None:
        times = await starts(gate_of(Window(rate, 1.0)), rate * 8 + 1)
        assert most_in(times, 1.0) == rate
        assert rate * 8 / (times[-1] - times[0]) >= 0.985 * rate

    run_virtually(scenario())


def test_slots_of_a_window_are_evenly_spaced(run_virtually: RunVirtually) -> None:
    async def scenario() -> None:
        times = await starts(gate_of(Window(4, 1.0)), 20)
        gaps = [after - before for before, after in itertools.pairwise(times)]
        assert min(gaps) >= 0.9 / 4
        assert max(gaps) <= 1.25 / 4

    run_virtually(scenario())


def test_of_several_windows_each_is_kept(run_virtually: RunVirtually) -> None:
    async def scenario() -> None:
        times = await starts(gate_of(Window(4, 1.0), Window(20, 15.0), Window(45, 120.0)), 100)
        assert most_in(times, 1.0) <= 4
        assert most_in(times, 15.0) == 20
        assert most_in(times, 120.0) == 45

    run_virtually(scenario())


def test_a_burst_goes_out_together_and_costs_no_rate(run_virtually: RunVirtually) -> None:
    async def scenario() -> None:
        times = await starts(gate_of(Window(20, 1.0), burst=5), 161)
        assert times[4] == times[0]
        assert times[5] > times[0]
        assert most_in(times, 1.0) == 20
        assert 160 / (times[-1] - times[0]) >= 0.985 * 20

    run_virtually(scenario())


def test_without_a_burst_no_two_go_out_together_after_a_rest(run_virtually: RunVirtually) -> None:
    async def scenario() -> None:
        gate = gate_of(Window(20, 1.0))
        await anyio.sleep(100)
        times = await starts(gate, 3)
        assert len(set(times)) == 3

    run_virtually(scenario())


def test_a_long_window_does_not_slow_a_short_migration(run_virtually: RunVirtually) -> None:
    async def scenario() -> None:
        times = await starts(gate_of(Window(3600, 3600.0)), 3600, workers=50)
        assert times[-1] - times[0] < 60

    run_virtually(scenario())


def test_a_long_window_is_kept_and_used_well_in_a_long_run(run_virtually: RunVirtually) -> None:
    async def scenario() -> None:
        times = await starts(gate_of(Window(40, 1.0), Window(120, 120.0)), 601)
        assert most_in(times, 120.0) == 120
        assert times[600] - times[0] <= 5 * 120 * 1.02

    run_virtually(scenario())


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    windows=st.lists(
        st.builds(Window, st.integers(1, 30), st.sampled_from([0.5, 1.0, 10.0, 60.0, 90.0])),
        min_size=1,
        max_size=3,
    ),
    burst=st.integers(1, 8),
    rests=st.lists(st.floats(0, 3), min_size=1, max_size=60),
    delays=st.lists(st.sampled_from([0.0, 0.0, 0.001, 0.2, 1.5]), min_size=1, max_size=7),
)
def test_no_pattern_of_asking_breaks_a_window(
    run_virtually: RunVirtually, windows: list[Window], burst: int, rests: list[float], delays: list[float]
) -> None:
    async def scenario() -> None:
        gate = gate_of(*windows, burst=burst)
        times: list[float] = []

        async def one(number: int) -> None:
            slot = await gate.acquire()
            times.append(asyncio.get_running_loop().time())
            gate.sent(slot)
            await anyio.sleep(delays[number % len(delays)])
            gate.release(slot)

        async with anyio.create_task_group() as group:
            for number, rest in enumerate(rests):
                group.start_soon(one, number)
                await anyio.sleep(rest if number % 3 == 0 else 0)
        assert len(times) == len(rests)
        for window in windows:
            assert most_in(times, window.period_s) <= window.count

    run_virtually(scenario())


def test_first_come_is_first_served(run_virtually: RunVirtually) -> None:
    async def scenario() -> None:
        gate, order = gate_of(Window(5, 1.0)), list[int]()

        async def one(number: int) -> None:
            slot = await gate.acquire()
            order.append(number)
            gate.release(slot)

        async with anyio.create_task_group() as group:
            for number in range(30):
                group.start_soon(one, number)
                await anyio.sleep(0.01)
        assert order == list(range(30))

    run_virtually(scenario())


def test_a_newcomer_does_not_slip_in_before_who_is_about_to_be_let_out(run_virtually: RunVirtually) -> None:
    async def scenario() -> None:
        gate, order = gate_of(concurrency=1), list[str]()
        held = await gate.acquire()

        async def waiting() -> None:
            slot = await gate.acquire()
            order.append("first")
            gate.release(slot)

        async with anyio.create_task_group() as group:
            group.start_soon(waiting)
            await anyio.sleep(1)
            gate.release(held)
            slot = await gate.acquire()
            order.append("newcomer")
            gate.release(slot)
        assert order == ["first", "newcomer"]

    run_virtually(scenario())


def test_no_more_than_the_concurrency_are_in_flight(run_virtually: RunVirtually) -> None:
    async def scenario() -> None:
        gate, most = gate_of(concurrency=3), 0

        async def one() -> None:
            nonlocal most
            slot = await gate.acquire()
            most = max(most, gate.in_flight)
            await anyio.sleep(1)
            gate.release(slot)

        async with anyio.create_task_group() as group:
            for _ in range(12):
                group.start_soon(one)
        assert most == 3
        assert gate.in_flight == 0

    run_virtually(scenario())


@pytest.mark.parametrize("windows", [(), (Window(10, 1.0),)])
def test_a_pause_holds_everyone_and_ends_without_a_herd(
    run_virtually: RunVirtually, windows: tuple[Window, ...]
) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        gate, times, flying = gate_of(*windows, burst=5, concurrency=8), list[float](), list[int]()
        gate.pause(10, "asked to wait")
        began = loop.time()

        async def one() -> None:
            slot = await gate.acquire()
            times.append(loop.time() - began)
            flying.append(gate.in_flight)
            await anyio.sleep(1)
            gate.release(slot)

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(one)
        assert min(times) >= 10
        assert sum(1 for t in times if t < 10.99) == 1, "one alone"
        assert flying[:3] == [1, 1, 2]
        assert max(flying) <= 8

    run_virtually(scenario())


def test_of_overlapping_pauses_the_longest_holds_and_counts_once(run_virtually: RunVirtually) -> None:
    async def scenario() -> None:
        gate = gate_of()
        gate.pause(10, "long")
        gate.pause(3, "short")
        assert gate.paused() == (10, "long")
        assert gate.pauses == 1
        began = asyncio.get_running_loop().time()
        gate.release(await gate.acquire())
        assert asyncio.get_running_loop().time() - began == pytest.approx(10)
        assert gate.paused() == (0.0, None)

    run_virtually(scenario())


def test_those_in_flight_from_before_a_pause_do_not_hold_up_the_probe(run_virtually: RunVirtually) -> None:
    async def scenario() -> None:
        gate = gate_of(concurrency=4)
        old = [await gate.acquire() for _ in range(3)]
        gate.pause(1, "trouble")
        probe = await gate.acquire()
        assert gate.in_flight == 4
        for slot in old:
            gate.release(slot)
        with anyio.move_on_after(5) as scope:
            await gate.acquire()
        assert scope.cancelled_caught, "only the probe's own return lets more out"
        gate.release(probe)
        gate.release(await gate.acquire())
        assert gate.in_flight == 0

    run_virtually(scenario())


async def _taken_by(gate: Gate) -> None:
    slot = await gate.acquire()
    gate.release(slot)


@pytest.mark.parametrize("reason", ["window", "concurrency", "pause", "queue"])
def test_cancelled_while_waiting_no_slot_is_taken_and_the_next_one_goes(
    run_virtually: RunVirtually, reason: str
) -> None:
    async def scenario() -> None:
        gate = gate_of(Window(1, 1.0), concurrency=1)
        held: Slot | None = await gate.acquire()
        if held is not None and reason != "concurrency":
            gate.release(held)
            held = None
        if reason == "pause":
            gate.pause(0.5, "asked to wait")
        loop, got = asyncio.get_running_loop(), list[float]()

        async def next_one() -> None:
            slot = await gate.acquire()
            got.append(loop.time())
            gate.release(slot)

        began = loop.time()
        async with anyio.create_task_group() as group:
            waiting = anyio.CancelScope()

            async def cancelled() -> None:
                with waiting:
                    await _taken_by(gate)
                assert waiting.cancelled_caught

            if reason == "queue":
                group.start_soon(next_one)
            group.start_soon(cancelled)
            group.start_soon(next_one)
            await anyio.sleep(0.3)
            waiting.cancel()
            if held is not None:
                gate.release(held)
        waited = [moment - began for moment in got]
        # A slot that is given back unsent counts from then.
        expected = {"concurrency": [1.31], "queue": [1.01, 2.02]}.get(reason, [1.01])
        assert waited == pytest.approx(expected, abs=0.02)
        assert gate.granted == 1 + len(got)
        assert (gate.in_flight, gate.waiting) == (0, 0)

    run_virtually(scenario())


def test_cancelled_in_the_moment_of_being_let_through_the_next_one_still_goes(
    run_virtually: RunVirtually,
) -> None:
    async def scenario() -> None:
        gate = gate_of(concurrency=1)
        held = await gate.acquire()
        scopes = [anyio.CancelScope() for _ in range(5)]
        done: list[int] = []

        async def one(number: int) -> None:
            with scopes[number]:
                await _taken_by(gate)
                done.append(number)

        async with anyio.create_task_group() as group:
            for number in range(5):
                group.start_soon(one, number)
            await anyio.sleep(1)
            gate.release(held)  # rouses the first …
            scopes[0].cancel()  # … which is cancelled before it runs
            scopes[1].cancel()
        assert done[-3:] == [2, 3, 4]
        assert (gate.in_flight, gate.waiting) == (0, 0)

    run_virtually(scenario())


def test_a_request_that_is_not_on_the_wire_yet_counts_until_it_is(run_virtually: RunVirtually) -> None:
    """Connecting takes time: the next window begins when the request can be seen by the host."""

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        gate = gate_of(Window(1, 1.0))
        slow = await gate.acquire()
        began = loop.time()
        loop.call_later(3.0, gate.sent, slow)
        await anyio.sleep(2)
        await gate.acquire()
        assert loop.time() - began >= 4.0

    run_virtually(scenario())


def test_a_delay_that_all_requests_have_costs_no_rate(run_virtually: RunVirtually) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        gate, times = gate_of(Window(10, 1.0)), list[float]()

        async def work() -> None:
            while len(times) < 400:
                slot = await gate.acquire()
                times.append(loop.time())
                await anyio.sleep(0.15)
                gate.sent(slot)
                await anyio.sleep(0.05)
                gate.release(slot)

        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(work)
        assert 200 / (times[399] - times[199]) >= 0.985 * 10

    run_virtually(scenario())


@pytest.mark.parametrize("windows", [(Window(10, 1.0),), (Window(10, 1.0), Window(500, 3600.0))])
def test_a_lowered_host_gets_less_than_its_rate_and_creeps_back_to_all_of_it(
    run_virtually: RunVirtually, windows: tuple[Window, ...]
) -> None:
    async def scenario() -> None:
        gate = gate_of(*windows)
        gate.lower()
        gate.lower()
        assert gate.rate_per_s == 4
        times = await starts(gate, 101)
        first, last = times[20] - times[0], times[100] - times[80]
        assert 20 / first == pytest.approx(4.1, abs=0.2)
        assert 20 / last == pytest.approx(5.5, abs=0.2)
        await anyio.sleep(1000)
        assert gate.rate_per_s == 10
        times = await starts(gate, 101)
        assert most_in(times, 1.0) <= 10
        assert 100 / (times[-1] - times[0]) >= 0.98 * 10

    run_virtually(scenario())


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moments=st.lists(st.floats(0, 200), min_size=1, max_size=6), burst=st.integers(1, 4))
def test_no_window_is_broken_on_the_way_back(
    run_virtually: RunVirtually, moments: list[float], burst: int
) -> None:
    async def scenario() -> None:
        gate = gate_of(Window(3, 1.0), Window(40, 60.0), burst=burst)
        for moment in moments:
            asyncio.get_running_loop().call_later(moment, gate.lower)
        times = await starts(gate, 200)
        assert most_in(times, 1.0) <= 3
        assert most_in(times, 60.0) <= 40

    run_virtually(scenario())


def test_a_429_makes_a_long_window_no_longer(run_virtually: RunVirtually) -> None:
    """What is full for an hour would else stand still for a quarter of an hour more."""

    async def scenario() -> None:
        gate = gate_of(Window(100, 1.0), Window(60, 3600.0))
        times = await starts(gate, 60, workers=1)
        gate.lower()
        times += await starts(gate, 1, workers=1)
        assert 3600 <= times[60] - times[0] < 3603

    run_virtually(scenario())


def test_where_no_window_spaces_requests_a_lowered_host_gets_fewer_at_a_time(
    run_virtually: RunVirtually,
) -> None:
    async def most_in_flight(gate: Gate) -> int:
        flying: list[int] = []

        async def one() -> None:
            slot = await gate.acquire()
            flying.append(gate.in_flight)
            await anyio.sleep(0.1)
            gate.release(slot)

        async with anyio.create_task_group() as group:
            for _ in range(40):
                group.start_soon(one)
        return max(flying)

    async def scenario() -> None:
        for windows in ((), (Window(5000, 3600.0),)):
            gate = gate_of(*windows, concurrency=16)
            held = [await gate.acquire() for _ in range(16)]
            for slot in held:
                gate.release(slot)
                if slot is held[0]:
                    gate.lower()
            assert await most_in_flight(gate) == 12
            gate.lower()
            assert await most_in_flight(gate) <= 2, "what was in use is what is lowered"
            await anyio.sleep(1000)
            assert await most_in_flight(gate) == 16

    run_virtually(scenario())


def test_what_an_earlier_run_spent_counts_in_windows_of_a_minute_and_more(
    run_virtually: RunVirtually,
) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        gate = gate_of(Window(1, 1.0), Window(20, 60.0), Window(50, 3600.0))
        gate.remember([(now - 4000, 50), (now - 3000, 30), (now - 30, 15), (now - 20, 3)])
        times = [moment - now for moment in await starts(gate, 33, takes_s=0.0)]
        assert times[1] < 3.1, "two are left of the minute, and of the hour"
        assert 600 < times[2] < 604, "what was let out 50 minutes ago is over in ten"
        assert 3569 < times[32] < 3575, "and 30 are free before the rest of it is"

    run_virtually(scenario())


def test_a_hold_keeps_everyone_back_and_lets_all_go_on_together(run_virtually: RunVirtually) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        gate, times = gate_of(concurrency=8), list[float]()
        gate.hold(10, "its limit is spent")
        assert gate.paused() == (10, "its limit is spent")
        assert gate.pauses == 0
        began = loop.time()

        async def one() -> None:
            slot = await gate.acquire()
            times.append(loop.time() - began)
            await anyio.sleep(1)
            gate.release(slot)

        async with anyio.create_task_group() as group:
            for _ in range(8):
                group.start_soon(one)
        assert times == pytest.approx([10] * 8, abs=0.01)

    run_virtually(scenario())


def test_a_pause_that_begins_within_a_hold_counts_and_the_later_end_holds(
    run_virtually: RunVirtually,
) -> None:
    async def scenario() -> None:
        gate = gate_of()
        gate.hold(10, "spent")
        gate.pause(4, "429")
        assert (gate.pauses, gate.paused()) == (1, (10, "spent"))
        gate.pause(30, "429")
        assert (gate.pauses, gate.paused()) == (1, (30, "429"))

    run_virtually(scenario())


def test_a_log_merges_what_is_close_and_lets_it_go_by_its_last() -> None:
    log = SlidingLog(count=3, span_s=10.0, grain_s=1.0)
    for moment in (0.0, 0.6, 5.0):
        assert log.wait_s(moment) == 0
        log.take(moment).sent(moment)
    assert log.wait_s(6.0) == pytest.approx(4.6)
    assert log.wait_s(10.5) == pytest.approx(0.1)
    assert log.wait_s(10.7) == 0


@pytest.mark.parametrize("hanging_since", [[0.0], [0.0, 0.0], [0.0, 3.0], [0.0, 0.1, 3.0, 5.0]])
def test_requests_that_hang_on_their_way_hold_nothing_up_but_their_own_share(
    run_virtually: RunVirtually, hanging_since: list[float]
) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        gate = gate_of(Window(10, 1.0), concurrency=64)
        began, left, sent = loop.time(), list(hanging_since), list[float]()
        while (now := loop.time() - began) < 12:
            slot = await gate.acquire()
            if left and now >= left[0]:
                left.pop(0)
                continue
            gate.sent(slot)
            sent.append(loop.time() - began)
            gate.release(slot)
        for second in range(1, 12):
            served = sum(second <= at < second + 1 for at in sent)
            assert served >= 10 - len(hanging_since) - 1

    run_virtually(scenario())


def test_what_hung_on_its_way_counts_from_when_it_went() -> None:
    log, now = SlidingLog(count=10, span_s=1.01, grain_s=1e-4), 0.0
    hanging = [log.take(0.01 * number) for number in range(3)]
    sent: list[float] = []
    while now < 6:
        if wait_s := log.wait_s(now):
            assert wait_s < 2
            now += wait_s
            continue
        entries = [log.take(now), *(hanging if now > 3 else ())]
        hanging = [] if now > 3 else hanging
        for entry in entries:
            entry.sent(now)
            sent.append(now)
        now += 0.095
    assert not hanging
    assert most_in(sent, 1.0) == 10


def test_the_rate_to_plan_with_is_that_of_the_tightest_short_window(run_virtually: RunVirtually) -> None:
    async def scenario() -> None:
        assert gate_of().rate_per_s is None
        assert gate_of(Window(4, 1.0), Window(80, 60.0), Window(3600, 3600.0)).rate_per_s == pytest.approx(
            4 / 3
        )
        assert gate_of(Window(3600, 3600.0)).rate_per_s == 1.0

    run_virtually(scenario())
