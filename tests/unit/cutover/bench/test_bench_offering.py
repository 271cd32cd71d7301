"""One step of offered load: what a stall costs is seen, the first 429 ends it, nothing is left behind."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import anyio
import pytest

from bulkmove.cutover.bench.offering import Line, Offered, Probe, Probes, offer
from bulkmove.cutover.bench.schedule import due_times
from bulkmove.model import Request, Response
from bulkmove.settings import Window
from bulkmove.transport.answers import Answer, Failure, Verdict, verdict_on
from bulkmove.transport.gate import Gate
from bulkmove.transport.slot import Slot

PROBE = Probe(Request("GET", "/rows"), records=100)
STALL_S = 0.3


def answer(status: int = 200) -> Response:
    return Response(status, {}, b"", None, sent_at=0.0, date=None)


class Host:
    """A host in this process. `behave` is awaited for each request, by its number; `took`: seconds from send to answer."""

    def __init__(self, behave: Callable[[int], Awaitable[Answer]], gate: Gate) -> None:
        self.behave = behave
        self.gate = gate
        self.took: list[float] = []

    async def send(self, request: Request, mark: object = None) -> Answer:
        del request
        assert isinstance(mark, Slot)
        self.gate.sent(mark)
        number, began_at = len(self.took), time.monotonic()
        self.took.append(0.0)
        try:
            return await self.behave(number)
        finally:
            self.took[number] = time.monotonic() - began_at


def line_to(
    behave: Callable[[int], Awaitable[Answer]],
    *,
    concurrency: int = 64,
    windows: tuple[Window, ...] = (),
    drain_s: float = 5.0,
) -> tuple[Line, Host]:
    gate = Gate(windows, burst=1, concurrency=concurrency, clock=time.monotonic)
    host = Host(behave, gate)
    line = Line(host, gate, lambda got: verdict_on(got, lambda _: False), time.monotonic, drain_s)
    return line, host


async def offered(line: Line, *, per_s: float, count: int) -> Offered:
    due = due_times(per_s, count, arrivals="even", chance=lambda: 0.5)
    return await offer(line, Probes([PROBE]), due, per_s=per_s)


async def at_once(_: int) -> Answer:
    return answer()


async def test_a_host_that_stalls_once_shows_in_the_percentiles_although_one_answer_alone_was_slow() -> None:
    async def stalls_once(number: int) -> Answer:
        await anyio.sleep(STALL_S if number == 20 else 0)
        return answer()

    line, host = line_to(stalls_once, concurrency=1)
    step = (await offered(line, per_s=200, count=100)).step
    slow = [seconds for seconds in host.took if seconds > STALL_S / 2]
    assert 1 <= len(slow) <= 3, "by its own time, one answer of a hundred: a closed loop would see no more"
    latency = step.latency
    assert latency.p50 is not None
    assert latency.p90 is not None
    assert latency.p99 is not None
    assert latency.p90 > STALL_S / 2, "whoever was due while the host stalled waited, too"
    assert latency.p99 > 0.9 * STALL_S
    assert step.sent == 100


async def test_requests_go_out_by_their_schedule_while_others_are_not_answered() -> None:
    async def slow(_: int) -> Answer:
        await anyio.sleep(0.2)
        return answer()

    line, _host = line_to(slow)
    step = (await offered(line, per_s=100, count=30)).step
    assert step.most_at_once >= 5, "one after the other there would be one"
    assert step.sent == 30
    assert 0 < step.answered < 1000
    assert step.records == pytest.approx(100 * step.answered)


async def test_the_first_429_ends_the_step_and_is_no_latency() -> None:
    async def refuses(number: int) -> Answer:
        return answer(429 if number == 5 else 200)

    line, host = line_to(refuses)
    found = await offered(line, per_s=200, count=500)
    assert found.step.throttled == 1
    assert found.throttle is not None
    assert len(host.took) < 200, "of 500"
    assert found.step.failed == 0


@pytest.mark.parametrize("status", [429, 401, 302])
@pytest.mark.parametrize(
    ("concurrency", "windows"), [(1, ()), (64, (Window(1, 20.0),))], ids=["concurrency", "window"]
)
async def test_what_waits_at_the_gate_when_the_step_is_over_is_not_sent(
    status: int, concurrency: int, windows: tuple[Window, ...]
) -> None:
    async def refuses(_: int) -> Answer:
        while line.gate.waiting < 20:  # noqa: ASYNC110  the gate tells nobody who comes to wait
            await anyio.sleep(0.001)
        return answer(status)

    line, host = line_to(refuses, concurrency=concurrency, windows=windows, drain_s=30.0)
    found = await offered(line, per_s=1000, count=500)
    assert len(host.took) == found.step.sent == 1
    assert found.step.failed == (status != 429)
    assert found.step.seconds < 10, "nothing waits for the slots that nobody takes"
    assert (line.gate.in_flight, line.gate.waiting) == (0, 0)


@pytest.mark.parametrize("status", [401, 302])
async def test_credentials_that_are_refused_and_a_redirect_end_it_at_once(status: int) -> None:
    async def refuses(_: int) -> Answer:
        return answer(status)

    line, host = line_to(refuses)
    found = await offered(line, per_s=200, count=500)
    assert found.grave is not None
    assert isinstance(found.grave.answer, Response)
    assert found.grave.answer.status == status
    assert len(host.took) < 200, "of 500"


async def test_what_is_not_answered_in_time_is_a_failure_and_leaves_no_slot_taken() -> None:
    async def hangs(number: int) -> Answer:
        if number % 2:
            await anyio.sleep(60)
        return answer() if number % 4 else Failure(Verdict.UNSETTLED, "reset")

    line, _host = line_to(hangs, drain_s=0.1)
    step = (await offered(line, per_s=200, count=20)).step
    assert step.sent == 20
    assert step.failed == 15
    assert line.gate.in_flight == 0


async def test_no_more_is_let_out_than_the_windows_of_the_host_allow() -> None:
    line, host = line_to(at_once, windows=(Window(5, 1.0),))
    found = await offered(line, per_s=1000, count=8)
    assert found.step.seconds > 1.0
    assert len(host.took) == 8
    assert found.step.latency.max is not None
    assert found.step.latency.max > 0.9, "what waits for the gate waits, too"


async def test_who_falls_far_behind_ends_the_step() -> None:
    async def hangs(_: int) -> Answer:
        await anyio.sleep(0.3)
        return answer()

    line, host = line_to(hangs, concurrency=1, drain_s=0.1)
    line.most_waiting = 10
    step = (await offered(line, per_s=1000, count=1000)).step
    assert step.sent <= 11
    assert len(host.took) == 1
