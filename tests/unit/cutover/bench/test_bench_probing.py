"""A ladder over a host in this process: what ends it, and how long its last step stands."""

from __future__ import annotations

import time
from collections.abc import Callable

from bulkmove.connectors.discover import connector
from bulkmove.cutover.bench.offering import Line, Probe, Probes
from bulkmove.cutover.bench.probing import Asked, Ended, climb
from bulkmove.cutover.bench.steps import Step
from bulkmove.model import Request, Response
from bulkmove.settings import HostSettings, Window
from bulkmove.transport.answers import Answer, verdict_on
from bulkmove.transport.gate import Gate
from bulkmove.transport.slot import Slot

WINDOW = Window(30, 0.2)


class Host:
    """Answers at once, with the status that `status_of` has for a request's number."""

    def __init__(self, status_of: Callable[[int], int], gate: Gate) -> None:
        self.status_of = status_of
        self.gate = gate
        self.asked = 0

    async def send(self, request: Request, mark: object = None) -> Answer:
        del request
        assert isinstance(mark, Slot)
        self.gate.sent(mark)
        self.asked += 1
        return Response(self.status_of(self.asked), {"Retry-After": "0"}, b"", None, sent_at=0.0, date=None)


async def climbed(
    status_of: Callable[[int], int], asked: Asked, on_step: Callable[[str, Step], None] = lambda *_: None
) -> tuple[list[Step], Ended]:
    gate = Gate((WINDOW,), burst=1, concurrency=64, clock=time.monotonic)
    host = Host(status_of, gate)
    line = Line(host, gate, lambda got: verdict_on(got, lambda _: False), time.monotonic, 1.0)
    settings = HostSettings("old", "robosize", "http://old.example", windows=(WINDOW,))
    probes = Probes([Probe(Request("GET", "/rows"), records=1)])
    return await climb(line, settings, connector("robosize"), probes, asked, on_step)


async def test_a_429_that_was_seen_is_told_also_where_the_time_ran_out_then() -> None:
    seen: list[Step] = []
    steps, ended = await climbed(
        lambda number: 429 if number == 5 else 200,
        Asked(0.1, is_over=lambda: bool(seen)),
        lambda _, step: seen.append(step),
    )
    assert [step.fault for step in steps] == ["429"]
    assert ended.reason == "429"
    assert ended.text.startswith("answers 429 at ")


async def test_a_fault_that_was_seen_is_told_also_where_the_budget_ran_out_then() -> None:
    steps, ended = await climbed(
        lambda number: 500 if number > 48 and number % 2 else 200, Asked(0.1, budget=60)
    )
    assert [step.fault for step in steps] == [None] * 4 + ["failed"]
    assert sum(step.sent for step in steps) == 60
    assert ended.reason == "failed"


async def test_what_cut_a_ladder_short_is_a_sentence() -> None:
    seen: list[Step] = []
    _, ended = await climbed(
        lambda _: 200, Asked(0.1, is_over=lambda: bool(seen)), lambda _, step: seen.append(step)
    )
    assert ended == Ended("time", "was not tried further: the time is over")
    _, ended = await climbed(lambda _: 200, Asked(0.1, is_over=lambda: True))
    assert ended == Ended("time", "was not tried: the time is over")
    _, ended = await climbed(lambda _: 200, Asked(0.1, budget=1))
    assert ended == Ended("budget", "was not tried: the budget of requests is spent")


async def test_the_last_step_stands_as_long_as_the_windows_of_what_stands_in_for_the_host() -> None:
    limit = Window(90, 0.6)
    steps, ended = await climbed(lambda _: 200, Asked(0.1, limits=(limit,)))
    assert ended.reason == "configuration"
    assert all(step.sent < limit.count for step in steps[:-1])
    assert steps[-1].sent > limit.count, "its own windows would make it a third of that"
