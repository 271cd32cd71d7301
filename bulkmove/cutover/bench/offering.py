"""One step: requests sent when they are due, whatever became of those before, and what came back."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import anyio

from bulkmove.cutover.bench.samples import Samples
from bulkmove.cutover.bench.steps import Step
from bulkmove.model import Request, Response
from bulkmove.transport.answers import Answer, Verdict
from bulkmove.transport.gate import Gate
from bulkmove.transport.gated import Attempting
from bulkmove.transport.slot import Slot

# Requests that are due and wait for a slot: with more of them the host is far behind what is offered.
MOST_WAITING = 2000


class Probe(NamedTuple):
    """A request of a migration, made again to measure. `records`: how many it reads or writes."""

    request: Request
    records: float


class Probes:
    """A host's probes, one after the other, over and over."""

    def __init__(self, probes: Sequence[Probe]) -> None:
        self._turn: Iterator[Probe] = itertools.cycle(probes)

    def next(self) -> Probe:
        return next(self._turn)


@dataclass(slots=True)
class Line:
    """How a host is asked: once, through its gate. `judge` says what an answer means; `drain_s`: how long the last may take."""

    client: Attempting
    gate: Gate
    judge: Callable[[Answer], Verdict]
    clock: Callable[[], float]
    drain_s: float
    most_waiting: int = MOST_WAITING


class Grave(NamedTuple):
    """An answer that no retry mends, and what it answers."""

    request: Request
    answer: Answer


@dataclass(slots=True)
class _Tally:
    """What came back so far. `at_gate`: those that wait for a slot."""

    samples: Samples = field(default_factory=Samples)
    from_sent: Samples = field(default_factory=Samples)
    sent: int = 0
    waiting: int = 0
    throttled: int = 0
    failed: int = 0
    records: float = 0.0
    served_at: list[float] = field(default_factory=list)
    throttle: Response | None = None
    grave: Grave | None = None
    at_gate: set[anyio.CancelScope] = field(default_factory=set)

    @property
    def is_over(self) -> bool:
        return self.throttle is not None or self.grave is not None

    def end(self) -> None:
        """What has no slot yet is not sent any more."""
        for waiting in self.at_gate:
            waiting.cancel()

    def served_per_s(self, per_s: float) -> float:
        """Taken of the middle of the answers, so that how late the first and the last came plays no part."""
        times = sorted(self.served_at)
        cut = len(times) // 10
        middle = times[cut : len(times) - cut]
        if len(middle) < 2:
            return per_s if middle else 0.0
        return (len(middle) - 1) / max(1e-6, middle[-1] - middle[0])


class Offered(NamedTuple):
    """A step, and what a person has to hear of it: the 429 that ended it, or the answer that no retry mends."""

    step: Step
    throttle: Response | None
    grave: Grave | None


async def offer(line: Line, probes: Probes, due: Iterable[float], *, per_s: float) -> Offered:
    """Send each request when it is due, and wait for all answers. The first 429 ends the step, and so do 401, 403 and 3xx:
    what waits at the gate then is not sent.

    A latency is counted from the moment that its request was due, also where it could not go then: whoever would
    have come then would have waited as long.
    """
    tally, last_due_s = _Tally(), 0.0
    line.gate.peak = line.gate.in_flight
    began_at = line.clock()
    with anyio.CancelScope() as draining:
        async with anyio.create_task_group() as tasks:
            for after_s in due:
                # Also where it is late already: answers have to be heard in between.
                await anyio.sleep(max(0.0, began_at + after_s - line.clock()))
                if tally.is_over or tally.waiting >= line.most_waiting:
                    break
                tally.waiting += 1
                last_due_s = after_s
                tasks.start_soon(_send, line, probes.next(), began_at + after_s, tally, name="bench request")
            draining.deadline = anyio.current_time() + line.drain_s
    unanswered, ended_at = tally.waiting, line.clock()
    for _ in range(unanswered):
        tally.samples.add(ended_at - began_at - last_due_s)
    served, served_per_s = len(tally.served_at), tally.served_per_s(per_s)
    step = Step(
        offered=per_s,
        seconds=ended_at - began_at,
        sent=tally.sent + unanswered,
        answered=served_per_s,
        records=served_per_s * tally.records / served if served else 0.0,
        throttled=tally.throttled,
        failed=tally.failed + unanswered,
        most_at_once=line.gate.peak,
        latency=tally.samples.spread(),
        from_sent=tally.from_sent.spread(),
    )
    return Offered(step, tally.throttle, tally.grave)


async def _send(line: Line, probe: Probe, due_at: float, tally: _Tally) -> None:
    slot = await _slot(line, tally)
    if slot is None:
        tally.waiting -= 1
        return
    sent_at = line.clock()
    try:
        answer = await line.client.send(probe.request, slot)
    finally:
        line.gate.release(slot)
    now = line.clock()
    tally.waiting -= 1
    tally.sent += 1
    verdict = line.judge(answer)
    if verdict is not Verdict.THROTTLED:  # a refusal is quick, and nothing was done
        tally.samples.add(now - due_at)
        tally.from_sent.add(now - sent_at)
    match verdict:
        case Verdict.SETTLED:
            tally.served_at.append(now)
            tally.records += probe.records
        case Verdict.THROTTLED if isinstance(answer, Response):
            tally.throttled += 1
            tally.throttle = tally.throttle or answer
            tally.end()
        case Verdict.REFUSED | Verdict.REDIRECTED:
            tally.failed += 1
            tally.grave = tally.grave or Grave(probe.request, answer)
            tally.end()
        case _:
            tally.failed += 1


async def _slot(line: Line, tally: _Tally) -> Slot | None:
    """None where the step is over."""
    slot: Slot | None = None
    with anyio.CancelScope() as waiting:
        tally.at_gate.add(waiting)
        if not tally.is_over:
            slot = await line.gate.acquire()
    tally.at_gate.discard(waiting)
    if slot is not None and tally.is_over:
        # Whoever is woken for a slot already gets it, and is not cancelled any more.
        line.gate.release(slot)
        return None
    return slot
