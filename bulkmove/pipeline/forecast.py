"""How long a migration takes, and what holds it up: requests held against the windows of their hosts. Pure.

lower bound   each host at its full rate, all hosts side by side; a route that comes after another behind it
upper bound   reading as long as the plan's own took, and writing behind it instead of beside it, at the measured
              latency twice over (a write takes longer than a reading); a tenth more for retries
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from bulkmove.load.loader import MOST_WRITERS
from bulkmove.settings import Window
from bulkmove.transport.meters import LONGEST_SPACED_S

Step = Literal["look-ups", "reading", "keys", "keeping", "writing", "confirming"]
STEPS: tuple[Step, ...] = ("look-ups", "reading", "keys", "keeping", "writing", "confirming")
_READS = frozenset[Step]({"look-ups", "reading", "keys"})

# As many requests more as retries may take of those that were asked for (see `transport.retry_budget`).
RETRIES = 0.1
# A write is taken for so much slower than the readings that were measured.
WRITES_SLOWER = 2.0
# A host that is busy for less of the time holds nothing up: what does is this machine, or the network.
_LEAST_SHARE = 0.1


class Load(NamedTuple):
    """Requests that a route makes of a host in one step; `least`: the fewest that could do the same. A look-up has no route."""

    route: str
    host: str
    step: Step
    requests: int
    least: int


@dataclass(frozen=True, slots=True)
class HostLimits:
    """What a host lets through. `latency_s` is the measured one, None where nothing was asked.

    `slack_s`: by window, how much longer than its period a gate keeps it; none where left out.
    """

    name: str
    windows: tuple[Window, ...]
    burst: int
    concurrency: int
    latency_s: float | None
    slack_s: Callable[[float], float] = lambda _: 0.0


class Quota(NamedTuple):
    """What a migration takes of one window of a host: a share of it (1.0: all), and the seconds that asks for at least."""

    window: Window
    share: float
    least_s: float


@dataclass(frozen=True, slots=True)
class HostForecast:
    """All requests of one host. `limit` names what takes longest of it."""

    name: str
    steps: Mapping[Step, int]
    requests: int
    least: int
    quotas: Sequence[Quota]
    least_s: float
    limit: str


class Bottleneck(NamedTuple):
    """The host that everything waits for, what of it, and for what share of the longest estimate."""

    host: str
    limit: str
    share: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a run asks of its hosts, and the seconds that it takes. `scale`: how many times what was seen stands for it all.

    `is_partial`: a sample was planned whose share of all is not known: this is of the sample alone.
    """

    loads: Sequence[Load]
    hosts: Sequence[HostForecast]
    low_s: float
    high_s: float
    bottleneck: Bottleneck | None
    scale: float = 1.0
    is_partial: bool = False


def forecast(
    loads: Sequence[Load], hosts: Sequence[HostLimits], *, after: Mapping[str, Sequence[str]], read_s: float
) -> Forecast:
    """`after`: the routes that each route comes behind. `read_s`: how long the plan's own reading took."""
    by_name = {host.name: host for host in hosts}
    totals = [_of_host(host, [load for load in loads if load.host == host.name]) for host in hosts]

    def least_of(route: str) -> float:
        requests = _by_host(loads, route)
        return max((least_s(by_name[name], count)[0] for name, count in requests.items()), default=0.0)

    def written_of(route: str) -> float:
        requests = _by_host([load for load in loads if load.step not in _READS], route)
        return sum(_written_s(by_name[name], count) for name, count in requests.items())

    low_s = max([longest(after, least_of), *(host.least_s for host in totals)])
    writes = Counter[str]()
    for load in loads:
        if load.step not in _READS:
            writes[load.host] += load.requests
    written_s = max(
        [longest(after, written_of), *(_written_s(by_name[name], count) for name, count in writes.items())]
    )
    high_s = (1 + RETRIES) * max(low_s, read_s + written_s)
    slowest = max(totals, key=lambda host: host.least_s, default=None)
    bottleneck = None
    if slowest is not None and high_s and slowest.least_s >= _LEAST_SHARE * high_s:
        bottleneck = Bottleneck(slowest.name, slowest.limit, slowest.least_s / high_s)
    return Forecast(tuple(loads), totals, low_s, high_s, bottleneck)


def longest(after: Mapping[str, Sequence[str]], seconds: Callable[[str], float]) -> float:
    """The seconds of the longest chain of routes that come behind each other."""
    found: dict[str, float] = {}

    def until_end_of(route: str) -> float:
        if route not in found:
            before = max((until_end_of(each) for each in after[route] if each in after), default=0.0)
            found[route] = before + seconds(route)
        return found[route]

    return max((until_end_of(route) for route in after), default=0.0)


def _by_host(loads: Sequence[Load], route: str) -> Counter[str]:
    found = Counter[str]()
    for load in loads:
        if load.route == route:
            found[load.host] += load.requests
    return found


def _of_host(host: HostLimits, loads: Sequence[Load]) -> HostForecast:
    steps = Counter[Step]()
    for load in loads:
        steps[load.step] += load.requests
    requests = steps.total()
    seconds, limit = least_s(host, requests)
    return HostForecast(
        name=host.name,
        steps={step: steps[step] for step in STEPS if steps[step]},
        requests=requests,
        least=sum(load.least for load in loads),
        quotas=[
            Quota(window, requests / window.count, _window_s(host, window, requests))
            for window in host.windows
        ],
        least_s=seconds,
        limit=limit,
    )


def least_s(host: HostLimits, requests: int) -> tuple[float, str]:
    """The seconds that a host takes for so many requests at least, and what of it takes them."""
    waits = [(_window_s(host, window, requests), str(window)) for window in host.windows]
    if host.latency_s is not None:
        at_once = f"{host.concurrency} at a time, {1000 * host.latency_s:,.0f} ms each,"
        waits.append((requests * host.latency_s / host.concurrency, at_once))
    return max(waits, key=lambda each: each[0], default=(0.0, "nothing"))


def _window_s(host: HostLimits, window: Window, requests: int) -> float:
    """A short window spaces its requests; a long one lets all through that it holds, and then none until the first is past."""
    period_s = window.period_s + host.slack_s(window.period_s)
    if window.period_s <= LONGEST_SPACED_S:
        return max(0, requests - min(host.burst, window.count)) * period_s / window.count
    return max(0, requests - 1) // window.count * period_s


def _written_s(host: HostLimits, requests: int) -> float:
    """The seconds that so many writes take where each takes its time."""
    at_once = min(host.concurrency, MOST_WRITERS)
    slow_s = requests * (host.latency_s or 0.0) * WRITES_SLOWER / at_once
    return max(least_s(host, requests)[0], slow_s)
