"""What becomes of a request, told by scripted answers on a clock that jumps."""

from __future__ import annotations

import asyncio
import gc
import itertools
import tracemalloc
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import pytest

from bulkmove.errors import (
    ConfigError,
    CredentialsError,
    HostUnavailableError,
    InDoubtError,
    RequestFailedError,
)
from bulkmove.model import Request, Response
from bulkmove.transport.answers import Answer, Failure, Verdict
from bulkmove.transport.timing import Timing
from tests.unit.transport.scripted_host import GET, LOST, OK, POST, REFUSED, Rig, Scripted, answer

RunVirtually = Callable[[Coroutine[Any, Any, None]], None]


@pytest.mark.parametrize(
    ("trouble", "repeatable", "once"),
    [
        (answer(429, Retry_After="3"), "returns", "returns"),
        (REFUSED, "returns", "returns"),
        (LOST, "returns", InDoubtError),
        (answer(500), "returns", InDoubtError),
        (answer(503, Retry_After="3"), "returns", InDoubtError),
        (answer(408), "returns", InDoubtError),
        (answer(425), "returns", InDoubtError),
        (answer(400, Passing="yes"), "returns", InDoubtError),
        (answer(401), CredentialsError, CredentialsError),
        (answer(403), CredentialsError, CredentialsError),
        (answer(302), ConfigError, ConfigError),
        (answer(400), 400, 400),
        (answer(404), 404, 404),
        (answer(405), 405, 405),
        (answer(413), 413, 413),
    ],
    ids=str,
)
@pytest.mark.parametrize("request_", [GET, POST], ids=["GET", "POST"])
def test_what_becomes_of_a_request_whose_first_attempt_meets_trouble(
    run_virtually: RunVirtually,
    virtual_timing: Timing,
    trouble: Answer,
    repeatable: object,
    once: object,
    request_: Request,
) -> None:
    expected = repeatable if request_.is_repeatable else once

    async def scenario() -> None:
        rig = Rig(Scripted([trouble, OK]), virtual_timing)
        if isinstance(expected, type):
            assert type(await rig.raised(request_)) is expected
            assert len(rig.client.asked) == 1
        elif isinstance(expected, int):
            assert (await rig.send(request_)).status == expected
            assert len(rig.client.asked) == 1
        else:
            assert (await rig.send(request_)).status == 200
            assert rig.retrying.retries == 1

    run_virtually(scenario())


def test_in_doubt_tells_when_it_was_last_sent(run_virtually: RunVirtually, virtual_timing: Timing) -> None:
    async def scenario() -> None:
        rig = Rig(Scripted([REFUSED, LOST]), virtual_timing)
        error = await rig.raised(POST)
        assert isinstance(error, InDoubtError)
        assert error.sent_at == pytest.approx(1_700_000_000.0 + rig.client.times[1])
        assert rig.client.times[1] > 0

    run_virtually(scenario())


def test_a_429_holds_the_whole_host_for_as_long_as_it_says(
    run_virtually: RunVirtually, virtual_timing: Timing
) -> None:
    async def scenario() -> None:
        rig = Rig(Scripted([answer(429, Retry_After="7"), *[OK] * 6]), virtual_timing)
        async with anyio.create_task_group() as group:
            group.start_soon(rig.send, GET)
            await anyio.sleep(1)
            assert rig.gate.paused()[1] == "it asked to wait (429)"
            for _ in range(5):
                group.start_soon(rig.send, POST)
        assert rig.client.times[0] == 0
        assert min(rig.client.times[1:]) >= 7

    run_virtually(scenario())


@pytest.mark.parametrize("headers", [{}, {"Retry_After": "soon"}])
def test_a_429_that_tells_no_time_is_not_said_to_ask_for_one(
    run_virtually: RunVirtually, virtual_timing: Timing, headers: dict[str, str]
) -> None:
    async def scenario() -> None:
        rig = Rig(Scripted([answer(429, **headers), OK]), virtual_timing)
        async with anyio.create_task_group() as group:
            group.start_soon(rig.send, GET)
            await anyio.sleep(1)
            left_s, reason = rig.gate.paused()
            assert (round(left_s), reason) == (59, "it answered 429 and told no time")

    run_virtually(scenario())


def test_the_date_in_a_retry_after_is_read_by_the_hosts_own_clock(
    run_virtually: RunVirtually, virtual_timing: Timing
) -> None:
    async def scenario() -> None:
        headers = {"Retry-After": "Sun, 06 Nov 1994 08:50:07 GMT"}
        told = Response(429, headers, b"", None, 0.0, date=784111777.0)
        rig = Rig(Scripted([told, OK]), virtual_timing)
        await rig.send(POST)
        assert rig.client.times[1] == pytest.approx(30, abs=0.1)

    run_virtually(scenario())


def test_a_429_that_says_nothing_is_waited_out_for_a_minute(
    run_virtually: RunVirtually, virtual_timing: Timing
) -> None:
    async def scenario() -> None:
        rig = Rig(Scripted([answer(429), OK]), virtual_timing)
        await rig.send(POST)
        assert rig.client.times[1] == pytest.approx(60, abs=0.1)

    run_virtually(scenario())


def test_a_retry_after_of_zero_is_still_a_growing_pause(
    run_virtually: RunVirtually, virtual_timing: Timing
) -> None:
    async def scenario() -> None:
        rig = Rig(Scripted([*[answer(429, Retry_After="0")] * 4, OK]), virtual_timing)
        await rig.send(GET)
        gaps = [after - before for before, after in itertools.pairwise(rig.client.times)]
        assert gaps == sorted(gaps)
        assert gaps[0] >= 0.25
        assert gaps[-1] > 2

    run_virtually(scenario())


@pytest.mark.parametrize("request_", [GET, POST], ids=["GET", "POST"])
def test_a_host_that_answers_429_for_ever_is_given_up_after_ten_pauses(
    run_virtually: RunVirtually, virtual_timing: Timing, request_: Request
) -> None:
    async def scenario() -> None:
        rig = Rig(Scripted(itertools.repeat(answer(429, Retry_After="60"))), virtual_timing)
        error = await rig.raised(request_)
        assert isinstance(error, HostUnavailableError)
        assert "hosts.old.rate" in str(error)
        assert len(rig.client.asked) == 11
        assert rig.client.times[-1] == pytest.approx(600, rel=0.01)

    run_virtually(scenario())


def test_several_that_meet_one_429_count_as_one_pause(
    run_virtually: RunVirtually, virtual_timing: Timing
) -> None:
    async def scenario() -> None:
        rig = Rig(Scripted(itertools.repeat(answer(429, Retry_After="60"))), virtual_timing)
        ended: list[float] = []

        async def one() -> None:
            await rig.raised_any(GET)
            ended.append(asyncio.get_running_loop().time() - 1000)

        async with anyio.create_task_group() as group:
            for _ in range(8):
                group.start_soon(one)
        assert min(ended) == pytest.approx(600, rel=0.01)

    run_virtually(scenario())


def test_memory_stays_flat_under_429(run_virtually: RunVirtually, virtual_timing: Timing) -> None:
    async def scenario() -> None:
        storm: list[Answer] = [answer(429, Retry_After="60")] * 9
        rig = Rig(Scripted(itertools.cycle([*storm, OK])), virtual_timing)
        await rig.send(GET)
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        rig.client.asked.clear()
        for _ in range(50):
            await rig.send(GET)
            rig.client.asked.clear()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert after - before < 20_000

    run_virtually(scenario())


def test_a_request_that_fails_while_others_are_served_ends_after_six_attempts(
    run_virtually: RunVirtually, virtual_timing: Timing
) -> None:
    async def scenario() -> None:
        class Poisoned(Scripted):
            async def send(self, request: Request, mark: object = None) -> Answer:
                served = await super().send(request, mark)
                return answer(500) if request.path == "/bad" else served

        rig = Rig(Poisoned(itertools.repeat(OK)), virtual_timing)
        bad = Request("GET", "/bad", is_repeatable=True)
        async with anyio.create_task_group() as group:

            async def others() -> None:
                while True:
                    await rig.send(GET)
                    await anyio.sleep(0.2)

            group.start_soon(others)
            error = await rig.raised_any(bad)
            group.cancel_scope.cancel()
        assert type(error) is RequestFailedError
        assert "6 attempts" in str(error)
        assert rig.retrying.retries == 5

    run_virtually(scenario())


def test_a_host_that_stops_serving_is_given_up_in_time(
    run_virtually: RunVirtually, virtual_timing: Timing
) -> None:
    async def scenario() -> None:
        rig = Rig(Scripted([OK, *[answer(502)] * 500]), virtual_timing, give_up_after_s=120)
        await rig.send(GET)
        error = await rig.raised(GET)
        assert type(error) is HostUnavailableError
        assert 120 <= rig.client.times[-1] <= 130
        assert 6 <= len(rig.client.asked) <= 20

    run_virtually(scenario())


def test_a_host_that_stops_serving_many_is_asked_by_one_at_a_time(
    run_virtually: RunVirtually, virtual_timing: Timing
) -> None:
    async def scenario() -> None:
        rig = Rig(Scripted([OK, *[answer(502)] * 500]), virtual_timing, give_up_after_s=120)
        await rig.send(GET)
        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(rig.raised_any, GET)
            await anyio.sleep(119)
            assert len(rig.client.asked) <= 1 + 8 + 20
        assert rig.client.times[-1] < 300, "those who wait are told soon after"

    run_virtually(scenario())


def test_a_host_that_never_answered_is_given_up_after_ten_seconds(
    run_virtually: RunVirtually, virtual_timing: Timing
) -> None:
    async def scenario() -> None:
        for request in (GET, POST):
            rig = Rig(Scripted(itertools.repeat(REFUSED)), virtual_timing)
            began = asyncio.get_running_loop().time() - 1000
            error = await rig.raised(request)
            assert type(error) is HostUnavailableError
            assert "hosts.old.url" in str(error)
            assert 10 <= rig.client.times[-1] - began <= 11
            assert len(rig.client.asked) >= 3

    run_virtually(scenario())


def test_what_no_other_try_would_mend_is_tried_once(
    run_virtually: RunVirtually, virtual_timing: Timing
) -> None:
    async def scenario() -> None:
        lasting = Failure(Verdict.NOT_APPLIED, "its certificate is not trusted", is_lasting=True)
        for request in (GET, POST):
            rig = Rig(Scripted(itertools.repeat(lasting)), virtual_timing)
            error = await rig.raised(request)
            assert type(error) is HostUnavailableError
            assert "its certificate is not trusted. Check hosts.old.url" in str(error)
            assert len(rig.client.asked) == 1
        served = Rig(Scripted([OK, lasting, OK]), virtual_timing)
        await served.send(GET)
        assert (await served.send(GET)).status == 200

    run_virtually(scenario())


def test_a_host_that_never_answered_gets_three_attempts_however_long_they_take(
    run_virtually: RunVirtually, virtual_timing: Timing
) -> None:
    async def scenario() -> None:
        rig = Rig(Scripted(itertools.repeat(REFUSED), takes_s=10), virtual_timing)
        await rig.raised(GET)
        assert len(rig.client.asked) == 3

    run_virtually(scenario())


def test_nothing_that_could_come_to_be_in_doubt_is_sent_to_a_host_that_is_given_up(
    run_virtually: RunVirtually, virtual_timing: Timing
) -> None:
    async def scenario() -> None:
        rig = Rig(Scripted([OK, *[answer(502)] * 500]), virtual_timing)
        await rig.send(GET)
        await rig.raised(GET)
        asked = len(rig.client.asked)
        error = await rig.raised(POST)
        assert type(error) is HostUnavailableError
        assert "not sent, since the host keeps failing: answered 502" in str(error)
        assert len(rig.client.asked) == asked

    run_virtually(scenario())


def test_a_given_up_host_that_serves_again_is_written_to_again(
    run_virtually: RunVirtually, virtual_timing: Timing
) -> None:
    async def scenario() -> None:
        rig = Rig(Scripted(itertools.repeat(OK)), virtual_timing)
        for moment in range(0, 140, 20):
            rig.health.failed(started_at=880.0 + moment, now=880.0 + moment)
        assert rig.health.is_given_up(1000.0)
        await rig.send(GET)
        await rig.send(POST)

    run_virtually(scenario())


def test_a_few_old_failures_do_not_give_up_a_host_that_nobody_asked_since(
    run_virtually: RunVirtually, virtual_timing: Timing
) -> None:
    async def scenario() -> None:
        rig = Rig(Scripted([OK, *[LOST] * 8, OK]), virtual_timing)
        await rig.send(GET)
        async with anyio.create_task_group() as group:
            for _ in range(8):
                group.start_soon(rig.raised_any, POST)
        await anyio.sleep(1000)
        await rig.send(POST)

    run_virtually(scenario())


def test_a_503_with_retry_after_holds_the_host(run_virtually: RunVirtually, virtual_timing: Timing) -> None:
    async def scenario() -> None:
        rig = Rig(Scripted([OK, answer(503, Retry_After="40"), OK]), virtual_timing)
        await rig.send(GET)
        await rig.send(GET)
        assert rig.client.times[2] - rig.client.times[1] >= 40

    run_virtually(scenario())


def test_cancelled_in_a_backoff_or_a_pause_nothing_is_left_in_flight(
    run_virtually: RunVirtually, virtual_timing: Timing
) -> None:
    async def scenario() -> None:
        for trouble in (LOST, answer(429, Retry_After="60")):
            rig = Rig(Scripted([OK, trouble, OK]), virtual_timing)
            await rig.send(GET)
            with anyio.move_on_after(0.1):
                await rig.send(GET)
            assert (rig.gate.in_flight, rig.gate.waiting) == (0, 0)
            assert len(rig.client.asked) == 2

    run_virtually(scenario())
