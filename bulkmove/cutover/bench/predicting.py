"""How long a migration takes, out of what rehearsals showed: requests that grow with the records, over the rates found.

requests   as a rehearsal made them; for more records, those of two sizes give what each further one costs, at least
           its share of a full page
bound      every host at its full rate, all side by side, routes that come after others behind them (`pipeline.forecast`)
expected   the bound at the pace at which the rehearsal at the found rates asked the host that held it up, and what that
           rehearsal took beyond: start, first answers, end; where no limit holds it up but latency or this machine, at
           the pace that each further record was moved
range      from the bound, to as many requests more as retries may take; of few records, from the fewest to the most
           requests that rehearsals took to read them
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bulkmove.cutover.bench.rehearsing import Rehearsal
from bulkmove.model import Counts
from bulkmove.pipeline.forecast import (
    RETRIES,
    Bottleneck,
    Forecast,
    HostLimits,
    Load,
    Step,
    forecast,
)
from bulkmove.transport.meters import LONGEST_SPACED_S, margin_s

# A rehearsal that took so many times its bound was held up by something else.
HELD_BY_LIMITS = 1.25
# A range that is narrower than what two runs differ by would promise too much.
LEAST_ABOVE = 0.05
# By so much two runs differ that this machine or the network holds up.
FREE_SPREAD = 0.15
# Pages of a list that is read along its dates repeat the rows of a second.
REPEATED = 1.02
# A mapper leaves out a share of a shop's records by what it is for. A larger one lacks, in a sandbox's, what it looks for.
MOST_LEFT_OUT = 0.2
# A host that was asked less than this share of its rate was held up by something else.
LEAST_USED = 0.8

_Key = tuple[str, str, Step]


@dataclass(frozen=True, slots=True)
class Prediction:
    """Seconds that a run takes at least, probably, and with retries. `requests`: by host.

    `records`: how many each route moves. `writes_guessed`: routes of which the rehearsal wrote too little to tell.
    """

    records: Mapping[str, int]
    requests: Mapping[str, int]
    low_s: float
    expected_s: float
    high_s: float
    bottleneck: Bottleneck | None
    writes_guessed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sizes:
    """Rehearsals of the same routes, the largest last: one or two without limits, and those at the found rates."""

    free: Sequence[Rehearsal]
    limited: Sequence[Rehearsal]


@dataclass(frozen=True, slots=True)
class Terms:
    """Under which a migration runs: the hosts at the found rates, and the order of its routes."""

    hosts: Sequence[HostLimits]
    after: Mapping[str, Sequence[str]]


def predict(sizes: Sizes, terms: Terms, records: Mapping[str, int]) -> Prediction:
    """For so many records a route."""
    loads = loads_at(sizes.free, records)
    at_gate = _at_gate(terms)
    fewest, most = (_reading_times(loads, share) for share in sizes.free[-1].reading_varies)
    low = _bound(fewest, terms)
    last = sizes.limited[-1]
    own = _bound(last.loads, at_gate)
    share = _share_used(last, own, at_gate)
    bound_s, own_s = _bound(loads, at_gate).low_s / share, own.low_s / share
    expected_s = bound_s + max(0.0, last.seconds - own_s)
    spread, low_s = LEAST_ABOVE, low.low_s
    if not is_held_by_limits(last, terms):
        if len(sizes.limited) > 1:
            expected_s = max(expected_s, _at_its_pace(sizes.limited, max(records.values(), default=0)))
        spread, low_s = FREE_SPREAD, max(low_s, (1 - FREE_SPREAD) * expected_s)
    retried = [load._replace(requests=math.ceil(load.requests * (1 + RETRIES))) for load in most]
    more_s = max(spread * expected_s, _bound(retried, at_gate).low_s / share - bound_s)
    requests: dict[str, int] = {}
    for load in loads:
        requests[load.host] = requests.get(load.host, 0) + load.requests
    return Prediction(
        records=dict(records),
        requests=requests,
        low_s=low_s,
        expected_s=expected_s,
        high_s=expected_s + more_s,
        bottleneck=low.bottleneck,
        writes_guessed=tuple(name for name in records if _unwritten(sizes.free[-1], name) > 0),
    )


def _share_used(rehearsal: Rehearsal, own: Forecast, at_gate: Terms) -> float:
    """How much of its rate the host that held the rehearsal up was asked: what a run loses between two requests, it loses each time."""
    if own.bottleneck is None:
        return 1.0
    rates = {host.name: _rate_at_gate(host) for host in at_gate.hosts}
    rate, pace = rates.get(own.bottleneck.host), rehearsal.paces.get(own.bottleneck.host)
    return 1.0 if not rate or pace is None else min(1.0, max(LEAST_USED, pace / rate))


def _rate_at_gate(host: HostLimits) -> float | None:
    short = [window for window in host.windows if window.period_s <= LONGEST_SPACED_S] or host.windows
    return min((w.count / (w.period_s + host.slack_s(w.period_s)) for w in short), default=None)


def is_held_by_limits(rehearsal: Rehearsal, terms: Terms) -> bool:
    """Whether it took about as long as the hosts' limits make it."""
    own_s = _bound(rehearsal.loads, _at_gate(terms)).low_s
    return rehearsal.seconds <= HELD_BY_LIMITS * own_s


def loads_at(free: Sequence[Rehearsal], records: Mapping[str, int]) -> list[Load]:
    """The requests of each step for so many records, at least none."""
    large, most = free[-1], max(records.values(), default=0)
    by_size = [_requests(each.loads) for each in free]
    loads: list[Load] = []
    writes: list[_Key] = [(route, host, "writing") for route, host in large.targets.items()]
    for key in dict.fromkeys([*(key for each in by_size for key in each), *writes]):
        route, host, step = key
        known = by_size[-1].get(key, 0)
        wanted = known + _of_each(free, by_size, key) * (records.get(route, most) - large.records)
        if step == "writing" and (missing := _unwritten(large, route)):
            wanted = _if_all_were(wanted, missing, large.arrays.get(route), records.get(route, most))
        loads.append(Load(route, host, step, max(math.ceil(wanted - 1e-6), 0), 0))
    return loads


def _reading_times(loads: Sequence[Load], share: float) -> list[Load]:
    """The same, with so many times the requests that read."""
    return [
        load._replace(requests=math.ceil(load.requests * share - 1e-6)) if load.step == "reading" else load
        for load in loads
    ]


def _if_all_were(requests: float, missing: float, array: int | None, records: int) -> float:
    """Writes of all records, where a share was not written: as many as whole arrays carry them in, else in proportion."""
    if array is not None:
        return math.ceil(records / array)
    return requests / (1 - missing) if missing < 1 else float(records)


def _of_each(free: Sequence[Rehearsal], by_size: Sequence[Mapping[_Key, int]], key: _Key) -> float:
    """Requests that one record more costs. What looks at the edges of a list costs a small one more than a large one."""
    large = free[-1]
    if len(free) > 1:
        more = by_size[-1].get(key, 0) - by_size[0].get(key, 0)
        each = max(0.0, more / (large.records - free[0].records))
    else:
        each = by_size[-1].get(key, 0) / large.records
    limit = large.page_limits.get(key[0])
    return max(each, REPEATED / limit) if key[2] == "reading" and limit else each


def records_within(free: Sequence[Rehearsal], terms: Terms, seconds: float, *, most: int) -> int:
    """About how many records the hosts' limits let through in so many seconds."""

    def does_fit(records: int) -> bool:
        loads = loads_at(free, dict.fromkeys(free[-1].counts, records))
        return _bound(loads, terms).low_s <= seconds

    if does_fit(most):
        return most
    fits, too_many = 1, most
    while too_many - fits > max(1, fits // 50):
        middle = (fits + too_many) // 2
        fits, too_many = (middle, too_many) if does_fit(middle) else (fits, middle)
    return fits


def _requests(loads: Iterable[Load]) -> dict[_Key, int]:
    found: dict[_Key, int] = {}
    for load in loads:
        key = (load.route, load.host, load.step)
        found[key] = found.get(key, 0) + load.requests
    return found


def _unwritten(rehearsal: Rehearsal, route: str) -> float:
    counts = rehearsal.counts.get(route)
    return 0.0 if counts is None or not counts.read else taken_for_written(counts) / counts.read


def taken_for_written(counts: Counts) -> int:
    """How many records of a sandbox the mapper rejected, or skipped for what they lack: the shop's are taken to be written."""
    skipped = counts.skipped if counts.skipped > MOST_LEFT_OUT * counts.read else 0
    return counts.rejected + counts.unknown + skipped


def _bound(loads: Sequence[Load], terms: Terms) -> Forecast:
    return forecast(loads, terms.hosts, after=terms.after, read_s=0.0)


def _at_gate(terms: Terms) -> Terms:
    """A gate keeps a little more than each window between as many requests as the window holds."""
    return Terms([replace(host, slack_s=margin_s) for host in terms.hosts], terms.after)


def _at_its_pace(limited: Sequence[Rehearsal], records: int) -> float:
    """Seconds by what each further record took between two rehearsals."""
    first, last = limited[0], limited[-1]
    slope = max(0.0, (last.seconds - first.seconds) / max(1, last.records - first.records))
    return last.seconds + slope * (records - last.records)
