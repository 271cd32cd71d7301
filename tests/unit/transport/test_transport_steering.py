"""Limits that change while requests wait, and a host that a person holds."""

from __future__ import annotations

import asyncio
import bisect
import datetime as dt
import itertools
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulkmove.errors import HeldError
from bulkmove.events import PAUSED_BY_HAND
from bulkmove.settings import DailyRate, HostSettings, Window
from bulkmove.transport.gate import Gate
from bulkmove.transport.health import HostHealth
from bulkmove.transport.lately import FINE_S, Lately
from bulkmove.transport.leaving import LONGEST_AT_END_S, LeftError
from bulkmove.transport.retry_budget import LEAST
from bulkmove.transport.steering import Steering
from bulkmove.transport.timetable import windows_at
from bulkmove.transport.timing import Timing
from tests.unit.transport.scripted_host import GET, OK, POST, Rig, Scripted, answer

RunVirtually = Callable[[Coroutine[Any, Any, None]], None]
DOWN = answer(502)
HOST = HostSettings("new", "none", "https://shop.example", timezone="Europe/Bucharest")
BY_DAY = DailyRate(8 * 60, 23 * 60, (Window(2, 1.0),))
OVER_MIDNIGHT = DailyRate(22 * 60, 6 * 60, (Window(7, 1.0), Window(300, 60.0)))
USUAL = (Window(20, 1.0),)


def now() -> float:
    return asyncio.get_running_loop().time()


def gate_of(*windows: Window, burst: int = 1, concurrency: int = 16) -> Gate:
    return Gate(windows, burst=burst, concurrency=concurrency, clock=now)


# --- limits that change ------------------------------------------------------------------------------------


class LetOut(NamedTuple):
    """A request, and the windows that held when it was let out."""

    at: float
    windows: Sequence[Window]


def assert_strict(requests: Sequence[LetOut]) -> None:
    """Whatever held before: no request goes out that the windows of its own time, looking back, had no room for."""
    times = [request.at for request in requests]
    for number, request in enumerate(requests):
        for window in request.windows:
            behind = number + 1 - bisect.bisect_right(times, request.at - window.period_s)
            assert behind <= window.count, (window, request, number)


WINDOWS = st.lists(
    st.builds(Window, st.integers(1, 30), st.sampled_from([0.5, 1.0, 10.0, 60.0, 90.0])), max_size=2
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    limits=st.lists(
        st.tuples(WINDOWS, st.sampled_from([0.0, 0.3, 1.1, 4.0]), st.integers(1, 12)), min_size=2, max_size=6
    ),
    burst=st.integers(1, 8),
    delays=st.lists(st.sampled_from([0.0, 0.001, 0.2, 1.5]), min_size=1, max_size=5),
)
def test_no_change_of_limits_lets_more_out_than_the_new_ones_admit(
    run_virtually: RunVirtually,
    limits: list[tuple[list[Window], float, int]],
    burst: int,
    delays: list[float],
) -> None:
    async def scenario() -> None:
        windows, _, concurrency = limits[0]
        gate = gate_of(*windows, burst=burst, concurrency=concurrency)
        requests, most = list[LetOut](), 0

        async def work(number: int) -> None:
            nonlocal most
            for turn in itertools.count(number):
                slot = await gate.acquire()
                requests.append(LetOut(now(), windows))
                most = max(most, gate.in_flight)
                gate.sent(slot)
                await anyio.sleep(delays[turn % len(delays)] + 0.05)
                gate.release(slot)

        async with anyio.create_task_group() as group:
            for number in range(15):
                group.start_soon(work, number)
            for windows, lasts_s, concurrency in limits:
                gate.set_limits(windows, concurrency=concurrency)
                await anyio.sleep(lasts_s)
            group.cancel_scope.cancel()
        assert_strict(requests)
        assert most <= max(concurrency for *_, concurrency in limits)
        assert gate.waiting == 0

    run_virtually(scenario())


async def let_out(gate: Gate, seconds: float, *, workers: int = 20) -> list[float]:
    """When requests were let out within so many seconds, of workers that ask again at once."""
    times: list[float] = []

    async def work() -> None:
        while True:
            slot = await gate.acquire()
            times.append(now())
            gate.sent(slot)
            try:
                await anyio.sleep(0.01)
            finally:
                gate.release(slot)

    async with anyio.create_task_group() as group:
        for _ in range(workers):
            group.start_soon(work)
        await anyio.sleep(seconds)
        group.cancel_scope.cancel()
    return times


@pytest.mark.parametrize(("before", "after"), [(2, 40), (40, 2), (40, 39)])
def test_a_new_rate_holds_at_once_for_those_who_wait_and_is_used(
    run_virtually: RunVirtually, before: int, after: int
) -> None:
    async def scenario() -> None:
        gate = gate_of(Window(before, 1.0))
        async with anyio.create_task_group() as group:
            group.start_soon(let_out, gate, 30.0)
            await anyio.sleep(10.3)
            gate.set_limits([Window(after, 1.0)], concurrency=16)
            granted = gate.granted
            await anyio.sleep(10)
            assert 0.9 * 10 * after - 1 <= gate.granted - granted <= 10 * after
            assert gate.rate_per_s == after
            group.cancel_scope.cancel()

    run_virtually(scenario())


def test_what_was_served_at_another_rate_does_not_make_a_429_a_matter_of_chance(
    run_virtually: RunVirtually,
) -> None:
    async def scenario() -> None:
        gate = gate_of(Window(10, 1.0))
        assert len(await let_out(gate, 40)) > 300
        gate.set_limits([Window(100, 1.0)], concurrency=16)
        gate.lower()
        assert gate.rate_per_s == pytest.approx(80)

    run_virtually(scenario())


def test_what_went_out_under_a_short_window_counts_for_a_long_one(run_virtually: RunVirtually) -> None:
    async def scenario() -> None:
        gate = gate_of(Window(2, 1.0))
        before = await let_out(gate, 40)
        assert len(before) >= 78
        gate.set_limits([Window(100, 60.0)], concurrency=16)
        after = await let_out(gate, 20)
        assert len(before) + len(after) <= 101

    run_virtually(scenario())


def test_what_is_not_on_the_wire_yet_counts_for_the_new_window_until_it_is(
    run_virtually: RunVirtually,
) -> None:
    async def scenario() -> None:
        gate = gate_of()
        slots = [await gate.acquire() for _ in range(3)]
        gate.set_limits([Window(3, 1.0)], concurrency=16)
        with anyio.move_on_after(10):
            await gate.acquire()
            raise AssertionError("let out while three may still arrive")
        for slot in slots:
            gate.sent(slot)
        began = now()
        await gate.acquire()
        assert now() - began >= 1

    run_virtually(scenario())


def test_many_changes_in_a_row_let_no_extra_request_out(run_virtually: RunVirtually) -> None:
    async def scenario() -> None:
        gate = gate_of(Window(5, 1.0))
        async with anyio.create_task_group() as group:
            group.start_soon(let_out, gate, 100.0)
            await anyio.sleep(3)
            granted = gate.granted
            for number in range(200):
                gate.set_limits([Window(5 if number % 2 else 6, 1.0)], concurrency=16)
                await anyio.sleep(0.01)
            assert gate.granted - granted <= 13
            group.cancel_scope.cancel()

    run_virtually(scenario())


def test_no_two_go_out_together_where_limits_change(run_virtually: RunVirtually) -> None:
    async def scenario() -> None:
        gate, times = gate_of(Window(2, 1.0)), list[float]()

        async def note() -> None:
            times.extend(await let_out(gate, 12.2))

        async with anyio.create_task_group() as group:
            group.start_soon(note)
            for rate in (20, 4, 10):
                await anyio.sleep(3.01)
                gate.set_limits([Window(rate, 1.0)], concurrency=16)
        assert min(after - before for before, after in itertools.pairwise(times)) >= 0.9 / 20

    run_virtually(scenario())


def test_what_goes_out_at_the_moment_of_a_change_is_counted_once(run_virtually: RunVirtually) -> None:
    async def scenario() -> None:
        gate = gate_of()

        async def take(count: int) -> None:
            for _ in range(count):
                gate.release(await gate.acquire())

        await take(3)
        gate.set_limits([Window(6, 90.0)], concurrency=16)
        await take(3)
        await anyio.sleep(92)
        with anyio.move_on_after(80):
            await take(100)
        assert gate.granted == 6 + 6

    run_virtually(scenario())


@pytest.mark.parametrize(
    ("windows", "concurrency", "new_windows"),
    [((Window(1, 60.0),), 9, (Window(50, 1.0),)), ((Window(1, 3600.0),), 9, ()), ((), 1, ())],
)
def test_who_waits_is_let_out_as_soon_as_there_is_room(
    run_virtually: RunVirtually,
    windows: tuple[Window, ...],
    concurrency: int,
    new_windows: tuple[Window, ...],
) -> None:
    async def scenario() -> None:
        gate = gate_of(*windows, concurrency=concurrency)
        gate.sent(await gate.acquire())
        async with anyio.create_task_group() as group:
            group.start_soon(gate.acquire)
            await anyio.sleep(1.5)
            assert gate.waiting == 1
            gate.set_limits(new_windows, concurrency=9)
            await anyio.sleep(0.03)
            assert (gate.waiting, gate.in_flight) == (0, 2)

    run_virtually(scenario())


@pytest.mark.parametrize(("before", "after"), [(1, 6), (6, 1)])
def test_another_concurrency_holds_at_once(run_virtually: RunVirtually, before: int, after: int) -> None:
    async def scenario() -> None:
        gate = gate_of(concurrency=before)
        async with anyio.create_task_group() as group:
            group.start_soon(let_out, gate, 10.0)
            await anyio.sleep(1.005)
            gate.set_limits([], concurrency=after)
            await anyio.sleep(0.103)
            assert gate.in_flight == after
            group.cancel_scope.cancel()

    run_virtually(scenario())


def test_a_pace_that_was_lowered_starts_anew_with_the_limits(run_virtually: RunVirtually) -> None:
    async def scenario() -> None:
        gate = gate_of(Window(10, 1.0))
        gate.lower()
        assert gate.rate_per_s == pytest.approx(8)
        gate.set_limits([Window(20, 1.0)], concurrency=16)
        assert gate.rate_per_s == 20
        gate.lower()
        assert gate.rate_per_s == pytest.approx(16)

    run_virtually(scenario())


def test_what_was_let_out_is_remembered_in_bounded_memory_for_a_day() -> None:
    lately = Lately()
    for second in range(200_000):
        lately.take(float(second)).sent(float(second))
    entries = lately.entries(200_000.0)
    assert len(entries) < 7000
    assert sum(entry.count for entry in entries) == pytest.approx(86_400, rel=0.01)
    assert sum(entry.count for entry in entries if entry.last > 200_000 - FINE_S) == 60


# --- a host that a person holds ----------------------------------------------------------------------------


def test_a_pause_that_outlasts_a_person_s_is_told_to_its_end(run_virtually: RunVirtually) -> None:
    async def scenario() -> None:
        gate, began = gate_of(Window(10, 1.0)), asyncio.get_running_loop().time()
        gate.pause(60, "429")
        await anyio.sleep(10)
        gate.hold_by_hand()
        gate.paused()  # as whoever looks on notes it
        await anyio.sleep(10)
        gate.let_go()
        assert gate.paused() == (40, "429")
        rests = gate.rests.take(asyncio.get_running_loop().time() + 100)
        assert (rests[0].began_at, rests[-1].until) == (began, began + 60)
        assert rests[-1].reason == "429"

    run_virtually(scenario())


def test_a_held_host_gets_nothing_new_and_all_go_on_together_afterwards(run_virtually: RunVirtually) -> None:
    async def scenario() -> None:
        gate = gate_of(Window(10, 1.0), concurrency=4)
        flying = await gate.acquire()
        gate.hold_by_hand()
        assert gate.paused() == (1.0, PAUSED_BY_HAND)
        async with anyio.create_task_group() as group:
            group.start_soon(let_out, gate, 1000.0)
            await anyio.sleep(500)
            assert (gate.granted, gate.in_flight) == (1, 1)
            gate.release(flying)
            assert gate.let_go() == pytest.approx(500)
            assert gate.paused() == (0.0, None)
            await anyio.sleep(1)
            assert gate.granted >= 10
            group.cancel_scope.cancel()

    run_virtually(scenario())


def test_who_waits_for_a_held_host_is_sent_away_when_the_run_ends(
    run_virtually: RunVirtually, virtual_timing: Timing
) -> None:
    async def scenario() -> None:
        rig = Rig(Scripted(itertools.repeat(OK)), virtual_timing)
        rig.gate.hold_by_hand()
        errors: list[str] = []

        async def one() -> None:
            with pytest.raises(HeldError) as caught:
                await rig.send(POST)
            errors.append(str(caught.value))

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(one)
            await anyio.sleep(100)
            assert errors == []
            rig.gate.leave()
        assert len(errors) == 5
        assert "old: POST /orders: not done, since old is paused by hand" in errors[0]
        with pytest.raises(LeftError):
            await rig.gate.acquire()
        assert (rig.client.asked, rig.gate.in_flight, rig.gate.waiting) == ([], 0, 0)

    run_virtually(scenario())


def test_a_run_that_ends_sends_nobody_away_from_a_host_that_is_not_held(run_virtually: RunVirtually) -> None:
    async def scenario() -> None:
        gate = gate_of(Window(5, 1.0))
        gate.leave()
        assert len(await let_out(gate, 2)) == 10

    run_virtually(scenario())


def test_a_run_that_ends_waits_no_longer_for_all_in_the_line_than_for_one(
    run_virtually: RunVirtually,
) -> None:
    async def scenario() -> None:
        gate = gate_of(Window(1, 1.0))
        let_out, sent_away = 0, 0

        async def one() -> None:
            nonlocal let_out, sent_away
            try:
                gate.release(await gate.acquire())
                let_out += 1
            except LeftError:
                sent_away += 1

        async with anyio.create_task_group() as group:
            for _ in range(100):
                group.start_soon(one)
            await anyio.sleep(20.5)
            assert (let_out, sent_away) == (21, 0)
            gate.leave()
            await anyio.sleep(LONGEST_AT_END_S)
            assert 24 <= let_out <= 26
            assert let_out + sent_away == 100

    run_virtually(scenario())


def test_a_run_that_ends_waits_for_the_answers_of_others_no_longer_than_for_a_limit(
    run_virtually: RunVirtually,
) -> None:
    async def scenario() -> None:
        gate = gate_of(concurrency=1)
        sent_away: list[float] = []

        async def one() -> None:
            try:
                slot = await gate.acquire()
            except LeftError:
                sent_away.append(now())
                return
            await anyio.sleep(3)
            gate.release(slot)

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(one)
            await anyio.sleep(1)
            gate.leave()
            left_at = now()
        assert len(sent_away) == 17
        assert min(sent_away) - left_at >= LONGEST_AT_END_S
        assert max(sent_away) - left_at <= LONGEST_AT_END_S + 3, "it is noticed when one is answered"
        assert (gate.waiting, gate.in_flight) == (0, 0)

    run_virtually(scenario())


def test_the_time_of_a_hold_counts_for_no_failure(
    run_virtually: RunVirtually, virtual_timing: Timing
) -> None:
    async def scenario() -> None:
        for is_held in (True, False):
            rig = Rig(Scripted([OK, *[DOWN] * 7, OK]), virtual_timing, give_up_after_s=120)
            steering = Steering(HOST, rig.gate, rig.health, usual=(), timing=virtual_timing)
            await rig.send(GET)
            async with anyio.create_task_group() as group:

                async def one(rig: Rig = rig) -> None:
                    assert (await rig.send(GET)).status == 200

                group.start_soon(one)
                await anyio.sleep(5)
                if is_held:
                    steering.pause()
                    await anyio.sleep(300)
                    assert steering.resume()
            assert rig.health.failures == 0
            assert not rig.health.is_given_up(now())

    run_virtually(scenario())


def test_a_streak_of_failures_is_as_long_as_without_the_hold() -> None:
    health = HostHealth(120.0)
    health.served(0.0)
    for moment in (10.0, 20.0, 30.0, 40.0, 50.0):
        health.failed(started_at=moment - 1, now=moment)
    health.rested(1000.0)
    health.failed(started_at=1059.0, now=1060.0)
    assert health.failing_s == pytest.approx(51)
    assert not health.has_failed_enough()
    health.failed(started_at=1119.0, now=1130.0)
    assert health.has_failed_enough()


def test_the_time_of_a_hold_earns_no_retry(run_virtually: RunVirtually, virtual_timing: Timing) -> None:
    async def scenario() -> None:
        rig = Rig(Scripted([OK, DOWN, OK]), virtual_timing)
        await rig.send(GET)
        for _ in range(LEAST):
            rig.budget.charge()
        assert rig.budget.left == 0
        async with anyio.create_task_group() as group:
            group.start_soon(rig.send, GET)
            await anyio.sleep(2)
            rig.gate.hold_by_hand()
            await anyio.sleep(200)
            rig.gate.let_go()
            resumed_at = now()
        assert now() - resumed_at > 20, "of thirty seconds two were over"

    run_virtually(scenario())


# --- the timetable -----------------------------------------------------------------------------------------


def at(hour: int, minute: int, *, day: int = 15, month: int = 1) -> float:
    """Epoch seconds of a moment in UTC."""
    return dt.datetime(2026, month, day, hour, minute, tzinfo=dt.UTC).timestamp()


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (at(5, 59), USUAL),  # 07:59 in Bucharest, in winter
        (at(6, 0), BY_DAY.windows),
        (at(20, 59), BY_DAY.windows),
        (at(21, 0), USUAL),
        (at(5, 0, month=7), BY_DAY.windows),  # 08:00 there in summer
        (at(4, 59, month=7), USUAL),
        (at(0, 59, day=29, month=3), USUAL),  # the night in which the clocks go forward
        (at(5, 0, day=29, month=3), BY_DAY.windows),
    ],
)
def test_the_windows_of_a_time_of_day_are_by_the_clocks_of_the_host(
    moment: float, expected: tuple[Window, ...]
) -> None:
    assert windows_at(replace(HOST, rate_at=(BY_DAY,)), USUAL, moment) == expected


@pytest.mark.parametrize(("hour", "is_on"), [(19, False), (20, True), (23, True), (3, True), (4, False)])
def test_a_time_can_go_over_midnight(hour: int, *, is_on: bool) -> None:
    windows = windows_at(replace(HOST, rate_at=(OVER_MIDNIGHT,)), USUAL, at(hour, 0))
    assert windows == (OVER_MIDNIGHT.windows if is_on else USUAL)


def test_the_timetable_is_followed_and_what_is_set_by_hand_goes_before_it(
    run_virtually: RunVirtually,
) -> None:
    async def scenario() -> None:
        began = now()
        timing = Timing(clock=now, wall_clock=lambda: at(5, 59) + now() - began)
        host = replace(HOST, rate_at=(BY_DAY,))
        gate = gate_of(*USUAL)
        steering = Steering(host, gate, HostHealth(120.0), usual=USUAL, timing=timing)
        assert steering.windows == USUAL
        await anyio.sleep(59)
        assert not steering.follow_timetable()
        await anyio.sleep(2)
        assert steering.follow_timetable()
        assert (steering.windows, gate.rate_per_s) == (BY_DAY.windows, 2)
        steering.set_windows([Window(9, 1.0)])
        steering.set_concurrency(3)
        await anyio.sleep(2)
        assert not steering.follow_timetable()
        assert (gate.rate_per_s, steering.concurrency) == (9, 3)
        await anyio.sleep(16 * 3600)
        assert not steering.follow_timetable()
        steering.set_windows(None)
        steering.set_concurrency(None)
        assert (gate.rate_per_s, steering.concurrency) == (20, 16)

    run_virtually(scenario())
