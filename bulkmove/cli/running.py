"""One run as the command line does it: questions first, signals meanwhile, a report at the end."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import anyio

from bulkmove.cli.afresh import OldLedger, ask_anew
from bulkmove.cli.ending import Ending, RunRequest
from bulkmove.cli.exits import tell
from bulkmove.cli.going import Going
from bulkmove.cli.guarding import is_held_back
from bulkmove.cli.interrupting import Interruption, Stopping, ended_by_itself, run_interruptible
from bulkmove.cli.loading import loading
from bulkmove.cli.logs import libraries_logged
from bulkmove.cli.options import told_of
from bulkmove.cli.showing import shown, style_of
from bulkmove.cli.tuning import tune
from bulkmove.cli.warned import warn
from bulkmove.config import load_migration
from bulkmove.errors import ConfigError, LedgerError, LedgerLockedError
from bulkmove.model import Summary
from bulkmove.pipeline.performing import perform_run
from bulkmove.pipeline.plan import plan_migration
from bulkmove.pipeline.status import status_of
from bulkmove.protocols import Observer
from bulkmove.report.standing import Standing
from bulkmove.settings import MigrationSettings

if TYPE_CHECKING:  # what not every run needs is imported by whoever does, and the report when there is one
    from bulkmove.pipeline.canaries import CanaryWatch
    from bulkmove.pipeline.holding import HeldTo

_NOTHING = Summary(exit_code=None, routes={})


def perform(request: RunRequest, ending: Ending) -> int:
    """Run, report on stdout all but the last line, and return the exit code; `ending` gets the routes.

    Raises what the migration raises; `ending` then holds what the ledger knows, where one was opened.
    """
    settings = load_migration(request.file, ledger=request.ledger)
    warn(settings)
    request = _guarded(settings, request)
    held_to = _held_to(request)
    no_place: dict[str, tuple[str, ...]] = {}
    if request.dry_run or request.fresh:
        plan = plan_migration(settings, only=request.routes)
        no_place = {name: route.mapper.no_place for name, route in plan.routes.items()}
    old = None
    if request.fresh:
        ask_anew(settings, request)
        old = OldLedger(settings)
    standing, interruption = Standing(), Interruption()
    summary = _move(
        settings,
        request,
        standing=standing,
        interruption=interruption,
        held_to=held_to,
        old=old,
        ending=ending,
    )
    if interruption.exit_code is not None:
        summary = replace(summary, exit_code=interruption.exit_code)
    ending.routes = _as_json(summary)
    errors = errors_of(summary, standing)
    notes = (*_unmatched(settings, standing), *interruption.notes(summary))
    summary = replace(summary, notes=(*summary.notes, *notes))
    _report(summary, standing, request, errors=errors, no_place=no_place)
    if old is not None and summary.exit_code == ConfigError.exit_code:
        old.take_back()
    return summary.exit_code or 0


def _move(
    settings: MigrationSettings,
    request: RunRequest,
    *,
    standing: Standing,
    interruption: Interruption,
    held_to: HeldTo | None,
    old: OldLedger | None,
    ending: Ending,
) -> Summary:
    """The run, shown while it goes on; where a second signal cancelled it, what the ledger knows.

    Where it raises, `ending` gets that; but where no ledger was opened, the old one is taken back.
    """
    stopping = Stopping(anyio.Event())
    tune()
    try:
        with (
            ended_by_itself(ending),
            libraries_logged(request.output),
            shown(standing, style_of(request.output), sys.stderr) as shows,
            observed(request.going, shows) as observer,
        ):
            watch, stop = _watch(settings, request, standing), stopping.event
            work = partial(
                _run, settings, request, observer, watch=watch, held_to=held_to, stop=stop, old=old
            )
            most_s = request.going.max_duration_s
            summary = run_interruptible(work, stopping, interruption, max_duration_s=most_s)
        if summary is None:
            summary = _from_ledger(settings, request, old)
    except (ConfigError, LedgerLockedError):
        if old is not None:
            old.take_back()
        raise  # no ledger was opened
    except BaseException:
        ending.routes = _as_json(_from_ledger(settings, request, old))
        raise
    return summary


def _guarded(settings: MigrationSettings, request: RunRequest) -> RunRequest:
    """The request as it may be carried out: where a live host holds it back, a run is a dry run.

    Raises ConfigError for what excludes each other.
    """
    again = request.again
    if request.dry_run or (again is not None and again.dry_run):
        if request.execute:
            raise ConfigError("--execute and --dry-run exclude each other: a dry run writes nothing")
        return request
    if not is_held_back(settings, request.routes, execute=request.execute):
        return request
    if again is not None:
        return replace(request, again=replace(again, dry_run=True))
    if request.fresh:
        raise ConfigError("--fresh needs --execute here: a dry run leaves the ledger alone")
    return replace(request, dry_run=True)


@contextmanager
def observed(going: Going, observer: Observer) -> Iterator[Observer]:
    """The observer to tell, with metrics served of it where they are asked for. Raises ConfigError where they can't be."""
    if going.metrics_port is None:
        yield observer
        return
    with loading():
        from bulkmove.cli.metrics import metrics_served

    with metrics_served(going.metrics_port, going.metrics_address, observer) as metrics:
        yield metrics


def _watch(settings: MigrationSettings, request: RunRequest, standing: Standing) -> CanaryWatch | None:
    """Who looks at the first records, where a route has a canary."""
    if not any(route.canary for route in settings.routes.values()):
        return None
    with loading():
        from bulkmove.cli.canary import TerminalWatch

    return TerminalWatch(standing, as_json=request.output.as_json, yes=request.yes)


async def _run(
    settings: MigrationSettings,
    request: RunRequest,
    observer: Observer,
    *,
    watch: CanaryWatch | None,
    held_to: HeldTo | None,
    stop: anyio.Event,
    old: OldLedger | None,
) -> Summary:
    if old is not None and not await old.put_aside(stop):
        return _NOTHING
    if (again := request.again) is not None:
        from bulkmove.pipeline.retried import perform_retry

        return await perform_retry(
            settings,
            observer,
            stop=stop,
            routes=request.routes,
            causes=again.causes,
            ids=again.ids,
            remap=again.remap,
            dry_run=again.dry_run,
            execute=request.execute,
        )
    return await perform_run(
        settings,
        observer,
        stop=stop,
        routes=request.routes,
        limit=request.limit,
        dry_run=request.dry_run,
        accept_changes=request.accept_changes,
        execute=request.execute,
        canary=watch,
        held_to=held_to,
    )


def _held_to(request: RunRequest) -> HeldTo | None:
    """Raises ConfigError for a plan or a tolerance that is none."""
    file, tolerance = request.held.file, request.held.tolerance
    if file is not None:
        with loading():
            from bulkmove.pipeline.holding import HeldTo, tolerance_of
            from bulkmove.pipeline.saved_plan import load_plan

        return HeldTo(file, load_plan(file), tolerance_of(tolerance))
    if tolerance is not None:
        raise ConfigError(
            "--plan-tolerance says how far a source may have moved since a --plan, which is missing"
        )
    return None


def _from_ledger(settings: MigrationSettings, request: RunRequest, old: OldLedger | None) -> Summary:
    """What the ledger knows after a run that did not get to its summary; a dry run's is gone, and so are its counts."""
    is_old = old is not None and old.is_in_place
    if request.dry_run or is_old or not settings.ledger.exists():
        return _NOTHING
    try:
        known = status_of(settings)
    except (LedgerError, sqlite3.Error):
        return _NOTHING
    asked = request.routes or tuple(settings.routes)
    return Summary(exit_code=0, routes={name: known.routes[name] for name in asked if name in known.routes})


def _as_json(summary: Summary) -> dict[str, dict[str, int]]:
    return {name: counts.as_dict() for name, counts in summary.routes.items()}


def _unmatched(settings: MigrationSettings, standing: Standing) -> Iterator[str]:
    """A filter that nothing matches looks like success, and may be a mistake."""
    for name, route in standing.routes.items():
        if route.is_complete and not route.read and (where := settings.routes[name].where):
            asked = ", ".join(f"{key} = {value}" for key, value in where.items())
            yield f"route {name}: 0 records match where {asked}: does it fit?"


def errors_of(summary: Summary, standing: Standing) -> tuple[str, ...]:
    """The summary's notes that were no notes while it ran: what ended a route."""
    notes = {note.text for note in standing.notes}
    return tuple(dict.fromkeys(text for text in summary.notes if text not in notes))


def _report(
    summary: Summary,
    standing: Standing,
    request: RunRequest,
    *,
    errors: tuple[str, ...],
    no_place: Mapping[str, tuple[str, ...]],
) -> None:
    with loading():
        from bulkmove.report.telling import Told, tell_json, tell_text

    for error in errors:
        tell(f"error: {error}")
    is_retry = request.again is not None
    told = Told(
        summary=summary,
        finished=dict.fromkeys(summary.finished, True) if is_retry else standing.finished,
        errors=errors,
        no_place=no_place if request.dry_run else {},
        is_dry=request.dry_run,
        was_finished=not standing.has_moved and not is_retry,
        file=told_of(request.file, request.ledger),
    )
    if request.output.as_json:
        tell_json(told)
    else:
        tell_text(told, quiet=request.output.quiet)
