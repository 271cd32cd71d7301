"""A delta of a migration: its routes passed over once more, each when those before it are done, one summary at the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import anyio

from bulkmove.connectors.dates import zone_of
from bulkmove.errors import ConfigError
from bulkmove.events import Note
from bulkmove.ledger import SqliteLedger
from bulkmove.ledger.canaries import KeptCanary
from bulkmove.ledger.delta import DELTA
from bulkmove.ledger.delta_passes import PassNote
from bulkmove.model import Summary
from bulkmove.pipeline.delta.route import Asked, delta_route
from bulkmove.pipeline.fingerprints import check_fingerprints
from bulkmove.pipeline.job import Run, RunOptions
from bulkmove.pipeline.opening import OpenHost, open_host
from bulkmove.pipeline.plan import MigrationPlan, RoutePlan
from bulkmove.pipeline.status import FAILURES
from bulkmove.pipeline.summing_up import summarise
from bulkmove.pipeline.working import work_routes
from bulkmove.protocols import Observer

# All that was passed over is accounted for, with records that failed or without.
_PASSED_OVER = (0, FAILURES)


@dataclass(frozen=True, slots=True)
class Pass:
    """What one pass over a route's source found and took.

    `unchanged`: records of a newer version that are mapped to what was written. `requests`: how many asked the source;
    `fewest`: how many would have done, had each brought a full page of rows that are needed.
    """

    new: int
    changed: int
    unchanged: int
    gone: int
    requests: int
    fewest: int
    seconds: float


@dataclass(frozen=True, slots=True)
class DeltaSummary:
    """How a delta ended. `routes`: the passes that came to their end."""

    summary: Summary
    routes: Mapping[str, Pass]

    @property
    def is_whole(self) -> bool:
        """Whether each route that has a pass was passed over: nothing ended it early."""
        return self.summary.exit_code in _PASSED_OVER and self.routes.keys() >= self.summary.finished

    def followed_by(self, summary: Summary) -> DeltaSummary:
        """What was done after the passes counts, and what they told stays told."""
        notes = (*self.summary.notes, *summary.notes)
        return replace(self, summary=replace(summary, notes=notes, finished=self.summary.finished))


@dataclass(frozen=True, slots=True)
class DeltaOptions:
    """What a delta is asked for. `new_only`: what changed or is gone is not looked for."""

    is_dry: bool = False
    new_only: bool = False


async def delta_migration(
    plan: MigrationPlan,
    ledger: SqliteLedger,
    *,
    options: DeltaOptions,
    observer: Observer | None,
    stop: anyio.Event,
    open_host: OpenHost = open_host,
) -> DeltaSummary:
    """Bring over what is new or changed since the last pass over the sources of the plan's routes.

    Raises ConfigError for a route that was not read whole yet, LedgerError, and LedgerRefusedError where the migration
    changed since the ledger was begun.
    """
    await _check_read(plan, ledger)
    await check_fingerprints(plan, ledger, accept_changes=False)
    chosen = {name: route for name, route in plan.routes.items() if _obstacle(plan, route) is None}
    run = Run(replace(plan, routes=chosen), ledger, RunOptions(is_dry=options.is_dry), observer, stop)
    await ledger.begin_run(DELTA)
    for name, route in plan.routes.items():
        if (why := _obstacle(plan, route)) is not None:
            run.emit(Note(f"route {name}: left as it is, {why}", route=name))
    passes: dict[str, PassNote] = {}

    async def work(run: Run, route: RoutePlan) -> bool | None:
        name = route.settings.name
        if not await _are_done(run, route):
            return None
        is_finished, note = await delta_route(run.jobs[name], ledger, _asked(run, route, options))
        if note is not None:
            passes[name] = note
        return is_finished

    await work_routes(run, work, mapping=list(chosen), open_host=open_host)
    run.plan = plan
    summary = await summarise(run)
    await ledger.end_run(summary.exit_code or 0, was_stopped=run.stop.is_set())
    return DeltaSummary(summary, {name: _told(note) for name, note in passes.items()})


def _asked(run: Run, route: RoutePlan, options: DeltaOptions) -> Asked:
    settings, source = route.settings, route.settings.source
    unlayered = run.plan.connectors[source.host].source(source.stream, run.transports[source.host], settings)
    zone = zone_of(run.plan.settings.hosts[source.host])
    return Asked(unlayered, zone, run.plan.settings.delta_overlap_s, options.new_only)


async def _check_read(plan: MigrationPlan, ledger: SqliteLedger) -> None:
    known = await ledger.fingerprints()
    unread = [
        name
        for name, route in plan.routes.items()
        if _obstacle(plan, route) is None and (name not in known or not (await ledger.progress(name)).is_read)
    ]
    for name, route in plan.routes.items():
        is_open = name in known and await KeptCanary(ledger, name).state() in {"open", "failed"}
        if is_open and route.settings.canary:
            raise ConfigError(
                f"route {name}: its first records are still to be looked at: bulkmove run comes first, a delta after it"
            )
    if unread:
        names = f"route {unread[0]} was" if len(unread) == 1 else f"routes {', '.join(unread)} were"
        raise ConfigError(f"{names} not read to the end yet: bulkmove run comes first, a delta after it")


def _obstacle(plan: MigrationPlan, route: RoutePlan) -> str | None:
    """Why a route has no delta."""
    if route.settings.mode == "delete":
        return "since it deletes: what is to be deleted now, bulkmove run --fresh tells"
    if plan.connectors[route.settings.target.host].is_local:
        return "since it writes a file, which is written whole: bulkmove run --fresh writes it anew"
    return None


async def _are_done(run: Run, route: RoutePlan) -> bool:
    """Whether the routes before this one had their passes: what they brought, its records may name."""
    for name in route.settings.after:
        if name in run.ended:
            await run.ended[name].wait()
            if not run.finished.get(name, False):
                if not run.stop.is_set():
                    run.emit(
                        Note(f"route {route.settings.name}: not begun, since route {name} is not finished")
                    )
                return False
    return True


def _told(note: PassNote) -> Pass:
    return Pass(
        new=note.new,
        changed=note.changed,
        unchanged=note.unchanged,
        gone=note.gone,
        requests=note.requests,
        fewest=note.fewest,
        seconds=(note.ended_at or note.started_at) - note.started_at,
    )
