"""A migration run for real where nothing is lost by it, to count its requests and to take its time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio

from bulkmove.cutover.bench.offering import Probe
from bulkmove.cutover.bench.watching import Watch
from bulkmove.errors import BulkmoveError
from bulkmove.ledger import open_ledger
from bulkmove.model import Counts
from bulkmove.pipeline.forecast import Load
from bulkmove.pipeline.job import RunOptions
from bulkmove.pipeline.plan import plan_migration
from bulkmove.pipeline.runner import run_migration
from bulkmove.settings import MigrationSettings


class RehearsalError(BulkmoveError):
    """A rehearsal did not come to its end, so that nothing can be foretold by it."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a run of so many records a source made. `probes`: some of its requests, by host; `page_limits`, `arrays`, `targets`: by route;
    `paces`: requests a second that each host was asked in its midst. `reading_varies`: what the fewest and the most of
    rehearsals like it made to read, as shares of what it made itself.
    """

    records: int
    seconds: float
    loads: tuple[Load, ...]
    counts: Mapping[str, Counts]
    probes: Mapping[str, tuple[Probe, ...]]
    page_limits: Mapping[str, int]
    arrays: Mapping[str, int]
    targets: Mapping[str, str]
    paces: Mapping[str, float]
    reading_varies: tuple[float, float] = (1.0, 1.0)

    @property
    def reading(self) -> int:
        """How many requests it made to read."""
        return sum(load.requests for load in self.loads if load.step == "reading")

    @property
    def written(self) -> int:
        return sum(counts.written for counts in self.counts.values())


def middle_of(rehearsals: Sequence[Rehearsal]) -> Rehearsal:
    """Of rehearsals alike, the one that took the middle number of requests to read: rows in no order are read until they agree."""
    by_reading = sorted(rehearsals, key=lambda each: each.reading)
    middle = by_reading[len(by_reading) // 2]
    if not middle.reading:
        return middle
    varies = (by_reading[0].reading / middle.reading, by_reading[-1].reading / middle.reading)
    return replace(middle, reading_varies=varies)


async def rehearse(settings: MigrationSettings, records: int) -> Rehearsal:
    """Run all routes of settings whose hosts are a sandbox, on a throw-away ledger.

    Raises RehearsalError where the run does not come to its end.
    """
    with TemporaryDirectory(prefix="bulkmove-bench-") as folder:
        settings = replace(settings, ledger=Path(folder) / "bench.ledger.db")
        plan = plan_migration(settings)
        watch = Watch()
        async with open_ledger(settings.ledger, synchronous=settings.synchronous) as ledger:
            options = RunOptions(onlooker=watch, has_budget=False)
            began_at = anyio.current_time()
            summary = await run_migration(plan, ledger, options=options, observer=None, stop=anyio.Event())
            seconds = anyio.current_time() - began_at
    # Rejected records are no reason: those of a sandbox are not those of the shop.
    if not summary.is_complete or summary.finished < plan.routes.keys():
        why = "; ".join(summary.notes) or f"it ended with {summary.exit_code}"
        raise RehearsalError(f"the rehearsal on the sandbox did not come to its end: {why}")
    loads = watch.loads()
    return Rehearsal(
        records=records,
        seconds=seconds,
        loads=loads,
        counts=summary.routes,
        probes=_probes(watch, loads, summary.routes),
        page_limits=watch.page_limits,
        arrays=watch.arrays,
        targets=watch.targets,
        paces=watch.paces(),
    )


def _probes(
    watch: Watch, loads: tuple[Load, ...], counts: Mapping[str, Counts]
) -> dict[str, tuple[Probe, ...]]:
    """Each with as many records as its like carried on average; those that only look carry none."""
    carried: dict[tuple[str, str, str], float] = {}
    for load in loads:
        if load.route and load.step in {"reading", "writing"}:
            done = counts[load.route]
            moved = done.read if load.step == "reading" else done.written
            carried[load.route, load.host, load.step] = moved / load.requests
    return {
        host: tuple(
            Probe(request, carried.get((route, host, step), 0.0)) for (route, step), request in kept.requests
        )
        for host, kept in watch.kept.items()
    }
