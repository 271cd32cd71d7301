"""The requests that a run will make, out of what its plan counted: reading as it was done, writes as they were batched."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping

from bulkmove.model import Counts, Listing
from bulkmove.pipeline.confirming import MOST_SAMPLED_PAGES
from bulkmove.pipeline.counting import RouteTally, WriteTally
from bulkmove.pipeline.forecast import Forecast, HostLimits, Load, forecast
from bulkmove.pipeline.opening import windows_of
from bulkmove.pipeline.plan import MigrationPlan, RoutePlan
from bulkmove.pipeline.sharing import sharings
from bulkmove.pipeline.witness import Witness

# A list that has neither order nor filter is read until two passes agree.
_PASSES = 2
# One that is read along its dates: pages repeat the rows of a second, and a few look where it begins and ends.
_REPEATED, _AROUND_SPANS = 1.02, 8


def foretell(
    plan: MigrationPlan, witness: Witness, counts: Mapping[str, Counts], *, is_sample: bool, read_s: float
) -> Forecast:
    """Of all records, where the sources told how many they are; else of those that were planned."""
    scales = {
        name: _scale(route, witness.tallies[name], counts[name], is_sample=is_sample)
        for name, route in plan.routes.items()
    }
    loads = [*_lookups(plan, witness)]
    # A sample is read by each route for itself.
    along = _reading_along(plan, witness) if is_sample else frozenset()
    for name, route in plan.routes.items():
        of_route = _of_route(plan, route, witness, scales[name] or 1.0)
        loads += [load for load in of_route if load.step != "reading" or name not in along]
    # A host that could not be opened has no limits, and nothing was asked of it.
    loads = [load for load in loads if load.requests and load.host in witness.transports]
    known = [scale for scale in scales.values() if scale is not None]
    made = sum(tally.source + tally.target for tally in witness.tallies.values())
    reading = sum(load.requests for load in loads if load.step in {"reading", "keys"})
    told = forecast(
        loads,
        _limits(plan, witness),
        after={name: route.settings.after for name, route in plan.routes.items()},
        read_s=read_s * max(1.0, reading / made if is_sample and made else 1.0),
    )
    return Forecast(
        told.loads,
        told.hosts,
        told.low_s,
        told.high_s,
        told.bottleneck,
        scale=max(known, default=1.0),
        is_partial=len(known) < len(scales),
    )


def _reading_along(plan: MigrationPlan, witness: Witness) -> frozenset[str]:
    """The routes for which another one reads."""
    groups = {each.names for each in sharings(plan, plan.routes).values()}
    found = {name for names in groups for name in names[1:]}
    listings = {name: witness.tallies[name].listing for name in found}
    return frozenset(name for name, each in listings.items() if each is not None and each.reading == "keyset")


def _scale(route: RoutePlan, tally: RouteTally, counts: Counts, *, is_sample: bool) -> float | None:
    """How many times the planned records go into all; None where that is not known."""
    if not is_sample:
        return 1.0
    if tally.source_rows is None or route.source.derive is not None or not counts.read:
        return None
    return max(1.0, tally.source_rows / counts.read)


def _of_route(plan: MigrationPlan, route: RoutePlan, witness: Witness, scale: float) -> Iterator[Load]:
    name, tally = route.settings.name, witness.tallies[route.settings.name]
    source, target = route.settings.source.host, route.settings.target.host
    if not plan.connectors[source].is_local:
        least = _pages(tally.listing, tally.source_rows)
        pages = tally.source
        if scale > 1:
            pages = max(pages, _whole(tally.listing, tally.source_rows))
        yield Load(name, source, "reading", pages, min(least or pages, pages))
    if plan.connectors[target].is_local:
        return
    keys = tally.target - tally.compared
    seen = witness.lists.get(witness.list_of.get(name, ""))
    rows = None if seen is None else seen.rows
    yield Load(name, target, "keys", keys, min(keys, _pages(tally.target_listing, rows)))
    if plan.settings.keep_before and route.settings.mode != "delete" and not route.settings.is_self_route:
        yield Load(name, target, "keeping", _keeping(tally, rows, scale), 0)
    for writes in (tally.creates, tally.updates):
        yield _writing(name, target, writes, scale)
    yield Load(name, target, "confirming", _confirming(plan, route, tally, rows, scale), 0)


def _writing(route: str, host: str, writes: WriteTally, scale: float) -> Load:
    if scale == 1.0:
        return Load(route, host, "writing", writes.requests + writes.looks, writes.least)
    bodies = math.ceil(writes.bodies * scale)
    is_joined = writes.rule.shape == "joined"
    requests = math.ceil(writes.requests * scale) if is_joined else math.ceil(bodies / writes.rule.max_items)
    requests = requests if writes.requests else 0
    least = math.ceil(writes.least * scale) if is_joined else requests
    return Load(route, host, "writing", requests + math.ceil(writes.looks * scale), least)


def _confirming(
    plan: MigrationPlan, route: RoutePlan, tally: RouteTally, rows: int | None, scale: float
) -> int:
    """Looks at the target's list when all is written: for joined changes, and for rows that are there twice."""
    if rows is None and route.settings.is_self_route:
        rows = tally.source_rows
    requests = 0
    if tally.updates.rule.shape == "joined" and tally.updates.requests and route.settings.confirm != "none":
        if route.settings.confirm == "all":
            requests += _whole(tally.target_listing, rows)
        else:
            pages = MOST_SAMPLED_PAGES if rows is None else max(1, _pages(tally.target_listing, rows))
            requests += min(MOST_SAMPLED_PAGES, pages)
    if plan.settings.sweep == "always" and tally.creates.requests:
        requests += _whole(tally.target_listing, (rows or 0) + math.ceil(tally.creates.bodies * scale))
    return requests


def _keeping(tally: RouteTally, rows: int | None, scale: float) -> int:
    """Looks at rows as they stand before they are changed, beyond those that are made anyway.

    `rows`: those of the list where it is read for its keys, which brings them too.
    """
    changed = math.ceil(tally.updates.bodies * scale)
    if tally.can_look:
        return 0 if tally.updates.rule.looks_first else changed
    if tally.find_at_once is not None:
        return math.ceil(changed / tally.find_at_once)
    return 0 if rows is not None or not changed else _whole(tally.target_listing, tally.source_rows)


def _pages(listing: Listing | None, rows: int | None) -> int:
    return 0 if listing is None or not rows else math.ceil(rows / listing.page_limit)


def _whole(listing: Listing | None, rows: int | None) -> int:
    """About as many requests as reading a list of so many rows takes."""
    pages = max(1, _pages(listing, rows))
    if listing is None or listing.reading != "keyset":
        return _PASSES * pages + 1  # and one behind the last page
    return math.ceil(_REPEATED * pages) + _AROUND_SPANS


def _lookups(plan: MigrationPlan, witness: Witness) -> Iterator[Load]:
    """What else was asked of a host, retries left out, is asked by look-ups."""
    asked = Counter[str]()
    for name, route in plan.routes.items():
        tally = witness.tallies[name]
        asked[route.settings.source.host] += tally.source + tally.own
        asked[route.settings.target.host] += tally.target
    for name, transport in witness.transports.items():
        rest = transport.requests - transport.retries - asked[name]
        if rest > 0:
            yield Load("", name, "look-ups", rest, rest)


def _limits(plan: MigrationPlan, witness: Witness) -> list[HostLimits]:
    found: list[HostLimits] = []
    for name, transport in witness.transports.items():
        connector, host = plan.connectors[name], plan.settings.hosts[name]
        if not connector.is_local:
            windows = windows_of(host, connector)
            found.append(HostLimits(name, windows, host.burst, host.concurrency, transport.latency_s))
    return found
