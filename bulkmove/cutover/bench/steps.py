"""What a step of offered rate showed, and which step is the highest that a host serves well. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from bulkmove.cutover.bench.samples import Spread

# Why a step is no safe one. `late`: it was not answered as fast as it was offered. `slow`: answers take much longer than
# of a host at rest, so that more only waits longer.
Fault = Literal["429", "failed", "late", "slow"]

# Less was answered than offered, and so much later than it was due at the step's end.
LEAST_SERVED, LEAST_BEHIND_S = 0.9, 0.1
MOST_FAILED = 0.01
# Answers wait in a queue where half of them take so much longer than at rest, and this beside.
SLOWER, SLOWER_BY_S = 2.0, 0.01
# Of a tail that is long at rest already, as much longer.
TAIL_SLOWER, TAIL_SLOWER_BY_S = 4.0, 0.05


@dataclass(frozen=True, slots=True)
class Step:
    """Requests at one rate. `offered`, `answered`, `records` are a second; latencies count from when a request was due.

    `from_sent`: latencies from when it was let out, which its own gate has no part in. `throttled`: answers with 429. `failed`: no answer that can be used, 5xx among them. `most_at_once`: in flight.
    """

    offered: float
    seconds: float
    sent: int
    answered: float
    records: float
    throttled: int
    failed: int
    most_at_once: int
    latency: Spread
    fault: Fault | None = None
    from_sent: Spread = field(default_factory=Spread)

    @property
    def of_host(self) -> Spread:
        """What the host alone took, as far as it is known."""
        return self.latency if self.from_sent.max is None else self.from_sent


def fault_of(step: Step, rest: Step | None) -> Fault | None:
    """What speaks against the step. `rest`: the lowest step, at which the host is taken to be at rest; None: this is it."""
    if step.throttled:
        return "429"
    if step.failed > MOST_FAILED * step.sent:
        return "failed"
    if _is_behind(step):
        return "late"
    if rest is None:
        return None
    now, then = step.of_host, rest.of_host
    halves, tails = (now.p50, then.p50), (now.p99, then.p99 or then.max)
    if _is_beyond(*halves, SLOWER, SLOWER_BY_S) or _is_beyond(*tails, TAIL_SLOWER, TAIL_SLOWER_BY_S):
        return "slow"
    return None


def _is_behind(step: Step) -> bool:
    """Whether so much less was answered than offered that it is no chance of a few answers."""
    if step.answered >= LEAST_SERVED * step.offered:
        return False
    return step.answered == 0 or step.sent * (1 / step.answered - 1 / step.offered) >= LEAST_BEHIND_S


def _is_beyond(now_s: float | None, rest_s: float | None, times: float, by_s: float) -> bool:
    return now_s is not None and rest_s is not None and now_s > rest_s * times + by_s


def highest_safe(steps: Sequence[Step]) -> Step | None:
    """The highest step without a fault, below the lowest that has one; None where even the lowest has."""
    faulty = min((step.offered for step in steps if step.fault is not None), default=float("inf"))
    safe = [step for step in steps if step.fault is None and step.offered < faulty]
    return max(safe, key=lambda step: step.offered, default=None)


def spelled_rate(per_s: float) -> str:
    """`0.62/s`, `9.9/s`, `1600/s`."""
    return f"{per_s:.0f}/s" if per_s >= 100 else f"{per_s:.3g}/s"


def lowest_faulty(steps: Sequence[Step]) -> Step | None:
    faulty = [step for step in steps if step.fault is not None]
    return min(faulty, key=lambda step: step.offered, default=None)
