"""A host's ladder: steps of rising rate until one shows a fault, then between the last two, and what is safe of it."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple

import anyio

from bulkmove.cutover.bench.offering import Line, Offered, Probes, offer
from bulkmove.cutover.bench.schedule import (
    Arrivals,
    allowed_per_s,
    between,
    due_times,
    ladder,
    least_s,
    requests_of,
)
from bulkmove.cutover.bench.steps import Step, fault_of, highest_safe, lowest_faulty, spelled_rate
from bulkmove.errors import HostUnavailableError
from bulkmove.model import Request, Response
from bulkmove.protocols import Connector
from bulkmove.settings import HostSettings, Window
from bulkmove.transport import Timing, messages, open_client
from bulkmove.transport.answers import Answer, Failure, Verdict, described, verdict_on
from bulkmove.transport.gate import Gate
from bulkmove.transport.hints import throttled_s
from bulkmove.transport.opening import DEFAULT_429_WAIT_S
from bulkmove.transport.spent import on_clock

# Where the limit lies is looked for to within so much, in so many steps more.
CLOSE, MOST_REFINED = 0.06, 3
# That answers come late may be chance, or this machine: it is believed when it is seen again.
TIMES_SEEN = 2
# What a host asks for after a 429 is waited for so long at most; a real one is asked nothing more.
LONGEST_PAUSE_S = 65.0
LONGEST_DRAIN_S = 10.0

OnStep = Callable[[str, Step], None]


class Ended(NamedTuple):
    """Why a ladder went no higher, and the sentence that says it."""

    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class HostSteps:
    """What a host's ladder showed. `safe` None: not even the lowest step was. `allowed`: as the configuration has it.

    `stated`: what the user says that the host lets through. `is_rate_known`: False where `windows` are assumed.
    """

    host: str
    api: str
    windows: tuple[Window, ...]
    allowed: float | None
    concurrency: int
    steps: tuple[Step, ...]
    safe: Step | None
    ended: Ended
    stated: tuple[Window, ...] = ()
    is_rate_known: bool = True


@dataclass(frozen=True, slots=True)
class Asked:
    """How a ladder is gone. `budget`: requests at most, None: any number. `is_real`: the first 429 ends it.

    `is_over`: whether no further step is to begin. `limits`: those of what stands in for the host, beside its own.
    """

    step_s: float
    arrivals: Arrivals = "even"
    budget: int | None = None
    is_real: bool = False
    before_step: Callable[[], Awaitable[None]] | None = None
    is_over: Callable[[], bool] = bool
    seed: int = 1
    limits: tuple[Window, ...] = ()


@asynccontextmanager
async def open_line(
    host: HostSettings,
    connector: Connector,
    windows: Sequence[Window],
    *,
    concurrency: int,
    spent: Iterable[tuple[float, int]] = (),
) -> AsyncIterator[Line]:
    """A host's client, over the house's own transport, and the gate of its windows, which no step oversteps.

    `spent`: what earlier runs sent, in epoch seconds. Raises ConfigError for an address that can't be used.
    """
    timing = Timing()
    gate = Gate(windows, burst=host.burst, concurrency=concurrency, clock=timing.clock)
    gate.remember(on_clock(spent, wall_now=timing.wall_clock(), clock_now=timing.clock()))
    sign = connector.sign(host.credentials)
    async with open_client(host, sign, wall_clock=timing.wall_clock, on_sent=gate.sent) as client:
        client.stand_in_line(gate.turn)
        yield Line(
            client=client,
            gate=gate,
            judge=lambda answer: verdict_on(answer, connector.is_passing),
            clock=timing.clock,
            drain_s=min(host.timeout_s, LONGEST_DRAIN_S),
        )


def refuse_grave(host: str, request: Request, answer: Answer, verdict: Verdict) -> None:
    """Raise what the house raises for an answer that no other try mends, and for none at all."""
    if isinstance(answer, Response) and verdict is Verdict.REFUSED:
        raise messages.refused(host, request, answer.status)
    if isinstance(answer, Response) and verdict is Verdict.REDIRECTED:
        raise messages.redirected(host, request, answer.status, "another address")
    if isinstance(answer, Failure) and answer.is_lasting:
        raise messages.unreachable(host, request, answer.text, answer.to_check)
    if verdict is not Verdict.SETTLED:
        what = described(answer)
        raise HostUnavailableError(f"{messages.call_of(host, request)}: {what}. When it works, bench again.")


async def climb(
    line: Line, host: HostSettings, connector: Connector, probes: Probes, asked: Asked, on_step: OnStep
) -> tuple[list[Step], Ended]:
    """Offer the rates of the ladder. Raises CredentialsError, ConfigError, and HostUnavailableError where nothing is answered."""
    steps: list[Step] = []
    rng = random.Random(asked.seed)
    rates = ladder(allowed_per_s(host.windows or ()))
    limits = (*(host.windows or ()), *asked.limits)
    while (rate := _next(rates, steps)) is not None:
        if asked.is_over():
            return steps, _cut_short(steps, Ended("time", "the time is over"))
        is_last = rate == rates[-1] or any(step.fault for step in steps)
        count = requests_of(rate, step_s=asked.step_s, least_s=least_s(limits, is_last=is_last))
        if asked.budget is not None:
            fewest = requests_of(rate, step_s=0.0, least_s=least_s(limits, is_last=False))
            left = asked.budget - sum(step.sent for step in steps)
            count = _within(left, count, fewest=fewest, steps=len(rates) - len(steps))
        if count < 2:
            return steps, _cut_short(steps, Ended("budget", "the budget of requests is spent"))
        for _ in range(TIMES_SEEN):
            if asked.before_step is not None:
                await asked.before_step()
            due = due_times(rate, count, arrivals=asked.arrivals, chance=rng.random)
            offered = await offer(line, probes, due, per_s=rate)
            _refuse(host.name, line, offered)
            step = replace(offered.step, fault=fault_of(offered.step, _at_rest(steps)))
            if asked.budget is not None or step.fault not in {"late", "slow"}:
                break
        steps.append(step)
        on_step(host.name, step)
        if offered.throttle is not None:
            if asked.is_real:
                break
            await anyio.sleep(min(LONGEST_PAUSE_S, _wait_s(offered.throttle, connector)))
    return steps, _ended(steps, host)


def _within(left: int, count: int, *, fewest: int, steps: int) -> int:
    """The requests of the next step, where so many are `left` for all that may come: 0 where too few to tell anything."""
    count = min(count, max(left // max(1, steps), fewest))
    return count if count <= left else 0


def _refuse(host: str, line: Line, offered: Offered) -> None:
    """Raise for an answer that no other try mends, and where nothing was answered."""
    if offered.grave is not None:
        refuse_grave(host, *offered.grave, line.judge(offered.grave.answer))
    if offered.step.failed == offered.step.sent:
        raise HostUnavailableError(
            f"{host}: none of {offered.step.sent} requests was answered with anything that can be used."
            f" Check hosts.{host}.url, then bench again."
        )


def _next(rates: Sequence[float], steps: Sequence[Step]) -> float | None:
    """The rate of the next step; None where the ladder is at its end."""
    fault = lowest_faulty(steps)
    if fault is None:
        return rates[len(steps)] if len(steps) < len(rates) else None
    safe = highest_safe(steps)
    first = next(number for number, step in enumerate(steps) if step.fault is not None)
    if len(steps) - 1 - first >= MOST_REFINED:
        return None
    return fault.offered / 2 if safe is None else between(safe.offered, fault.offered, within=CLOSE)


def _at_rest(steps: Sequence[Step]) -> Step | None:
    return next((step for step in steps if step.fault is None), None)


def _wait_s(throttle: Response, connector: Connector) -> float:
    told_s = throttled_s(
        throttle.headers,
        now=throttle.date if throttle.date is not None else Timing().wall_clock(),
        from_body=lambda: connector.wait_from_body(throttle),
    )
    return DEFAULT_429_WAIT_S if told_s is None else told_s


_FAULTS = {
    "429": "answers 429 at",
    "failed": "fails at",
    "late": "falls behind at",
    "slow": "answers late at",
}


def _ended(steps: Sequence[Step], host: HostSettings) -> Ended:
    if (by_fault := _by_fault(steps)) is not None:
        return by_fault
    allowed = allowed_per_s(host.windows or ())
    if allowed is None or steps[-1].offered < 0.98 * allowed:
        return Ended("machine", "served all that one process offers")
    return Ended("configuration", "served all that its rate lets out")


def _cut_short(steps: Sequence[Step], why: Ended) -> Ended:
    """A fault that was seen before says more than what kept further steps from it."""
    tried = "was not tried further" if steps else "was not tried"
    return _by_fault(steps) or Ended(why.reason, f"{tried}: {why.text}")


def _by_fault(steps: Sequence[Step]) -> Ended | None:
    fault = lowest_faulty(steps)
    if fault is None or fault.fault is None:
        return None
    return Ended(fault.fault, f"{_FAULTS[fault.fault]} {spelled_rate(fault.offered)}")
