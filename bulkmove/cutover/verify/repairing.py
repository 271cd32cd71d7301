"""What the last verification found, mended: rows that differ are written once more, those that are missing are made again.

All of it goes through the ledger as a run's writes do: what is to be written is put down first, what makes a row waits for
a look at the target's list, and whoever comes after a repair that was killed goes on with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial

import anyio
import orjson

from bulkmove.cutover.verify.removing import remove
from bulkmove.cutover.verify.reopening import REMOVED, WRITTEN_ANEW, Mending, Wanted, reopen
from bulkmove.cutover.verify.result import DIFFERENCES, Repair
from bulkmove.errors import ConfigError, LedgerRefusedError, single_error
from bulkmove.events import RouteFinished, RouteStarted
from bulkmove.ledger import SqliteLedger, again, mending, open_ledger, verified
from bulkmove.model import Summary
from bulkmove.pipeline.guards import check_may_write
from bulkmove.pipeline.job import Run, RunOptions
from bulkmove.pipeline.opening import OpenHost, open_host
from bulkmove.pipeline.plan import MigrationPlan, RoutePlan, changed_keys, plan_migration
from bulkmove.pipeline.route import finish_writing, list_open, loader_of, note_finished
from bulkmove.pipeline.summing_up import summarise
from bulkmove.pipeline.undone import refuse_undone
from bulkmove.pipeline.working import work_routes
from bulkmove.protocols import Observer
from bulkmove.settings import MigrationSettings

# What says which migration it is. The rest says how records are mapped, which a verification looks at as it is now.
_FIXED = frozenset({"source", "target", "natural_key", "where", "mode", "file options", "mask"})


async def found_to_repair(
    settings: MigrationSettings, routes: Sequence[str] = ()
) -> Mapping[str, Mapping[str, int]]:
    """What the last verification found and nobody mended, by route and kind; routes of which there is none left out.

    Raises ConfigError where nothing was verified yet.
    """
    plan = plan_migration(settings, only=tuple(routes))
    async with _opened(settings) as ledger:
        return await _found(plan, ledger)


async def repair_migration(
    settings: MigrationSettings,
    *,
    routes: Sequence[str] = (),
    wanted: Wanted | None = None,
    execute: bool = False,
    observer: Observer | None = None,
    stop: anyio.Event | None = None,
    open_host: OpenHost = open_host,
) -> Repair:
    """Mend exactly what the last verification of these routes found, or of all; of a sample, what that found.

    Run again it goes on with what was cut off, and does nothing where all is mended. Raises ConfigError where nothing was
    verified yet, or a target is live and nobody said `execute`, LedgerError and its kinds; hosts that fail stand in the exit code.
    """
    wanted = wanted or Wanted()
    if not wanted.dry_run:
        check_may_write(settings, routes, execute=execute)
    plan = plan_migration(settings, only=tuple(routes))
    with single_error():
        async with _opened(settings) as ledger:
            going = Mending(wanted, ledger)
            return await _repair(plan, going, observer, stop or anyio.Event(), open_host)


def _opened(settings: MigrationSettings) -> AbstractAsyncContextManager[SqliteLedger]:
    if not settings.ledger.exists():
        raise ConfigError(
            f"{settings.ledger}: there is no ledger yet: nothing was run that could be repaired"
        )
    return open_ledger(settings.ledger, synchronous=settings.synchronous)


async def _found(plan: MigrationPlan, ledger: SqliteLedger) -> dict[str, Counter[str]]:
    if await ledger.ask(verified.last_verification) is None:
        raise ConfigError(
            f"{ledger.path}: nothing was verified yet: bulkmove verify says what there is to mend"
        )
    known = await ledger.fingerprints()
    found = {}
    for name in plan.routes:
        if name in known:
            counts = await ledger.ask(partial(verified.count_findings, route=ledger.number_of(name)))
            if counts:
                found[name] = counts
    return found


async def _repair(
    plan: MigrationPlan, going: Mending, observer: Observer | None, stop: anyio.Event, open_host: OpenHost
) -> Repair:
    ledger, wanted = going.ledger, going.wanted
    found = await _found(plan, ledger)
    chosen = await _chosen(plan, going, found)
    await refuse_undone(ledger, chosen)
    run = Run(replace(plan, routes=chosen), ledger, RunOptions(has_budget=False), observer, stop)
    for name, route in chosen.items():
        _refuse_changed(name, orjson.loads((await ledger.fingerprints())[name]), route)
    if not wanted.dry_run and chosen:
        await ledger.begin_run(again.REPAIR)
        mapping = [
            name for name in chosen if name in found and any(found[name][kind] for kind in WRITTEN_ANEW)
        ]
        await work_routes(run, partial(_work, going), mapping=mapping, open_host=open_host)
    known = await ledger.fingerprints()
    run.plan = replace(plan, routes={name: route for name, route in plan.routes.items() if name in known})
    summary = await summarise(run)
    remains = await _found(plan, ledger)
    exit_code = _exit_code(going, summary, is_stopped=stop.is_set(), remains=remains)
    if not wanted.dry_run and chosen:
        await ledger.end_run(exit_code, was_stopped=stop.is_set())
    return Repair(
        exit_code=exit_code,
        counts=summary.routes,
        mended={
            name: dict(counts) for name, counts in (going.mended if not wanted.dry_run else found).items()
        },
        left=[*going.told(), *_not_deleted(going, remains)],
        notes=[note for note in summary.notes if note not in {str(error) for error in run.errors}],
        errors=[str(error) for error in run.errors],
        is_dry=wanted.dry_run,
    )


def _not_deleted(going: Mending, remains: Mapping[str, Mapping[str, int]]) -> list[str]:
    """What takes a word of its own."""
    if going.wanted.deletions:
        return []
    lines = []
    for name, counts in remains.items():
        told = [
            f"{counts[kind]:,} {kind}" for kind in REMOVED if kind in going.wanted.kinds and counts.get(kind)
        ]
        if told:
            lines.append(f"route {name}: {' and '.join(told)}: rows are deleted with --deletions alone")
    return lines


def _exit_code(
    going: Mending, summary: Summary, *, is_stopped: bool, remains: Mapping[str, Mapping[str, int]]
) -> int:
    """As of a run; else 4 where something that was found is still there."""
    if summary.exit_code or is_stopped:
        return summary.exit_code or 0
    is_left = bool(going.left) or bool(remains)
    return DIFFERENCES if is_left else 0


async def _chosen(
    plan: MigrationPlan, going: Mending, found: Mapping[str, Mapping[str, int]]
) -> dict[str, RoutePlan]:
    """The routes that there is something to do for, or that a repair which was cut off left."""
    chosen: dict[str, RoutePlan] = {}
    known = await going.ledger.fingerprints()
    for name, route in plan.routes.items():
        if name not in known:
            continue
        counts = {kind: count for kind, count in found.get(name, {}).items() if kind in going.wanted.kinds}
        own, others = await going.ledger.ask(partial(mending.left_open, route=going.ledger.number_of(name)))
        why = _obstacle(route, counts, others)
        if why is not None and (counts or own):
            going.leave(name, f"{sum(counts.values()):,} findings", why)
        elif counts or own:
            chosen[name] = route
    return chosen


def _obstacle(route: RoutePlan, counts: Mapping[str, int], others_open: int) -> str | None:
    if others_open:
        return f"{others_open:,} of its records have no outcome yet: bulkmove run finishes them first"
    if route.settings.mode == "delete":
        return "it deletes: what is there again, a run of its own deletes (run --fresh)"
    if counts and not route.target.modes & {"update", "delete"}:
        return "what it writes can't be changed in its place: run it anew (run --fresh)"
    return None


def _refuse_changed(name: str, known: Mapping[str, object], route: RoutePlan) -> None:
    if refused := [key for key in changed_keys(known, route.fingerprint) if key in _FIXED]:
        raise LedgerRefusedError(
            f"route {name} has changed since this ledger was begun: {', '.join(refused)}; put it back, or verify and"
            " repair with a configuration of its own"
        )


async def _work(going: Mending, run: Run, route: RoutePlan) -> bool:
    """One route, to its end or until the repair is to stop; whether it is finished."""
    job, ledger = run.jobs[route.settings.name], going.ledger
    going.mended[job.name] = Counter()
    await ledger.check_balance(job.name, whole=False)
    ledger.work_on_retried_alone(job.name)
    counts = await ledger.counts(job.name)
    job.emit(RouteStarted(job.name, counts, counts.read))
    kinds = [kind for kind in WRITTEN_ANEW if kind in going.wanted.kinds]
    if kinds and not job.stop.is_set():
        await reopen(going, job, kinds)
    job.target_list.learn(await ledger.list_state(job.target_list.name))
    with single_error():
        async with list_open(job):
            async with loader_of(job) as loader:
                await finish_writing(job, loader)
            if going.wanted.deletions and not job.stop.is_set():
                kinds = [kind for kind in REMOVED if kind in going.wanted.kinds]
                removed = await remove(run, job, ledger, kinds, leave=partial(going.leave, job.name))
                going.mended[job.name].update(removed)
            await note_finished(job)
    is_finished = (await ledger.progress(job.name)).is_finished
    job.emit(RouteFinished(job.name, await ledger.counts(job.name), is_finished))
    return is_finished
