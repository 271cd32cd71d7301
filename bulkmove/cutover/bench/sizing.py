"""Rehearsals of sizes that tell: two without limits, and one or two at the rates that were found."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from bulkmove.cutover.bench.predicting import Terms, is_held_by_limits, records_within
from bulkmove.cutover.bench.rehearsing import Rehearsal, middle_of, rehearse
from bulkmove.cutover.bench.wishes import Conditions, OpenStage
from bulkmove.pipeline.opening import ASKED_PER_SLOT, FEWEST_READERS, MAX_READERS_UNLIMITED
from bulkmove.settings import MigrationSettings, Window
from bulkmove.transport.meters import rate_per_s

# Without limits, where there are twice as many as the first: the second is no larger than that where it would take longer than so.
SMALL, LARGE, LONGEST_S = 5000, 20_000, 10.0
# A few records are rehearsed so often: how many requests it takes to read rows in no stable order is chance.
TIMES = 5
# At the found rates: so many steps long, and of so many records at most.
STEPS_LONG, MOST_LIMITED = 5.0, 40_000
# A window that lets everything through: with a rate, a run follows it.
_WIDE = (Window(1_000_000, 1.0),)
# Where no limit holds it up, a second size shows the pace: this part of the first.
PART = 3


async def without_limits(
    open_stage: OpenStage, conditions: Mapping[str, Conditions], *, most: int
) -> list[Rehearsal]:
    """One of as many records as there are, where they are few, the middle one of several; else two sizes, which tell what
    each further one costs.

    The second is at least twice the first: what two of about one size differ by is chance.

    `conditions`: under which it runs later. A list is cut into about as many stretches as are read side by side then.
    """
    free = dict.fromkeys(conditions, Conditions())
    readers = {name: _readers(each) for name, each in conditions.items()}

    async def of(records: int, *, times: int = 1) -> Rehearsal:
        async with open_stage(records, free) as staged:
            made = [await rehearse(_freed(staged.settings, readers), records)]
            targets = {route.target.host for route in staged.settings.routes.values()}
            for _ in range(1, times if targets <= staged.empty.keys() else 1):
                for empty in staged.empty.values():
                    await empty()
                made.append(await rehearse(_freed(staged.settings, readers), records))
        # Rows that were there before stay as the first one left them, and the next ones find nothing to do.
        return middle_of([each for each in made if each.written == made[0].written])

    if most < 2 * SMALL:
        return [await of(most, times=TIMES)]
    small = await of(SMALL)
    large = LARGE if small.seconds * LARGE / SMALL <= LONGEST_S else 2 * SMALL
    return [small, await of(min(most, large))]


def _readers(conditions: Conditions) -> int:
    """As many pages as a run fetches at a time under these conditions."""
    rate = rate_per_s(conditions.windows)
    if rate is None:
        return MAX_READERS_UNLIMITED
    latency_s = (conditions.low_s + conditions.high_s) / 2
    return max(FEWEST_READERS, math.ceil(ASKED_PER_SLOT * rate * latency_s))


def _freed(settings: MigrationSettings, readers: Mapping[str, int]) -> MigrationSettings:
    hosts = dict(settings.hosts)
    for name, count in readers.items():
        at_once = min(hosts[name].concurrency, count)
        hosts[name] = replace(hosts[name], windows=_WIDE, burst=_WIDE[0].count, concurrency=at_once)
    return replace(settings, hosts=MappingProxyType(hosts))


async def at_found_rates(
    open_stage: OpenStage,
    free: Sequence[Rehearsal],
    terms: Terms,
    conditions: Mapping[str, Conditions],
    *,
    most: int,
    step_s: float,
) -> list[Rehearsal]:
    """One of at most so many records; and a smaller one before it, where no limit holds it up."""

    async def of(records: int) -> Rehearsal:
        async with open_stage(records, conditions) as staged:
            return await rehearse(_at(staged.settings, terms), records)

    size = records_within(free, terms, STEPS_LONG * step_s, most=min(most, MOST_LIMITED))
    last = await of(size)
    if size < PART or size >= most or is_held_by_limits(last, terms):
        return [last]
    return [await of(size // PART), last]


def _at(settings: MigrationSettings, terms: Terms) -> MigrationSettings:
    hosts = dict(settings.hosts)
    for each in terms.hosts:
        hosts[each.name] = replace(
            hosts[each.name], windows=tuple(each.windows), concurrency=each.concurrency
        )
    return replace(settings, hosts=MappingProxyType(hosts))
