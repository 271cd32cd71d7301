"""A whole run: hosts opened, routes side by side, everything told, one summary at the end.

page ──► intake ──► ledger ──► loader ──► target      each route, in route.py
(extract)  (mapping, matching)     (batches, intents)
                      ▲                     │ in doubt
                      └───── read back ◄────┘          settling.py
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

import anyio
import orjson

from bulkmove.errors import (
    BulkmoveError,
    CanaryError,
    ConfigError,
    CredentialsError,
    HeldError,
    LedgerError,
    LedgerRefusedError,
    single_error,
)
from bulkmove.events import HostSample, Note
from bulkmove.ledger import SqliteLedger
from bulkmove.ledger.canaries import KeptCanary
from bulkmove.model import Counts, Summary
from bulkmove.pipeline.canaries import Canaries
from bulkmove.pipeline.control import heed_control
from bulkmove.pipeline.finding import tell_found
from bulkmove.pipeline.job import Run, RunOptions
from bulkmove.pipeline.lookups import open_lookups
from bulkmove.pipeline.masking import unused_patterns
from bulkmove.pipeline.opening import OpenHost, open_host, open_hosts, open_job
from bulkmove.pipeline.plan import MigrationPlan, RoutePlan, changed_keys
from bulkmove.pipeline.recording import Recorder
from bulkmove.pipeline.route import run_route
from bulkmove.pipeline.sharing import Sharing, sharings
from bulkmove.pipeline.spending import recall_spending
from bulkmove.pipeline.status import FAILURES
from bulkmove.pipeline.undone import refuse_undone
from bulkmove.protocols import Observer

SAMPLE_EVERY_S = 0.5
# Parts of a fingerprint that a body is made for: matched with these rows, by this key, to be written so.
_MADE_FOR = frozenset({"target", "natural_key", "mode"})

# Works one route; whether it is finished, None where it was not begun.
Work = Callable[[Run, RoutePlan], Awaitable[bool | None]]


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
    await ledger.end_run(summary.exit_code or 0)
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


async def work_routes(
    run: Run, work: Work, *, mapping: Sequence[str], open_host: OpenHost = open_host
) -> None:
    """Open the hosts, the look-ups of the routes that map records, and all routes; then work them side by side.

    What ends one becomes part of the summary. Raises LedgerError, and what `open_job` raises.
    """
    with single_error():
        async with open_hosts(run.plan, open_host) as run.transports, anyio.create_task_group() as background:
            spending = await recall_spending(run.ledger, run.plan.settings.hosts, run.transports)
            background.start_soon(run.ledger.stay_alive, name="sign of life")
            background.start_soon(spending.keep, name="spending")
            heed = partial(heed_control, run.ledger, run.transports, emit=run.emit, stop=run.stop)
            background.start_soon(heed, name="control")
            if not run.options.is_dry and run.ledger.run:  # who only looks begins no run
                recorder = Recorder(run.ledger, run.transports, list(run.plan.routes))
                background.start_soon(recorder.keep, name="history")
            if run.observer is not None:
                background.start_soon(_sample_hosts, run, name="host samples")
            if run.options.onlooker is not None:
                run.options.onlooker.opened(run.transports)
            if await _load_lookups(run, mapping):
                # All are opened before the first starts: a mistake in one is told before anything is written.
                for name, route in run.plan.routes.items():
                    run.ended[name] = anyio.Event()
                    run.jobs[name] = await open_job(run, route)
                if await _may_begin(run):
                    with single_error():
                        async with anyio.create_task_group() as routes:
                            for name, route in run.plan.routes.items():
                                routes.start_soon(_run_one, run, route, work, name=f"route {name}")
                    tell_found(run.transports, run.emit)
            background.cancel_scope.cancel()


async def _may_begin(run: Run) -> bool:
    """Whether what the run is held to holds."""
    if run.options.before is not None:
        try:
            await run.options.before(run)
        except LedgerError:
            raise
        except BulkmoveError as error:
            run.errors.append(error)
            return False
    return True


async def _load_lookups(run: Run, mapping: Sequence[str]) -> bool:
    """Whether routes can start: False where a look-up can't be read, or the run is to stop. `mapping`: who needs them."""
    plan, on_lookups = run.plan, run.options.on_lookups
    is_loaded = False
    try:
        with single_error():
            async with anyio.create_task_group() as tasks:
                if any(plan.routes[name].lookups for name in mapping):
                    tasks.start_soon(_cancel_on, run.stop, tasks.cancel_scope, name="look-ups until")
                run.lookups = await open_lookups(
                    plan,
                    run.transports,
                    routes=mapping,
                    emit=run.emit,
                    collecting=on_lookups is not None,
                )
                is_loaded = True
                tasks.cancel_scope.cancel()
    except LedgerError:
        raise
    except HeldError as error:
        run.emit(Note(str(error)))
    except BulkmoveError as error:
        run.errors.append(error)
    if is_loaded and on_lookups is not None:
        on_lookups(run.lookups)
    return is_loaded


async def _cancel_on(event: anyio.Event, scope: anyio.CancelScope) -> None:
    await event.wait()
    scope.cancel()


async def _run_in_turn(run: Run, route: RoutePlan) -> bool | None:
    """One route, once those before it are finished."""
    if not await _predecessors_finished(run, route):
        return None
    job = run.jobs[route.settings.name]
    if job.onlooker is not None:
        await job.onlooker.begin(job)
    return await run_route(job)


async def _run_one(run: Run, route: RoutePlan, work: Work) -> None:
    """One route; its error becomes part of the summary."""
    name = route.settings.name
    try:
        is_finished = await work(run, route)
        if is_finished is not None:
            run.finished[name] = is_finished
    except HeldError as error:
        run.emit(Note(str(error), route=name))
    except (CredentialsError, ConfigError, CanaryError) as error:
        # The whole run is set up wrongly: what is in flight is finished, nothing new begins.
        run.errors.append(error)
        run.stop.set()
    except LedgerError:
        raise
    except BulkmoveError as error:
        run.errors.append(error)
    finally:
        if run.jobs[name].budget.is_spent:
            run.errors.append(run.jobs[name].budget.error())
        if run.canaries is not None:
            run.canaries.leave(name)
        if name in run.sharings:
            run.sharings[name].leave(name)
        run.ended[name].set()


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


async def check_fingerprints(plan: MigrationPlan, ledger: SqliteLedger, *, accept_changes: bool) -> None:
    known = await ledger.fingerprints()
    await refuse_undone(ledger, plan.routes)
    for name, route in plan.routes.items():
        now = orjson.dumps(route.fingerprint).decode()
        if name in known and not (await ledger.counts(name)).read:
            known[name] = now  # a typo that was mended before anything was read changes nothing
            await ledger.save_route(name, now)
        changed = changed_keys(orjson.loads(known[name]), orjson.loads(now)) if name in known else []
        refuse_other_mask(name, changed)
        if changed and not accept_changes:
            raise LedgerRefusedError(
                f"route {name} has changed since this ledger was begun: {', '.join(changed)}; put it back, or let the"
                " change hold for what is not yet mapped with --accept-changes, or begin anew with --fresh"
            )
        if {"target", "natural_key"} & set(changed) or _deletes_differ(known.get(name), now):
            await _refuse_open(ledger, name, changed)
        if _MADE_FOR & set(changed):
            await ledger.drop_rejected_bodies(name)
        if known.get(name) != now:
            await ledger.save_route(name, now)


def refuse_other_mask(route: str, changed: Sequence[str]) -> None:
    """Half of a target in clear and half in stand-ins helps nobody. Raises LedgerRefusedError."""
    if "mask" in changed:
        raise LedgerRefusedError(
            f"route {route}: mask has changed since this ledger was begun, and what is masked can't go on in clear, nor the"
            " other way round: put it back, or use another ledger (--ledger PATH, or --fresh)"
        )


def _deletes_differ(before: str | None, now: str) -> bool:
    """Whether what was mapped to be written would be deleted, or the other way round."""
    modes = [orjson.loads(text).get("mode") for text in (before, now) if text is not None]
    return len(set(modes)) > 1 and "delete" in modes


async def _refuse_open(ledger: SqliteLedger, route: str, changed: Sequence[str]) -> None:
    """What is mapped was matched against the old target, by the old key, for the old purpose: it can't go another way."""
    counts = await ledger.counts(route)
    if still := counts.pending + counts.unknown:
        raise LedgerRefusedError(
            f"route {route}: {' and '.join(changed)} changed while {still} records are mapped for what was there before;"
            " put it back and finish them, or begin anew with --fresh"
        )


async def _sample_hosts(run: Run) -> None:
    while True:
        await anyio.sleep(SAMPLE_EVERY_S)
        for transport in run.transports.values():
            sample: HostSample = transport.sample()
            run.emit(sample)


async def _tell_causes(run: Run) -> None:
    """The ledger of a dry run is thrown away: what would fail, and why, is told while it is there."""
    for name in run.plan.routes:
        for state, cause, count, source_id in await run.ledger.causes(name):
            run.notes.append(
                f"route {name}: {count} would be {state.name.lower()}: {cause} (record {source_id}, say)"
            )


async def summarise(run: Run) -> Summary:
    counts = {name: await run.ledger.counts(name) for name in run.plan.routes}
    notes = [*run.notes, *(str(error) for error in run.errors)]
    finished = frozenset(name for name, is_finished in run.finished.items() if is_finished)
    return Summary(exit_code=_exit_code(run, counts), routes=counts, notes=tuple(notes), finished=finished)


# What to say first where several things went wrong; a run that was stopped is told by its signal, in the CLI.
_CODES_GRAVEST_FIRST = (6, 2, 1, 7, 4, 5)


def _exit_code(run: Run, counts: Mapping[str, Counts]) -> int:
    codes = {error.exit_code for error in run.errors}
    for code in _CODES_GRAVEST_FIRST:
        if code in codes:
            return code
    return FAILURES if any(c.rejected or c.unknown for c in counts.values()) else 0
