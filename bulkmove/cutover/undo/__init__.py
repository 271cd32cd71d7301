"""`bulkmove undo`: what a migration wrote, taken back: rows that it created are deleted, rows that it changed put back.

ways.py       what can be done with the rows of a route · judging.py  what is done with one of them
surveying.py  the rows listed and read back · sending.py  what undoes them, sent · working.py  one route from end to end
result.py     what it all came to
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import anyio
import orjson

from bulkmove.cutover.undo.result import RouteUndo, Undo
from bulkmove.cutover.undo.sending import Progress
from bulkmove.cutover.undo.surveying import Asked, Work
from bulkmove.cutover.undo.ways import ways_of
from bulkmove.cutover.undo.working import found_of, preview_route, undo_route
from bulkmove.errors import ConfigError, FatalError, LedgerRefusedError, RetryableError, single_error
from bulkmove.events import Note
from bulkmove.ledger import SqliteLedger, open_ledger, undoing, undone
from bulkmove.model import Counts, Summary
from bulkmove.pipeline.guards import check_may_write
from bulkmove.pipeline.job import Run, RunOptions
from bulkmove.pipeline.opening import OpenHost, open_host
from bulkmove.pipeline.plan import MigrationPlan, RoutePlan, changed_keys, plan_migration
from bulkmove.pipeline.selecting import unknown_record
from bulkmove.pipeline.status import FAILURES
from bulkmove.pipeline.summing_up import summarise
from bulkmove.pipeline.working import work_routes
from bulkmove.protocols import Observer
from bulkmove.settings import MigrationSettings

__all__ = ["Asked", "RouteUndo", "Undo", "undo_migration"]

# Parts of a fingerprint that say whose rows these are.
_WHOSE = ("target", "natural_key")


async def undo_migration(
    settings: MigrationSettings,
    observer: Observer | None = None,
    *,
    routes: Sequence[str] = (),
    ids: Sequence[str] = (),
    edited_too: bool = False,
    dry_run: bool = False,
    execute: bool = False,
    stop: anyio.Event | None = None,
    open_host: OpenHost = open_host,
) -> Undo:
    """Take back what the migration wrote: all routes or those named, the later ones first; of all records or of `ids`.

    Nothing but rows that the ledger names is touched, and each is read back first: one that does not show what was last
    written to it is left as it is, unless `edited_too`. `dry_run`: say what would be done, and write nothing. What was
    undone is noted row by row, so that an undo that ends anywhere is gone on with by the next.

    Raises ConfigError, also where a target is live and nobody said `execute`, LedgerError and its kinds. Hosts that fail and refused credentials do not raise: they stand in the
    summary's exit code and notes.
    """
    if not dry_run:
        check_may_write(settings, routes, execute=execute)
    plan = plan_migration(settings, only=tuple(routes))
    if not settings.ledger.exists():
        nothing = Note(f"nothing to undo: there is no ledger at {settings.ledger} yet")
        if observer is not None:
            observer.on_event(nothing)
        counts = {name: Counts() for name in plan.routes}
        return Undo(Summary(exit_code=0, routes=counts, notes=(nothing.text,)), {}, is_dry=dry_run)
    with single_error():
        async with open_ledger(settings.ledger, synchronous=settings.synchronous) as ledger:
            chosen = await _chosen(plan, ledger)
            asked = Asked(await _known_ids(ledger, list(chosen.routes), ids), edited_too=edited_too)
            if not asked.ids:
                await _refuse_half_written(chosen, ledger)
            if not dry_run:
                await ledger.begin_run(undone.UNDO)
            options = RunOptions(is_dry=dry_run, has_budget=False)
            run = Run(chosen, ledger, options, observer, stop or anyio.Event())
            return await _work(run, asked, open_host)


async def _chosen(plan: MigrationPlan, ledger: SqliteLedger) -> MigrationPlan:
    """The routes that were ever begun. Raises LedgerRefusedError."""
    known = await ledger.fingerprints()
    chosen = {name: route for name, route in plan.routes.items() if name in known}
    for name, route in chosen.items():
        _refuse_other_target(name, known[name], route)
    return replace(plan, routes=chosen)


async def _refuse_half_written(plan: MigrationPlan, ledger: SqliteLedger) -> None:
    """What of a row stands for good shows once its record is settled; and what is undone is never run again."""
    begun = await ledger.ask(undone.undone_routes)
    for name in plan.routes.keys() - begun.keys():
        count, first = await ledger.ask(partial(undoing.half_written, route=ledger.number_of(name)))
        if count:
            records = "1 record was" if count == 1 else f"{count} records were"
            raise LedgerRefusedError(
                f"route {name}: {records} written before and {'is' if count == 1 else 'are'} open again (record {first},"
                " say): let run, or delta, finish first, then undo"
            )


def _refuse_other_target(name: str, known: str, route: RoutePlan) -> None:
    """Ids of one shop may be those of other rows in another. Raises LedgerRefusedError."""
    changed = changed_keys(orjson.loads(known), route.fingerprint)
    if other := [key for key in _WHOSE if key in changed]:
        raise LedgerRefusedError(
            f"route {name}: {' and '.join(other)} changed since this ledger was begun, so that its rows are not the ones"
            " that were written; put it back, then undo"
        )


async def _known_ids(ledger: SqliteLedger, routes: Sequence[str], texts: Sequence[str]) -> tuple[str, ...]:
    """The source ids that are named; a text may hold several, with commas. Raises ConfigError for one that is not there."""
    found: dict[str, None] = {}
    for text in texts:
        parts = [part for each in text.split(",") if (part := each.strip())]
        for source_id in [text] if await _is_known(ledger, routes, text) else parts:
            if not await _is_known(ledger, routes, source_id):
                raise await ledger.ask(partial(unknown_record, source_id=source_id, routes=routes))
            found[source_id] = None
    return tuple(found)


async def _is_known(ledger: SqliteLedger, routes: Sequence[str], source_id: str) -> bool:
    for name in routes:
        if await ledger.known(name, [source_id]):
            return True
    return False


async def _work(run: Run, asked: Asked, open_host: OpenHost) -> Undo:
    found: dict[str, RouteUndo] = {}

    async def undo_one(run: Run, route: RoutePlan) -> bool | None:
        name = route.settings.name
        for later in run.plan.routes.values():
            if name in later.settings.after:
                await run.ended[later.settings.name].wait()
        if run.stop.is_set():
            return None
        work = Work(run.jobs[name], run.ledger, ways_of(run, route), asked)
        if run.options.is_dry:
            preview = await preview_route(work)
            rate = run.transports[route.settings.target.host].rate_per_s
            found[name] = replace(preview, seconds=None if rate is None else preview.requests / rate)
            return True
        progress = Progress()
        try:
            await undo_route(work, progress)
        except (RetryableError, FatalError, ConfigError):
            found[name] = await found_of(work, progress)
            raise
        found[name] = await found_of(work, progress)
        if not found[name].open:
            await run.ledger.change(partial(undoing.forget, route=work.route))
        return True

    mapping = [] if asked.edited_too else await _not_kept(run)
    await work_routes(run, undo_one, mapping=mapping, open_host=open_host)
    return await _conclude(run, found)


async def _conclude(run: Run, found: Mapping[str, RouteUndo]) -> Undo:
    summary = await summarise(run)
    code = summary.exit_code
    if code in {0, FAILURES}:
        is_whole = all(name in found and found[name].is_whole for name in run.plan.routes)
        code = 0 if is_whole else FAILURES
    finished = frozenset([n for n in run.plan.routes if (await run.ledger.progress(n)).is_finished])
    summary = replace(summary, exit_code=code, finished=finished)
    if not run.options.is_dry:
        await run.ledger.end_run(summary.exit_code or 0, was_stopped=run.stop.is_set())
    return Undo(summary, found, is_dry=run.options.is_dry)


async def _not_kept(run: Run) -> list[str]:
    """Routes of which records have to be mapped anew, to know what was written."""
    names = []
    for name in run.plan.routes:
        is_kept = partial(undoing.is_all_kept, route=run.ledger.number_of(name))
        if not await run.ledger.ask(is_kept):
            names.append(name)
    return names
