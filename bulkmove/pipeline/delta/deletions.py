"""Rows of the target whose records left the source, deleted: those that the migration made, where the API deletes.

A deletion can be sent twice. What is about to be sent is put down first, so that one which was cut off is gone on with.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import anyio

from bulkmove.errors import ConfigError, RequestFailedError, single_error
from bulkmove.events import Note, Phase
from bulkmove.ledger import SqliteLedger, delta_deletions, delta_passes, questions
from bulkmove.ledger.again import Claims
from bulkmove.ledger.delta_deletions import DELETION, Deletable
from bulkmove.model import Summary, Verdict, WriteItem, WriteResult
from bulkmove.pipeline.fingerprints import check_fingerprints
from bulkmove.pipeline.job import RouteJob, Run, RunOptions
from bulkmove.pipeline.opening import OpenHost, open_host
from bulkmove.pipeline.plan import MigrationPlan, RoutePlan
from bulkmove.pipeline.summing_up import summarise
from bulkmove.pipeline.working import work_routes
from bulkmove.protocols import Observer, SeesDeletions, Target

_A_SLICE = 200
_AT_ONCE = 16
_MOST_NAMED = 5
# More than this share of a route's records gone at once is taken for a filter, or an address, that is wrong.
_MOST_GONE = 0.5


@dataclass(slots=True)
class Deleted:
    """How many rows were deleted, and the first of those that were not, with why."""

    count: int = 0
    left: list[tuple[str, str]] = field(default_factory=list)
    unsure: list[Deletable] = field(default_factory=list)


async def delete_departed(
    plan: MigrationPlan,
    ledger: SqliteLedger,
    *,
    observer: Observer | None,
    stop: anyio.Event,
    open_host: OpenHost = open_host,
) -> Summary:
    """Delete the rows of what the last passes found gone, route by route; the summary is of these routes.

    A route of which more than half is gone ends with a ConfigError in the summary, and nothing of it is deleted.
    Raises LedgerError, and LedgerRefusedError where the migration changed since the ledger was begun.
    """
    await check_fingerprints(plan, ledger, accept_changes=False)
    chosen: dict[str, RoutePlan] = {}
    run = Run(plan, ledger, RunOptions(), observer, stop)
    known = await ledger.fingerprints()
    for name, route in plan.routes.items():
        number = ledger.number_of(name) if name in known else None
        if number is None or not await ledger.ask(partial(delta_deletions.count, route=number)):
            continue
        if _has_deletion(route):
            chosen[name] = route
        elif not route.settings.is_self_route:
            text = f"{route.settings.target} has no deletion: the rows of what is gone are left"
            run.emit(Note(f"route {name}: {text}", route=name))
    run.plan = replace(plan, routes=chosen)
    if chosen:
        await ledger.begin_run(DELETION)
        await work_routes(run, _delete_route, mapping=(), open_host=open_host)
    run.plan = plan
    for name in plan.routes.keys() & known.keys():
        run.finished.setdefault(name, (await ledger.progress(name)).is_finished)
    summary = await summarise(run)
    if chosen:
        await ledger.end_run(summary.exit_code or 0, was_stopped=run.stop.is_set())
    return summary


def deletable(connection: sqlite3.Connection, plan: MigrationPlan) -> dict[str, int]:
    """How many rows would go, by route, from a ledger that is looked at: where the target deletes and there are some."""
    return {
        name: count
        for name, number in questions.routes(connection).items()
        if name in plan.routes
        and _has_deletion(plan.routes[name])
        and (count := delta_deletions.count(connection, number))
    }


def _has_deletion(route: RoutePlan) -> bool:
    """Where source and target are one list, what is gone is gone from both."""
    return "delete" in route.target.modes and not route.settings.is_self_route


async def _delete_route(run: Run, route: RoutePlan) -> bool | None:
    job, ledger, name = run.jobs[route.settings.name], run.ledger, route.settings.name
    await ledger.check_balance(name, whole=False)
    await _refuse_many(job, ledger)
    settings = replace(route.settings, mode="delete")
    target = run.plan.connectors[settings.target.host].target(
        settings.target.stream, run.transports[settings.target.host], settings
    )
    if isinstance(target, SeesDeletions) and (await ledger.counts(name)).written:
        # Rows of this list were written by this address: a row that is not there was deleted.
        target.has_deleted = True
    done = Deleted()
    job.emit(Phase(name, "deleting what left the source"))
    after = ""
    while not job.stop.is_set() and (
        found := await ledger.ask(
            partial(delta_deletions.of_departed, route=ledger.number_of(name), after=after, most=_A_SLICE)
        )
    ):
        after = found[-1].source_id
        await _delete_slice(job, ledger, target, found, done)
    if not job.stop.is_set():
        parts = await ledger.ask(partial(delta_deletions.of_left_parts, route=ledger.number_of(name)))
        for start in range(0, len(parts), _A_SLICE):
            await _delete_slice(job, ledger, target, parts[start : start + _A_SLICE], done)
    job.emit(Phase(name, ""))
    _tell(job, done)
    await ledger.check_balance(name, whole=False)
    return (await ledger.progress(name)).is_finished


async def _refuse_many(job: RouteJob, ledger: SqliteLedger) -> None:
    counts = await ledger.counts(job.name)
    gone, _ = await ledger.ask(partial(delta_passes.departed, route=ledger.number_of(job.name), most=0))
    if gone > _MOST_GONE * (counts.read - counts.skipped):
        raise ConfigError(
            f"route {job.name}: {gone:,} of {counts.read - counts.skipped:,} records are gone at {job.settings.source},"
            " which looks like a filter or an address that is wrong: nothing of it was deleted"
        )


async def _delete_slice(
    job: RouteJob, ledger: SqliteLedger, target: Target, found: Sequence[Deletable], done: Deleted
) -> None:
    route, ids = ledger.number_of(job.name), [each.source_id for each in found]
    await ledger.change(partial(delta_deletions.note_sent, route=route, ids=ids))
    deleted: list[Deletable] = []
    room = anyio.Semaphore(min(_AT_ONCE, job.target_host.concurrency))

    async def delete(each: Deletable) -> None:
        async with room:
            if job.stop.is_set():
                return
            result = await _delete(target, each)
        if result.verdict in {Verdict.WRITTEN, Verdict.UNCHANGED}:
            deleted.append(each)
        else:
            done.left.append((each.source_id, result.message or result.cause or "refused"))

    try:
        with single_error():
            async with job.target_list.gate.writing(), anyio.create_task_group() as tasks:
                for each in found:
                    tasks.start_soon(delete, each, name=f"{job.name} deletion")
    finally:
        if deleted:
            claims = Claims(ledger.number_of_list(job.target_list.name), job.name)
            with anyio.CancelScope(shield=True):
                await ledger.change(
                    partial(
                        delta_deletions.note_deleted,
                        route=route,
                        run=ledger.run,
                        deleted=deleted,
                        claims=claims,
                    )
                )
            done.count += len(deleted)


async def _delete(target: Target, each: Deletable) -> WriteResult:
    """A row that is not there is asked for once more, since an answer can be wrong once."""
    for attempt in range(2):
        try:
            item = WriteItem(each.target_id, {}, b"{}", attempts=attempt + each.was_sent)
            (result,) = await target.write([item])
        except RequestFailedError:
            if attempt:
                raise
        else:
            return result
    raise AssertionError("unreachable")


def _tell(job: RouteJob, done: Deleted) -> None:
    if done.count:
        rows = "row" if done.count == 1 else "rows"
        job.emit(
            Note(f"route {job.name}: {done.count:,} {rows} deleted on {job.settings.target}", route=job.name)
        )
    if done.left:
        ids = ", ".join(source_id for source_id, _ in done.left[:_MOST_NAMED])
        why = done.left[0][1]
        text = f"{len(done.left):,} rows of records that are gone could not be deleted ({ids}): {why}"
        job.emit(Note(f"route {job.name}: {text}", route=job.name))
