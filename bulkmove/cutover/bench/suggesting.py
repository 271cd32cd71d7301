"""The `rate` and `concurrency` that a host's ladder speaks for, in the words of the configuration. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bulkmove.cutover.bench.probing import HostSteps
from bulkmove.cutover.bench.steps import lowest_faulty, spelled_rate
from bulkmove.settings import Window
from bulkmove.transport.meters import LONGEST_SPACED_S

# In flight beyond what was seen, for answers that take longer than those that were measured; never fewer than a run needs.
ROOM, FEWEST = 1.5, 4
# What is configured is enough as long as no larger share of it was used.
TIGHT = 0.8
MOST = 1000
# Of what the user says that a host lets through, windows as long as this outlast the steps that were served.
LONG_S = 10.0
_FAULTS = {
    "429": "was refused",
    "failed": "failed",
    "late": "was more than it answers",
    "slow": "was answered late",
}


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What to write, and what stands there; None where nothing else is to be written. `why`: a sentence.

    `to_do`: what is left to a person, where the bench can't say that the rate is right; None where it can.
    """

    host: str
    rate: tuple[str, ...] | None
    concurrency: int | None
    configured_rate: tuple[str, ...]
    configured_concurrency: int
    why: str
    to_do: str | None = None


def suggest(found: HostSteps) -> Suggestion:
    """As much as was served without a fault. A longer window can't be tried in minutes, and stays."""
    rate = _rate(found)
    concurrency = _concurrency(found)
    return Suggestion(
        host=found.host,
        rate=rate,
        concurrency=None if concurrency == found.concurrency else concurrency,
        configured_rate=tuple(str(window) for window in found.windows),
        configured_concurrency=found.concurrency,
        why=found.ended.text,
        to_do=_to_do(found) if rate is None else None,
    )


def windows_with(found: HostSteps, suggestion: Suggestion) -> tuple[Window, ...]:
    """The windows that hold where the suggestion is taken."""
    return found.windows if suggestion.rate is None else _lowered(found)


def window_of(per_s: float) -> Window:
    """The largest window in whole requests that this rate keeps: `37/s`, `42/10s`, `20/min`, one in `121s`.

    More than one in longer than a minute would go out all at once.
    """
    if per_s >= 10:
        return Window(math.floor(per_s + 1e-9), 1.0)
    if per_s >= 1:
        return Window(math.floor(10 * per_s + 1e-9), 10.0)
    if (a_minute := math.floor(60 * per_s + 1e-9)) >= 1:
        return Window(a_minute, 60.0)
    return Window(1, float(math.ceil(1 / per_s - 1e-9)))


def _to_do(found: HostSteps) -> str | None:
    """Where no rate was safe, where not all were tried, and where there is none that could be kept."""
    rates = ", ".join(str(window) for window in found.windows)
    lowest = lowest_faulty(found.steps)
    if found.safe is None and lowest is not None:
        return (
            f"{rates} is too much: even {spelled_rate(lowest.offered)} {_FAULTS[lowest.fault or 'failed']};"
            " ask who runs the host, or state a lower rate and bench again"
        )
    if found.safe is None and found.ended.reason == "429":
        return (
            f"{rates} is more than it takes now: wait, or state a lower rate, and bench again;"
            " other programs may be asking it, too"
        )
    if not found.is_rate_known:
        return (
            f'no rate is set; tried at {rates}: state one (rate = "…") and bench again;'
            f" a run begins with {rates} and finds what the host takes"
        )
    if found.ended.reason in {"budget", "time"}:
        option = "--budget" if found.ended.reason == "budget" else "--max-duration"
        tried = "" if found.safe is None else f" beyond {spelled_rate(found.safe.offered)}"
        return f"rate {rates} was not tried{tried}: bench again with more {option}"
    return None


def _rate(found: HostSteps) -> tuple[str, ...] | None:
    if found.safe is None or found.ended.reason in {"configuration", "machine", "budget", "time"}:
        return None
    return tuple(str(window) for window in _lowered(found))


def _lowered(found: HostSteps) -> tuple[Window, ...]:
    if found.safe is None:
        return found.windows
    safe = found.safe.offered
    kept = [w for w in found.windows if w.period_s > LONGEST_SPACED_S or w.count / w.period_s < safe]
    by_period: dict[float, Window] = {}
    for window in (window_of(safe), *kept, *(w for w in found.stated if w.period_s >= LONG_S)):
        least = by_period.setdefault(window.period_s, window)
        by_period[window.period_s] = min(least, window, key=lambda each: each.count)
    return tuple(by_period.values())


def _concurrency(found: HostSteps) -> int:
    """What the rate needs; where answers wait in a queue, no more, since more only waits longer."""
    if found.safe is None:
        return found.concurrency
    slowest_s = found.safe.of_host.p99 or found.safe.of_host.max or 0.0
    in_flight = max(found.safe.most_at_once, found.safe.offered * slowest_s)
    needed = min(MOST, max(FEWEST, math.ceil(ROOM * in_flight)))
    if found.ended.reason == "slow":
        return min(found.concurrency, needed)
    return max(found.concurrency, needed) if in_flight > TIGHT * found.concurrency else found.concurrency
