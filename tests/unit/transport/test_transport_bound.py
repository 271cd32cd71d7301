"""Three minutes at strict servers, in virtual time: nothing is refused, and the rate is used to within two percent."""

from __future__ import annotations

import asyncio
import itertools
import math
import random
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import anyio
import pytest

from bulkmove.config.rates import parse_window
from bulkmove.settings import Window
from bulkmove.transport.gate import Gate
from bulkmove.transport.meters import SHORTEST_EXACT_S
from bulkmove.transport.refusals import RARE_S
from bulkmove.transport.wire import GUARD_KEPT_S

RunVirtually = Callable[[Coroutine[Any, Any, None]], None]

MINUTES_S = 180.0
PUBLISHED = (Window(4, 1.0), Window(80, 60.0))


def sliding(times: Sequence[float], window: Window) -> int:
    """How many of the arrivals a window refuses that holds for any stretch of its length."""
    return sum(
        later - earlier < window.period_s
        for earlier, later in zip(times, times[window.count :], strict=False)
    )


def fixed(times: Sequence[float], window: Window) -> int:
    """How many a count refuses that begins anew each time its period is over."""
    counts = [len(list(group)) for _, group in itertools.groupby(times, lambda at: at // window.period_s)]
    return sum(max(0, count - window.count) for count in counts)


def burst_free(times: Sequence[float], window: Window) -> int:
    """How many nginx refuses: those that come within a slot of the last that it let through, by whole milliseconds."""
    rate = window.count * 1000 * 60 // int(60 * window.period_s)
    refused, let_through = 0, -math.inf
    for at in times:
        if let_through > -math.inf and rate * (math.floor(at * 1000) - let_through) // 1000 < 1000:
            refused += 1
        else:
            let_through = math.floor(at * 1000)
    return refused


class Way:
    """From the gate to a host and back. `jitter_s`: how unequal the way there is, once a request is written.

    `connecting`: the share of requests that have to connect first.
    """

    def __init__(
        self, gate: Gate, *, latency_s: tuple[float, float], jitter_s: float, connecting: float = 0.0
    ) -> None:
        self.arrived: list[float] = []
        self._gate = gate
        self._latency_s = latency_s
        self._jitter_s = jitter_s
        self._connecting = connecting
        self._dice = random.Random(7)

    async def go_on_until(self, end: float) -> None:
        loop, dice = asyncio.get_running_loop(), self._dice
        while loop.time() < end:
            slot = await self._gate.acquire()
            # Some connect first; a busy event loop holds the others up by a little.
            await anyio.sleep(
                dice.uniform(0.05, 0.2) if dice.random() < self._connecting else dice.expovariate(1000)
            )
            await self._gate.turn(slot)
            await anyio.sleep(0.0001)
            self._gate.sent(slot)
            self.arrived.append(loop.time() + dice.uniform(0, self._jitter_s))
            low, high = self._latency_s
            await anyio.sleep(low * (high / low) ** dice.random() ** 3)
            self._gate.release(slot)


async def three_minutes(
    windows: Sequence[Window],
    *,
    latency_s: tuple[float, float],
    jitter_s: float,
    lasting_s: float = MINUTES_S,
) -> list[float]:
    """When requests arrived at a host, of as many who ask again at once as a run has readers."""
    loop = asyncio.get_running_loop()
    rate = min(window.count / window.period_s for window in windows)
    gate = Gate(windows, burst=1, concurrency=200, clock=loop.time)
    way = Way(gate, latency_s=latency_s, jitter_s=jitter_s, connecting=0.2 / max(20, rate))
    end = loop.time() + lasting_s
    async with anyio.create_task_group() as group:
        for _ in range(3 + math.ceil(2 * rate * sum(latency_s) / 2)):
            group.start_soon(way.go_on_until, end)
    return sorted(way.arrived)


@pytest.mark.parametrize("latency_s", [(0.005, 0.005), (0.5, 0.5), (0.005, 0.5)], ids=["5", "500", "5~500"])
@pytest.mark.parametrize("windows", [PUBLISHED, (Window(20, 1.0),)], ids=["4/s 80/min", "20/s"])
def test_what_is_spaced_is_never_refused_and_loses_less_than_two_percent(
    run_virtually: RunVirtually, windows: Sequence[Window], latency_s: tuple[float, float]
) -> None:
    async def scenario() -> None:
        times = await three_minutes(windows, latency_s=latency_s, jitter_s=0.0003)
        for window in windows:
            assert sliding(times, window) == 0
            assert fixed(times, window) == 0
            if window.period_s / window.count >= SHORTEST_EXACT_S:
                assert burst_free(times, window) == 0
        bound_s = max(len(times) * window.period_s / window.count for window in windows)
        assert times[-1] - times[0] <= 1.02 * bound_s

    run_virtually(scenario())


@pytest.mark.parametrize("windows", [PUBLISHED, (Window(20, 1.0),), (Window(200, 1.0),)])
def test_requests_that_overtake_each_other_by_milliseconds_keep_every_window(
    run_virtually: RunVirtually, windows: Sequence[Window]
) -> None:
    async def scenario() -> None:
        lasting_s = 15.0 if windows[0].count == 200 else MINUTES_S
        times = await three_minutes(windows, latency_s=(0.005, 0.2), jitter_s=0.008, lasting_s=lasting_s)
        for window in windows:
            assert sliding(times, window) == 0
            assert fixed(times, window) == 0
        bound_s = max(len(times) * window.period_s / window.count for window in windows)
        assert times[-1] - times[0] <= 1.02 * bound_s

    run_virtually(scenario())


def test_what_a_busy_loop_writes_after_its_turn_counts_from_when_it_is_written(
    run_virtually: RunVirtually,
) -> None:
    async def scenario() -> None:
        loop, dice, arrived = asyncio.get_running_loop(), random.Random(7), list[float]()
        window = Window(20, 1.0)
        gate = Gate((window,), burst=1, concurrency=50, clock=loop.time)

        async def go_on() -> None:
            while loop.time() < end:
                slot = await gate.acquire()
                await gate.turn(slot)
                await anyio.sleep(0.012 if dice.random() < 0.02 else 0.0001)
                gate.sent(slot)
                arrived.append(loop.time() + dice.uniform(0.0, 0.009))
                await anyio.sleep(0.1)
                gate.release(slot)

        end = loop.time() + MINUTES_S
        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(go_on)
        assert sliding(sorted(arrived), window) == 0
        assert len(arrived) > 0.985 * 20 * MINUTES_S

    run_virtually(scenario())


class StandingStill(Way):
    """A host that stands still for a moment now and then: it counts what comes meanwhile afterwards, and answers later."""

    STALL_S, EVERY_S = 0.12, 11.3

    async def go_on_until(self, end: float) -> None:
        loop, dice = asyncio.get_running_loop(), self._dice
        while loop.time() < end:
            slot = await self._gate.acquire()
            await self._gate.turn(slot)
            await anyio.sleep(0.0001)
            self._gate.sent(slot)
            counted_at = self._counted(loop.time() + dice.uniform(0.0, self._jitter_s))
            self.arrived.append(counted_at)
            await anyio.sleep(counted_at + dice.uniform(*self._latency_s) - loop.time())
            self._gate.answered(slot, "GET /orders", 200)
            self._gate.release(slot)

    def _counted(self, at: float) -> float:
        into_s = at % self.EVERY_S
        return at - into_s + self.STALL_S if into_s < self.STALL_S else at


@pytest.mark.parametrize("count", [sliding, fixed])
@pytest.mark.parametrize("latency_s", [(0.004, 0.009), (0.09, 0.12), (0.48, 0.52)], ids=["5", "100", "500"])
def test_what_was_held_up_on_its_way_counts_from_when_it_got_there(
    run_virtually: RunVirtually,
    latency_s: tuple[float, float],
    count: Callable[[Sequence[float], Window], int],
) -> None:
    """Its answer came later than all others: without a look at that, each time that the host stood still ended in a 429."""

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        window = Window(20, 1.0)
        gate = Gate((window,), burst=1, concurrency=50, clock=loop.time)
        way = StandingStill(gate, latency_s=latency_s, jitter_s=0.003)
        end = loop.time() + MINUTES_S
        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(way.go_on_until, end)
        assert count(sorted(way.arrived), window) == 0
        assert len(way.arrived) > 0.98 * 20 * MINUTES_S

    run_virtually(scenario())


def test_a_request_that_connects_for_long_is_not_followed_at_once(run_virtually: RunVirtually) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        gate = Gate((Window(4, 1.0),), burst=1, concurrency=9, clock=loop.time)
        times: list[float] = []

        async def one(connects_s: float) -> None:
            slot = await gate.acquire()
            await anyio.sleep(connects_s)
            await gate.turn(slot)
            times.append(loop.time())
            gate.sent(slot)
            gate.release(slot)

        async with anyio.create_task_group() as group:
            for connects_s in (0.0, 0.19, 0.0, 0.0, 0.0):
                group.start_soon(one, connects_s)
        assert len(times) == 5
        assert min(later - earlier for earlier, later in itertools.pairwise(times)) >= 0.25

    run_virtually(scenario())


def test_one_that_gives_up_in_the_line_leaves_its_place_to_the_next(run_virtually: RunVirtually) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        gate = Gate((Window(1, 1.0),), burst=1, concurrency=9, clock=loop.time)
        first = await gate.acquire()
        await anyio.sleep(5)
        second = None
        with anyio.move_on_after(3):
            second = await gate.acquire()
        assert second is None, "the first may be written at any time"
        await gate.turn(first)
        began = loop.time()
        with anyio.move_on_after(0.5):
            await gate._wire.turn(since=loop.time())
        gate.sent(first)
        slot = await gate.acquire()
        await gate.turn(slot)
        assert 1.0 <= loop.time() - began <= 1.7

    run_virtually(scenario())


def test_after_a_refusal_even_close_slots_are_kept_one_by_one(run_virtually: RunVirtually) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        gate = Gate((Window(200, 1.0),), burst=1, concurrency=50, clock=loop.time)
        gate.lower()
        way = Way(gate, latency_s=(0.005, 0.2), jitter_s=0.0)
        async with anyio.create_task_group() as group:
            for _ in range(40):
                group.start_soon(way.go_on_until, loop.time() + 5)
        times = sorted(way.arrived)
        assert min(later - earlier for earlier, later in itertools.pairwise(times)) >= 0.005
        assert len(times) > 400

    run_virtually(scenario())


def test_a_429_after_dozens_widens_the_windows_and_a_third_keeps_each_gap(
    run_virtually: RunVirtually,
) -> None:
    """One was held up on its way for longer than the next: gaps that are kept one by one cost a twentieth for good."""

    async def arrivals(gate: Gate) -> list[float]:
        loop = asyncio.get_running_loop()
        way = Way(gate, latency_s=(0.005, 0.2), jitter_s=0.0)
        async with anyio.create_task_group() as group:
            for _ in range(40):
                group.start_soon(way.go_on_until, loop.time() + 20)
        return sorted(way.arrived)[100:]

    async def refused(*, times: int) -> Gate:
        gate = Gate((Window(20, 1.0),), burst=1, concurrency=50, clock=asyncio.get_running_loop().time)
        for _ in range(times):
            await arrivals(gate)
            gate.lower(rest_s=1.0)
            await anyio.sleep(30)  # what it took of the rate is back
        return gate

    async def scenario() -> None:
        for times, margin_s in enumerate((0.01, 0.02, 0.04)):
            gate = await refused(times=times)
            seen = await arrivals(gate)
            spans = [later - earlier for earlier, later in zip(seen, seen[20:], strict=False)]
            assert min(spans) == pytest.approx(1 + margin_s, abs=0.003)
            assert min(later - earlier for earlier, later in itertools.pairwise(seen)) < 0.0499
        await anyio.sleep(2 * GUARD_KEPT_S)
        seen = await arrivals(gate)
        assert (seen[-1] - seen[0]) / (len(seen) - 1) < 0.0507
        seen = await arrivals(await refused(times=3))
        assert min(later - earlier for earlier, later in itertools.pairwise(seen)) > 0.0519

    run_virtually(scenario())


@pytest.mark.parametrize(("served", "rate"), [(1, 16), (2, 20), (10, 20), (11, 16), (39, 16), (40, 19)])
def test_a_429_in_the_first_half_of_a_window_tells_that_gaps_are_counted_and_not_that_the_rate_is_too_high(
    run_virtually: RunVirtually, served: int, rate: float
) -> None:
    """The first request of all came too close to none; a 429 after two windows is a rare one."""

    async def scenario() -> None:
        gate = Gate((Window(20, 1.0),), burst=1, concurrency=50, clock=asyncio.get_running_loop().time)
        for _ in range(served):
            gate.release(await gate.acquire())
        gate.lower()
        assert gate.rate_per_s == pytest.approx(rate)

    run_virtually(scenario())


@pytest.mark.parametrize(("at_first", "rate"), [(3, 190), (101, 80)])
def test_a_host_that_counts_gaps_is_asked_hardly_less_where_it_served_dozens_before_a_429(
    run_virtually: RunVirtually, at_first: int, rate: float
) -> None:
    """Of a rate that is too high it would refuse the second request; others let a part of a window through."""

    async def scenario() -> None:
        gate = Gate((Window(200, 1.0),), burst=1, concurrency=50, clock=asyncio.get_running_loop().time)
        for served in (at_first, 45):
            for _ in range(served):
                gate.release(await gate.acquire())
            gate.lower()
        assert gate.rate_per_s == pytest.approx(rate, abs=2)

    run_virtually(scenario())


def test_429s_that_ask_to_wait_for_a_second_are_chance_again_after_some_seconds(
    run_virtually: RunVirtually,
) -> None:
    async def scenario() -> None:
        gate = Gate((Window(20, 1.0),), burst=1, concurrency=50, clock=asyncio.get_running_loop().time)
        rates = []
        for seconds in (15.0, 15.0, 15.0, 15.0, 0.0, 0.0, 0.0):
            await anyio.sleep(seconds)
            for _ in range(100):
                gate.release(await gate.acquire())
            gate.lower(rest_s=1.0)
            gate.pause(1.0, "it asked to wait (429)")
            rates.append(gate.rate_per_s or 0.0)
        assert min(rates[:-1]) > 18
        assert rates[-1] < 16

    run_virtually(scenario())


def test_429s_that_come_minute_after_minute_are_no_chance(run_virtually: RunVirtually) -> None:
    async def scenario() -> None:
        gate = Gate((Window(20, 1.0),), burst=1, concurrency=50, clock=asyncio.get_running_loop().time)
        for seconds, rate in ((0.0, 19), (60.0, 19), (60.0, 19), (60.0, 16), (120.0, 16), (RARE_S, 19)):
            await anyio.sleep(seconds)
            for _ in range(100):
                gate.release(await gate.acquire())
            gate.lower()
            assert gate.rate_per_s == pytest.approx(rate)

    run_virtually(scenario())


def test_a_host_that_refuses_what_kept_its_gap_gets_longer_ones_and_its_rate_back_in_the_end(
    run_virtually: RunVirtually,
) -> None:
    """Gaps of 50 ms, of which nginx cuts off what is left of the millisecond."""

    async def gap_s(gate: Gate) -> float:
        loop = asyncio.get_running_loop()
        way = Way(gate, latency_s=(0.005, 0.2), jitter_s=0.0)
        async with anyio.create_task_group() as group:
            for _ in range(40):
                group.start_soon(way.go_on_until, loop.time() + 20)
        late = sorted(way.arrived)[100:]
        return (late[-1] - late[0]) / (len(late) - 1)

    async def scenario() -> None:
        gate = Gate((Window(20, 1.0),), burst=1, concurrency=50, clock=asyncio.get_running_loop().time)
        for gap in (0.0505, 0.051, 0.052):
            gate.lower()
            await anyio.sleep(60)
            assert await gap_s(gate) == pytest.approx(gap, rel=0.006)
        await anyio.sleep(GUARD_KEPT_S)
        assert await gap_s(gate) == pytest.approx(0.051, rel=0.01)

    run_virtually(scenario())


def test_other_windows_between_its_turn_and_the_wire_leave_the_line_as_it_was(
    run_virtually: RunVirtually,
) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        gate = Gate((Window(4, 1.0),), burst=1, concurrency=9, clock=loop.time)
        first = await gate.acquire()
        await gate.turn(first)
        gate.set_limits((Window(5000, 3600.0),), concurrency=9)
        gate.sent(first)
        gate.release(first)
        gate.set_limits((Window(4, 1.0),), concurrency=9)
        with anyio.fail_after(5):
            second = await gate.acquire()
            await gate.turn(second)
        gate.release(second)
        assert gate.in_flight == 0

    run_virtually(scenario())


@pytest.mark.parametrize("changes", [["1/min"], ["1/min", "2/min"], ["1/min", "20/s"]])
def test_what_has_set_out_keeps_the_windows_that_let_it_where_slower_ones_come(
    run_virtually: RunVirtually, changes: Sequence[str]
) -> None:
    """It would time out in a line of minutes; what sets out afterwards keeps the new ones."""

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        gate = Gate((Window(20, 1.0),), burst=1, concurrency=9, clock=loop.time)
        written: list[float] = []

        async def one() -> None:
            slot = await gate.acquire()
            await anyio.sleep(0.4)
            await gate.turn(slot)
            written.append(loop.time())
            gate.sent(slot)
            gate.release(slot)

        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(one)
            await anyio.sleep(0.2)
            assert gate.in_flight == 3
            for change in changes:
                gate.set_limits((parse_window(change),), concurrency=9)
            await anyio.sleep(1)
            assert len(written) == 3
            await one()
        assert written[3] - written[2] >= {"1/min": 60, "2/min": 30, "20/s": 0.05}[changes[-1]]

    run_virtually(scenario())


@pytest.mark.parametrize("windows", [(Window(80, 60.0),), (Window(1000, 60.0),)])
def test_nobody_stands_in_line_for_long_with_an_idle_connection(
    run_virtually: RunVirtually, windows: Sequence[Window]
) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        gate = Gate((Window(200, 60.0),), burst=1, concurrency=50, clock=loop.time)
        stood: list[float] = []

        async def go_on(until: float) -> None:
            while loop.time() < until:
                slot = await gate.acquire()
                await anyio.sleep(0.01)
                began = loop.time()
                await gate.turn(slot)
                stood.append(loop.time() - began)
                gate.sent(slot)
                await anyio.sleep(0.1)
                gate.release(slot)

        async with anyio.create_task_group() as group:
            for _ in range(40):
                group.start_soon(go_on, loop.time() + 150)
            await anyio.sleep(30)
            gate.set_limits(windows, concurrency=50)
        assert max(stood) < 0.3

    run_virtually(scenario())
