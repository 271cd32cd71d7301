"""Two saved benches held against each other: what got better or worse by more than two runs of the same differ. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from bulkmove.cutover.bench.probing import HostSteps
from bulkmove.cutover.bench.result import Bench

Change = Literal["better", "worse", "same", "only before", "only after"]

# What is within these shares, or these seconds, is noise.
RATE_NOISE, SERVED_NOISE, LATENCY_NOISE, TAIL_NOISE, LEAST_S = 0.06, 0.15, 0.3, 0.4, 0.01
# Reasons for which a ladder ended below what its host may serve.
_CUT_SHORT = frozenset({"time", "budget"})
# Steps are the same where their rates lie so close.
CLOSE = 0.02
# A difference of one or two answers among so few says nothing.
LEAST_ANSWERS = 20


@dataclass(frozen=True, slots=True)
class Difference:
    """One measure of a host, at one offered rate (None: of the whole host). `ratio`: after to before, None where it has none."""

    host: str
    offered: float | None
    what: str
    before: float | None
    after: float | None
    ratio: float | None
    change: Change


def compare_benches(before: Bench, after: Bench) -> list[Difference]:
    """In the order of the hosts; the expected time of the whole last."""
    found: list[Difference] = []
    hosts_before: Mapping[str, HostSteps] = {each.host: each for each in before.hosts}
    hosts_after: Mapping[str, HostSteps] = {each.host: each for each in after.hosts}
    for name in dict.fromkeys((*hosts_before, *hosts_after)):
        one, other = hosts_before.get(name), hosts_after.get(name)
        if one is None or other is None:
            found.append(
                Difference(
                    name, None, "host", None, None, None, "only after" if one is None else "only before"
                )
            )
            continue
        safe = _difference(
            name, None, "safe rate", _safe(one), _safe(other), noise=RATE_NOISE, is_more_better=True
        )
        found.append(replace(safe, change="same") if _untried(one, other) else safe)
        found += _of_steps(name, one, other)
    if before.prediction is not None and after.prediction is not None:
        same = before.prediction.records == after.prediction.records
        if same:
            times = before.prediction.expected_s, after.prediction.expected_s
            found.append(_difference("", None, "expected time", *times, noise=RATE_NOISE))
    return found


def notes_of(before: Bench, after: Bench) -> tuple[str, ...]:
    """What of the two can't be held against each other, a sentence each."""
    notes: list[str] = []
    if before.against != after.against:
        notes.append(
            f"one is of {before.against}, the other of {after.against}: their latencies can't be compared"
        )
    if before.arrivals != after.arrivals:
        notes.append(
            f"one has --arrivals {before.arrivals}, the other {after.arrivals}: their latencies can't be compared"
        )
    hosts = {each.host: each for each in before.hosts}
    both = ((hosts[other.host], other) for other in after.hosts if other.host in hosts)
    notes += (
        f"host {less.host}: in one of them it {less.ended.text}: that its safe rate is lower there tells nothing"
        for one, other in both
        if (less := _untried(one, other)) is not None
    )
    return tuple(notes)


def _untried(one: HostSteps, other: HostSteps) -> HostSteps | None:
    """The one with the lower safe rate, where more was not tried."""
    lower = min(one, other, key=lambda each: _safe(each) or 0.0)
    is_same = _safe(one) == _safe(other)
    return lower if lower.ended.reason in _CUT_SHORT and not is_same else None


def _safe(host: HostSteps) -> float | None:
    return None if host.safe is None else host.safe.offered


def _of_steps(name: str, before: HostSteps, after: HostSteps) -> Iterator[Difference]:
    """Those that both offered."""
    for one in sorted(before.steps, key=lambda step: step.offered):
        other = next((s for s in after.steps if abs(s.offered - one.offered) <= CLOSE * one.offered), None)
        if other is None:
            continue
        rate = one.offered
        if one.throttled or other.throttled:  # the first refusal cut the step short
            if not (one.throttled and other.throttled):
                yield _difference(name, rate, "429", float(one.throttled), float(other.throttled), noise=0.0)
            continue
        served = one.answered, other.answered
        yield _difference(name, rate, "answered", *served, noise=SERVED_NOISE, is_more_better=True)
        is_enough = min(one.sent, other.sent) >= LEAST_ANSWERS
        for what, noise in (("p50", LATENCY_NOISE), ("p90", TAIL_NOISE), ("p99", TAIL_NOISE)):
            pair = getattr(one.latency, what), getattr(other.latency, what)
            if is_enough and None not in pair:
                yield _difference(name, rate, what, *pair, noise=noise, least=LEAST_S)


def _difference(
    host: str,
    offered: float | None,
    what: str,
    before: float | None,
    after: float | None,
    *,
    noise: float,
    least: float = 0.0,
    is_more_better: bool = False,
) -> Difference:
    ratio = after / before if before and after is not None else None
    change: Change = "same"
    one, other = before or 0.0, after or 0.0
    if abs(other - one) > max(noise * one, least):
        change = "better" if (other > one) == is_more_better else "worse"
    return Difference(host, offered, what, before, after, ratio, change)
