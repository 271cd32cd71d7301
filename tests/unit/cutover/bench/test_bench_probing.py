"""A ladder over a host in this process, on a virtual clock: what ends it, and how long its last step stands."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import anyio
import pytest

from bulkmove.connectors.discover import connector
from bulkmove.cutover.bench.offering import Line, Probe, Probes
from bulkmove.cutover.bench.probing import Asked, Ended, climb
from bulkmove.cutover.bench.steps import Step
from bulkmove.errors import CredentialsError
from bulkmove.model import Request, Response
from bulkmove.settings import HostSettings, Window
from bulkmove.transport.answers import Answer, verdict_on
from bulkmove.transport.gate import Gate
from bulkmove.transport.slot import Slot
from tests.simulation.clock import Clock, VirtualLoop

WINDOW = Window(30, 0.2)
ROWS, PRODUCTS = Request("GET", "/rows"), Request("GET", "/products")


class Host:
    """Answers at once, with the status that `status_of` has for a request's number; `asked`: all of them."""

    def __init__(self, status_of: Callable[[int], int], gate: Gate) -> None:
        self.status_of = status_of
        self.gate = gate
        self.asked: list[Request] = []

    async def send(self, request: Request, mark: object = None) -> Answer:
        assert isinstance(mark, Slot)
        self.gate.sent(mark)
        self.asked.append(request)
        status = self.status_of(len(self.asked))
        return Response(status, {"Retry-After": "0"}, b"", None, sent_at=0.0, date=None)


def climbed(
    status_of: Callable[[int], int],
    asked: Asked,
    on_step: Callable[[str, Step], None] = lambda *_: None,
    *,
    requests: tuple[Request, ...] = (ROWS,),
) -> tuple[list[Step], Ended]:
    """No time passes but what somebody waits for: how busy this machine is shows in no step."""
    clock = Clock()

    async def go() -> tuple[list[Step], Ended]:
        gate = Gate((WINDOW,), burst=1, concurrency=64, clock=lambda: clock.now)
        line = Line(
            Host(status_of, gate), gate, lambda got: verdict_on(got, lambda _: False), lambda: clock.now, 1.0
        )
        settings = HostSettings("old", "robosize", "http://old.example", windows=(WINDOW,))
        probes = Probes([Probe(request, records=1) for request in requests])
        return await climb(line, settings, connector("robosize"), probes, asked, on_step)

    return anyio.run(go, backend_options={"loop_factory": partial(VirtualLoop, clock)})


def test_the_first_429_of_a_real_host_ends_its_ladder() -> None:
    numbers: list[int] = []

    def status_of(number: int) -> int:
        numbers.append(number)
        return 429 if number == 5 else 200

    steps, ended = climbed(status_of, Asked(0.1, is_real=True))
    assert ([step.fault for step in steps], ended.reason) == (["429"], "429")
    assert len(numbers) == 5
    steps, _ = climbed(status_of, Asked(0.1))
    assert len(steps) > 1, "of what stands in for it, lower rates are tried then"


def test_a_refusal_names_the_request_that_was_refused() -> None:
    with pytest.raises(CredentialsError, match="old: GET /products: "):
        climbed(lambda number: 200 if number % 2 else 403, Asked(0.1), requests=(ROWS, PRODUCTS))


def test_a_429_that_was_seen_is_told_also_where_the_time_ran_out_then() -> None:
    seen: list[Step] = []
    steps, ended = climbed(
        lambda number: 429 if number == 5 else 200,
        Asked(0.1, is_over=lambda: bool(seen)),
        lambda _, step: seen.append(step),
    )
    assert [step.fault for step in steps] == ["429"]
    assert ended.reason == "429"
    assert ended.text.startswith("answers 429 at ")


def test_a_fault_that_was_seen_is_told_also_where_the_budget_ran_out_then() -> None:
    steps, ended = climbed(lambda number: 500 if number > 97 and number % 2 else 200, Asked(0.1, budget=140))
    assert [step.fault for step in steps] == [None] * 4 + ["failed"]
    assert sum(step.sent for step in steps) == 97 + 34
    assert ended.reason == "failed"


def test_a_step_of_fewer_requests_than_tell_a_limit_is_not_made() -> None:
    steps, ended = climbed(lambda _: 200, Asked(0.1, budget=60))
    assert [step.sent for step in steps] == [20, 20], "a third of the same rate would not fill the window"
    assert ended == Ended("budget", "was not tried further: the budget of requests is spent")


def test_what_cut_a_ladder_short_is_a_sentence() -> None:
    seen: list[Step] = []
    _, ended = climbed(
        lambda _: 200, Asked(0.1, is_over=lambda: bool(seen)), lambda _, step: seen.append(step)
    )
    assert ended == Ended("time", "was not tried further: the time is over")
    _, ended = climbed(lambda _: 200, Asked(0.1, is_over=lambda: True))
    assert ended == Ended("time", "was not tried: the time is over")
    _, ended = climbed(lambda _: 200, Asked(0.1, budget=1))
    assert ended == Ended("budget", "was not tried: the budget of requests is spent")


def test_the_last_step_stands_as_long_as_the_windows_of_what_stands_in_for_the_host() -> None:
    limit = Window(90, 0.6)
    steps, ended = climbed(lambda _: 200, Asked(0.1, limits=(limit,)))
    assert ended.reason == "configuration"
    assert all(step.sent < limit.count for step in steps[:-1])
    assert steps[-1].sent > limit.count, "its own windows would make it a third of that"
