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
from pathlib import Path
from typing import Protocol, TypeVar

import anyio
import anyio.abc

from bulkmove.cli.asking import confirmed
from bulkmove.cli.canary import TerminalWatch
from bulkmove.cli.ending import ENDING_SIGNALS, TERMINATED, Ending, RunRequest, end_on_sigterm
from bulkmove.cli.exits import tell
from bulkmove.cli.going import Going, spelled_duration
from bulkmove.cli.guarding import is_held_back
from bulkmove.cli.logs import libraries_logged
from bulkmove.cli.options import Output
from bulkmove.cli.tuning import tune
from bulkmove.cli.warned import warn
from bulkmove.config import load_migration
from bulkmove.errors import ConfigError, LedgerError, LedgerLockedError, single_error
from bulkmove.model import Summary
from bulkmove.pipeline.canaries import CanaryWatch
from bulkmove.pipeline.holding import HeldTo, tolerance_of
from bulkmove.pipeline.migration import Migration
from bulkmove.pipeline.plan import plan_migration
from bulkmove.pipeline.saved_plan import load_plan
from bulkmove.protocols import Observer
from bulkmove.report.progress import Style, shown
from bulkmove.report.standing import Standing
from bulkmove.report.telling import Told, tell_json, tell_text
from bulkmove.settings import MigrationSettings

_SIGNAL_BASE = 128

_Result = TypeVar("_Result")


class Stoppable(Protocol):
    """What the first signal lets end soon."""

    def stop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Stopping:
    """Implements Stoppable by an event, which what goes on looks at."""

    event: anyio.Event

    def stop(self) -> None:
        self.event.set()


def perform(request: RunRequest, ending: Ending) -> int:
    """Run, report on stdout all but the last line, and return the exit code; `ending` gets the routes.

    Raises what the migration raises; `ending` then holds what the ledger knows, where one was opened.
    """
    settings = load_migration(request.file, ledger=request.ledger)
    warn(settings)
    request = _guarded(settings, request)
    held_to = _held_to(request)
    migration = Migration(settings)
    no_place: dict[str, tuple[str, ...]] = {}
    if request.dry_run or request.fresh:
        plan = plan_migration(settings, only=request.routes)
        no_place = {name: route.mapper.no_place for name, route in plan.routes.items()}
    aside = _put_aside(migration, request) if request.fresh else None
    standing = Standing()
    interruption = Interruption()
    tune()
    try:
        with (
            ended_by_itself(ending),
            libraries_logged(request.output),
            shown(standing, style_of(request.output), sys.stderr) as shows,
            observed(request.going, shows) as observer,
        ):
            watch = TerminalWatch(standing, as_json=request.output.as_json, yes=request.yes)
            work = partial(_run, migration, request, observer, watch, held_to=held_to)
            summary = run_interruptible(
                work, migration, interruption, max_duration_s=request.going.max_duration_s
            )
        if summary is None:
            summary = _from_ledger(migration, request)
    except (ConfigError, LedgerLockedError):
        _take_back(migration, aside)
        raise  # no ledger was opened
    except BaseException:
        ending.routes = _as_json(_from_ledger(migration, request))
        raise
    if interruption.exit_code is not None:
        summary = replace(summary, exit_code=interruption.exit_code)
    ending.routes = _as_json(summary)
    errors = errors_of(summary, standing)
    notes = (*_unmatched(settings, standing), *interruption.notes(summary))
    summary = replace(summary, notes=(*summary.notes, *notes))
    _report(summary, standing, request, errors=errors, no_place=no_place)
    if summary.exit_code == ConfigError.exit_code:
        _take_back(migration, aside)
    return summary.exit_code or 0


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
    """The first signal that came, if one did. `has_nothing_to_lose`: it cancels at once, since nothing is written.

    `ended_after_s`: the time of `--max-duration`, where it is over.
    """

    number: int | None = None
    has_nothing_to_lose: bool = False
    ended_after_s: int | None = None

    @property
    def exit_code(self) -> int | None:
        return None if self.number is None else _SIGNAL_BASE + self.number

    async def end_after(self, seconds: int, migration: Stoppable) -> None:
        """Let the run end soon once so much time is over, as a first signal does."""
        await anyio.sleep(seconds)
        self.ended_after_s = seconds
        migration.stop()
        tell(f"note: {self._time_is_over()}: finishing what is in flight")

    def notes(self, summary: Summary) -> Iterator[str]:
        if self.ended_after_s is not None and set(summary.routes) - summary.finished:
            yield f"{self._time_is_over()}, and the migration is not finished: run again to go on"

    def _time_is_over(self) -> str:
        return f"the time is over (--max-duration {spelled_duration(self.ended_after_s or 0)})"

    async def listen(
        self,
        migration: Stoppable,
        work: anyio.CancelScope,
        *,
        task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        """The first signal lets the run end soon, the second cancels it; a third finds nobody who listens."""
        if sys.platform == "win32":  # no signals on its event loops; Ctrl-C cancels
            task_status.started()
            return
        try:
            with anyio.open_signal_receiver(signal.SIGINT, *ENDING_SIGNALS) as signals:
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
    work: Callable[[], Awaitable[_Result]],
    migration: Stoppable,
    interruption: Interruption,
    *,
    max_duration_s: int | None = None,
) -> _Result | None:
    """What `work` returns, on an event loop of its own; None where a second signal cancelled it.

    After `max_duration_s` the migration is told to stop.
    """

    async def listen_and_work() -> _Result | None:
        result = None
        with single_error():
            async with anyio.create_task_group() as tasks:
                await tasks.start(interruption.listen, migration, tasks.cancel_scope, name="signals")
                if max_duration_s is not None:
                    tasks.start_soon(interruption.end_after, max_duration_s, migration, name="max duration")
                result = await work()
                tasks.cancel_scope.cancel()
        return result

    has_uvloop = importlib.util.find_spec("uvloop") is not None
    return anyio.run(listen_and_work, backend_options={"use_uvloop": has_uvloop})


@contextmanager
def observed(going: Going, observer: Observer) -> Iterator[Observer]:
    """The observer to tell, with metrics served of it where they are asked for. Raises ConfigError where they can't be."""
    if going.metrics_port is None:
        yield observer
        return
    from bulkmove.cli.metrics import metrics_served

    with metrics_served(going.metrics_port, going.metrics_address, observer) as metrics:
        yield metrics


async def _run(
    migration: Migration,
    request: RunRequest,
    observer: Observer,
    watch: CanaryWatch,
    *,
    held_to: HeldTo | None,
) -> Summary:
    if (again := request.again) is not None:
        return await migration.retry(
            observer,
            routes=request.routes,
            causes=again.causes,
            ids=again.ids,
            remap=again.remap,
            dry_run=again.dry_run,
            execute=request.execute,
        )
    return await migration.run(
        observer,
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
        return HeldTo(file, load_plan(file), tolerance_of(tolerance))
    if tolerance is not None:
        raise ConfigError(
            "--plan-tolerance says how far a source may have moved since a --plan, which is missing"
        )
    return None


def style_of(output: Output) -> Style:
    if output.progress == "never" or (output.quiet and output.progress == "auto"):
        return "none"
    if output.log_format == "json":
        return "json"
    return "bars" if sys.stderr.isatty() and os.environ.get("TERM") != "dumb" else "text"


def _put_aside(migration: Migration, request: RunRequest) -> Path | None:
    """Where the ledger is now, None where there was none. Raises ConfigError where nobody can be asked, or the answer was no."""
    path = migration.settings.ledger
    if request.dry_run:
        raise ConfigError("--fresh and --dry-run exclude each other: a dry run leaves the ledger alone")
    if not path.exists():
        return None
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
    return aside


def told_of(file: Path, ledger: Path | None) -> str:
    """What a hint names behind a command, so that it means the same migration; empty for the default."""
    words = [] if str(file) == "migration.toml" else [str(file)]
    return " ".join([*words, *([] if ledger is None else ["--ledger", str(ledger)])])


def _take_back(migration: Migration, aside: Path | None) -> None:
    """A fresh run that was refused before it read anything shall not cost the ledger."""
    if aside is not None and migration.take_back_ledger(aside):
        tell(f"nothing was begun: the ledger is {migration.settings.ledger} again")


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
        file=told_of(request.file, request.ledger),
    )
    if request.output.as_json:
        tell_json(told)
    else:
        tell_text(told, quiet=request.output.quiet)
