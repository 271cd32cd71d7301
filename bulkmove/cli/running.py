"""One run as the command line does it: questions first, signals meanwhile, a report at the end."""

from __future__ import annotations

import importlib.util
import os
import signal
import sqlite3
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import anyio
import anyio.abc

from bulkmove.cli.asking import confirmed
from bulkmove.cli.ending import TERMINATED, Ending, RunRequest, end_on_sigterm
from bulkmove.cli.exits import tell
from bulkmove.cli.options import Output
from bulkmove.cli.tuning import tune
from bulkmove.cli.warned import warn
from bulkmove.config import load_migration
from bulkmove.errors import ConfigError, LedgerError, LedgerLockedError, single_error
from bulkmove.model import Summary
from bulkmove.pipeline.migration import Migration
from bulkmove.pipeline.plan import plan_migration
from bulkmove.protocols import Observer
from bulkmove.report.progress import Style, shown
from bulkmove.report.standing import Standing
from bulkmove.report.telling import Told, tell_json, tell_text
from bulkmove.settings import MigrationSettings

_SIGNAL_BASE = 128

_Result = TypeVar("_Result")


def perform(request: RunRequest, ending: Ending) -> int:
    """Run, report on stdout all but the last line, and return the exit code; `ending` gets the routes.

    Raises what the migration raises; `ending` then holds what the ledger knows, where one was opened.
    """
    settings = load_migration(request.file, ledger=request.ledger)
    warn(settings)
    migration = Migration(settings)
    no_place: dict[str, tuple[str, ...]] = {}
    if request.dry_run or request.fresh:
        plan = plan_migration(settings, only=request.routes)
        no_place = {name: route.mapper.no_place for name, route in plan.routes.items()}
    if request.fresh:
        _put_aside(migration, request)
    standing = Standing()
    interruption = Interruption()
    tune()
    try:
        with ended_by_itself(ending), shown(standing, style_of(request.output), sys.stderr) as observer:
            work = partial(_run, migration, request, observer)
            summary = run_interruptible(work, migration, interruption)
        if summary is None:
            summary = _from_ledger(migration, request)
    except (ConfigError, LedgerLockedError):
        raise  # no ledger was opened
    except BaseException:
        ending.routes = _as_json(_from_ledger(migration, request))
        raise
    if interruption.exit_code is not None:
        summary = replace(summary, exit_code=interruption.exit_code)
    ending.routes = _as_json(summary)
    errors = errors_of(summary, standing)
    summary = replace(summary, notes=(*summary.notes, *_unmatched(settings, standing)))
    _report(summary, standing, request, errors=errors, no_place=no_place)
    return summary.exit_code or 0


@contextmanager
def ended_by_itself(ending: Ending) -> Iterator[None]:
    """A mapper that calls sys.exit() shall not decide what the command ends with: it might say 0."""
    try:
        yield
    except BaseException as error:
        # The first two pass an event loop by, and leave its threads behind.
        ending.is_abandoned = isinstance(error, (SystemExit, KeyboardInterrupt))
        is_terminated = isinstance(error, SystemExit) and error.code == TERMINATED
        if is_terminated or isinstance(error, (Exception, KeyboardInterrupt)):
            raise
        raise RuntimeError(f"a mapper raised {error!r}, which ends programs, not records") from error


@dataclass(slots=True)
class Interruption:
    """The first signal that came, if one did. `has_nothing_to_lose`: it cancels at once, since nothing is written."""

    number: int | None = None
    has_nothing_to_lose: bool = False

    @property
    def exit_code(self) -> int | None:
        return None if self.number is None else _SIGNAL_BASE + self.number

    async def listen(
        self,
        migration: Migration,
        work: anyio.CancelScope,
        *,
        task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        """The first signal lets the run end soon, the second cancels it; a third finds nobody who listens."""
        if sys.platform == "win32":  # no signals on its event loops; Ctrl-C cancels
            task_status.started()
            return
        try:
            with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                task_status.started()
                async for number in signals:
                    if self.number is not None:
                        tell("interrupted again: cancelled; run again to go on")
                        work.cancel()
                        return
                    self.number = number
                    if self.has_nothing_to_lose:
                        tell("interrupted: nothing was written to any host")
                        work.cancel()
                        return
                    migration.stop()
                    tell("interrupted: finishing what is in flight; once more cancels it")
        finally:
            end_on_sigterm()


def run_interruptible(
    work: Callable[[], Awaitable[_Result]], migration: Migration, interruption: Interruption
) -> _Result | None:
    """What `work` returns, on an event loop of its own; None where a second signal cancelled it."""

    async def listen_and_work() -> _Result | None:
        result = None
        with single_error():
            async with anyio.create_task_group() as tasks:
                await tasks.start(interruption.listen, migration, tasks.cancel_scope, name="signals")
                result = await work()
                tasks.cancel_scope.cancel()
        return result

    has_uvloop = importlib.util.find_spec("uvloop") is not None
    return anyio.run(listen_and_work, backend_options={"use_uvloop": has_uvloop})


async def _run(migration: Migration, request: RunRequest, observer: Observer) -> Summary:
    if (again := request.again) is not None:
        return await migration.retry(
            observer, routes=request.routes, causes=again.causes, ids=again.ids, remap=again.remap
        )
    return await migration.run(
        observer,
        routes=request.routes,
        limit=request.limit,
        dry_run=request.dry_run,
        accept_changes=request.accept_changes,
    )


def style_of(output: Output) -> Style:
    if output.progress == "never" or (output.quiet and output.progress == "auto"):
        return "none"
    if output.log_format == "json":
        return "json"
    return "bars" if sys.stderr.isatty() and os.environ.get("TERM") != "dumb" else "text"


def _put_aside(migration: Migration, request: RunRequest) -> None:
    """Raises ConfigError where nobody can be asked, or the answer was no."""
    path = migration.settings.ledger
    if request.dry_run:
        raise ConfigError("--fresh and --dry-run exclude each other: a dry run leaves the ledger alone")
    if not path.exists():
        return
    doubt = _doubt(migration)
    if not request.yes:
        if not sys.stdin.isatty():
            raise ConfigError(
                f"--fresh puts {path} aside and begins anew{doubt}; nobody can be asked here: --yes says that"
                " it is meant"
            )
        question = f"Put {path} aside and begin anew, from the first record{doubt}?"
        if not confirmed(question):
            raise ConfigError("nothing was done; without --fresh the run goes on where it stopped")
    aside = migration.put_ledger_aside()
    tell(f"the old ledger is now {aside}")


def _doubt(migration: Migration) -> str:
    try:
        count = migration.in_doubt()
    except LedgerError:
        return " (it can't be read: whether writes are in doubt is not known)"
    if not count:
        return ""
    requests = "1 write request" if count == 1 else f"{count:,} write requests"
    return (
        f" ({requests} of it {'is' if count == 1 else 'are'} in doubt: what they carried may be at the target"
        " already, and a fresh run may write it twice)"
    )


def _from_ledger(migration: Migration, request: RunRequest) -> Summary:
    """What the ledger knows after a run that did not get to its summary; a dry run's is gone, and so are its counts."""
    nothing = Summary(exit_code=None, routes={})
    if request.dry_run or not migration.settings.ledger.exists():
        return nothing
    try:
        known = migration.status()
    except (LedgerError, sqlite3.Error):
        return nothing
    asked = request.routes or tuple(migration.settings.routes)
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
        file="" if str(request.file) == "migration.toml" else str(request.file),
    )
    if request.output.as_json:
        tell_json(told)
    else:
        tell_text(told, quiet=request.output.quiet)
