"""A whole run: hosts opened, routes in their order, everything told, one summary at the end.

page ──► intake ──► ledger ──► loader ──► target      each route, in route.py
(extract)  (mapping, matching)     (batches, intents)
                      ▲                     │ in doubt
                      └───── read back ◄────┘          settling.py
"""

from __future__ import annotations

from collections.abc import Sequence

import anyio

from bulkmove.errors import ConfigError
from bulkmove.events import Note
from bulkmove.ledger import SqliteLedger
from bulkmove.ledger.canaries import KeptCanary
from bulkmove.model import Summary
from bulkmove.pipeline.canaries import Canaries
from bulkmove.pipeline.fingerprints import check_fingerprints
from bulkmove.pipeline.job import Run, RunOptions
from bulkmove.pipeline.masking import unused_patterns
from bulkmove.pipeline.opening import OpenHost, open_host
from bulkmove.pipeline.plan import MigrationPlan, RoutePlan
from bulkmove.pipeline.route import run_route
from bulkmove.pipeline.shared_reading import Sharing
from bulkmove.pipeline.sharing import sharings
from bulkmove.pipeline.summing_up import summarise
from bulkmove.pipeline.working import work_routes
from bulkmove.protocols import Observer


async def run_migration(
    plan: MigrationPlan,
    ledger: SqliteLedger,
    *,
    options: RunOptions,
    observer: Observer | None,
    stop: anyio.Event,
    open_host: OpenHost = open_host,
) -> Summary:
    """Run all routes of the plan to where they can get, and say how it ended.

    A host that fails ends its own routes; refused credentials and mistakes in the configuration end the run.
    `open_host`: opens the transport to each host.
    Raises LedgerError, and LedgerRefusedError where the migration changed since the ledger was begun.
    """
    await check_fingerprints(plan, ledger, accept_changes=options.accept_changes)
    if not options.is_dry:
        await _refuse_too_early(plan, ledger)
    await ledger.begin_run()
    run = Run(plan, ledger, options, observer, stop)
    unfinished = [name for name in plan.routes if not (await ledger.progress(name)).is_finished]
    run.canaries = await _canaries(run, unfinished)
    run.sharings = await _sharings(run, unfinished)
    await work_routes(run, _run_in_turn, mapping=unfinished, open_host=open_host)
    if options.is_dry and options.onlooker is None:
        await _tell_causes(run)
    if run.mask is not None and run.mask.records:
        for text in await unused_patterns(plan, ledger, run.mask):
            run.emit(Note(text))
    summary = await summarise(run)
    await ledger.end_run(summary.exit_code or 0, was_stopped=run.stop.is_set())
    return summary


async def _sharings(run: Run, unfinished: Sequence[str]) -> dict[str, Sharing]:
    """Which routes share a reading: a limit is each route's own."""
    if run.options.limit is not None:
        return {}
    unread = [name for name in unfinished if not (await run.ledger.progress(name)).is_read]
    return sharings(run.plan, unread)


async def _canaries(run: Run, unfinished: Sequence[str]) -> Canaries | None:
    """What holds the routes together whose first records are to be looked at; nothing in a dry run."""
    if run.options.is_dry:
        return None
    first = [
        name
        for name in unfinished
        if (settings := run.plan.routes[name].settings).canary
        and not set(settings.after) & set(unfinished)
        and await KeptCanary(run.ledger, name).state() != "passed"
    ]
    return Canaries(first, watch=run.options.canary, stop=run.stop, emit=run.emit)


async def _refuse_too_early(plan: MigrationPlan, ledger: SqliteLedger) -> None:
    """A route that was chosen without those before it would do nothing, and say that it did it well."""
    known = await ledger.fingerprints()
    for name, route in plan.routes.items():
        for before in route.settings.after:
            if before in plan.routes or (before in known and (await ledger.progress(before)).is_finished):
                continue
            raise ConfigError(
                f"route {name} comes after {before}, which is not finished: run {before} first, or both"
                f" (--route {before} --route {name})"
            )


async def _predecessors_finished(run: Run, route: RoutePlan) -> bool:
    for name in route.settings.after:
        if name in run.ended:
            await run.ended[name].wait()
            # A dry run that is cut by a limit shall show what comes after, too.
            is_finished = run.finished.get(name, False) or (run.options.is_dry and name in run.finished)
        else:
            is_finished = (
                name in await run.ledger.fingerprints() and (await run.ledger.progress(name)).is_finished
            )
        if not is_finished:
            if not run.stop.is_set():
                run.emit(
                    Note(f"route {route.settings.name}: not started, since route {name} is not finished")
                )
            return False
    return True


async def _run_in_turn(run: Run, route: RoutePlan) -> bool | None:
    """One route, once those before it are finished."""
    if not await _predecessors_finished(run, route):
        return None
    job = run.jobs[route.settings.name]
    if job.onlooker is not None:
        await job.onlooker.begin(job)
    return await run_route(job)


async def _tell_causes(run: Run) -> None:
    """The ledger of a dry run is thrown away: what would fail, and why, is told while it is there."""
    for name in run.plan.routes:
        for state, cause, count, source_id in await run.ledger.causes(name):
            run.notes.append(
                f"route {name}: {count} would be {state.name.lower()}: {cause} (record {source_id}, say)"
            )
