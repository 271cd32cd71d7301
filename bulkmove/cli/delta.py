"""`bulkmove delta`: what is new or changed at the sources since the last pass."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from bulkmove.cli.asking import confirmed
from bulkmove.cli.ending import Ending, EndingCommand, last_line
from bulkmove.cli.exits import exits, tell
from bulkmove.cli.going import Going, going_options
from bulkmove.cli.guarding import execute_option, is_held_back, refuse_both
from bulkmove.cli.loading import loading
from bulkmove.cli.options import Output, ledger_option, migration_file, output_options, routes_option, told_of
from bulkmove.errors import BulkmoveError, ConfigError

if TYPE_CHECKING:
    from bulkmove.cli.interrupting import Interruption
    from bulkmove.model import Summary
    from bulkmove.pipeline.migration import Migration
    from bulkmove.protocols import Observer
    from bulkmove.report.standing import Standing

_Result = TypeVar("_Result")


@click.command("delta", cls=EndingCommand)
@migration_file
@routes_option
@click.option(
    "--new-only", is_flag=True, help="Look for new records alone, by their dates where they have some."
)
@click.option(
    "--deletions", is_flag=True, help="Delete rows that were made of records which are gone; asks first."
)
@click.option("--yes", is_flag=True, help="Answer yes to what --deletions asks.")
@click.option("--dry-run", is_flag=True, help="Read and map, and write nothing.")
@ledger_option
@execute_option
@going_options
@output_options
def command(
    *,
    file: Path,
    routes: tuple[str, ...],
    new_only: bool,
    deletions: bool,
    yes: bool,
    dry_run: bool,
    ledger: Path | None,
    execute: bool,
    going: Going,
    output: Output,
) -> None:
    """Bring over what is new or changed at the sources of FILE (default: migration.toml) since the last pass.

    New records are created; those that changed become changes of the rows that they became, and what is mapped to the
    same as before is not sent. What is gone at a source is named, and with --deletions the rows that were made of it are
    deleted where the target can. Cut off anywhere, delta goes on, and run finishes
    what was mapped. Where a target's host is live it takes --execute, and is a dry run without.

    Ends as run does: 0 when all is accounted for, 3 when records are rejected or unknown, 2 for a mistake in the
    configuration or a route that was not read whole yet, 5, 6, 7, 11, 130 or 143.
    """
    asked = _Asked(
        file,
        ledger,
        routes,
        output,
        new_only=new_only,
        deletions=deletions,
        yes=yes,
        dry_run=dry_run,
        going=going,
    )
    with last_line(output) as ending:
        with exits():
            code = _perform(asked, ending, execute=execute)
        sys.exit(code)


def perform_delta(
    file: Path,
    ledger: Path | None,
    *,
    execute: bool,
    output: Output,
    ending: Ending,
    routes: tuple[str, ...] = (),
) -> int:
    """A whole delta as `bulkmove delta` does it, on stdout all but the last line; its exit code. `ending` gets the routes."""
    asked = _Asked(file, ledger, routes, output, new_only=False, deletions=False, yes=False, dry_run=False)
    return _perform(asked, ending, execute=execute)


@dataclass(frozen=True)
class _Asked:
    file: Path
    ledger: Path | None
    routes: tuple[str, ...]
    output: Output
    new_only: bool
    deletions: bool
    yes: bool
    dry_run: bool
    going: Going = field(default_factory=Going)


@dataclass(frozen=True, slots=True)
class _Course:
    """What the delta and the deletions after it have in common."""

    asked: _Asked
    ending: Ending
    migration: Migration
    interruption: Interruption

    def work(self, job: Callable[[Observer], Awaitable[_Result]]) -> tuple[_Result | None, Standing]:
        """What the job returns, None where it was cancelled; and what was seen of it meanwhile."""
        with loading():
            from bulkmove.cli.interrupting import ended_by_itself, run_interruptible
            from bulkmove.cli.running import observed
            from bulkmove.cli.showing import shown, style_of
            from bulkmove.report.standing import Standing

        going, standing = self.asked.going, Standing()
        with (
            ended_by_itself(self.ending),
            shown(standing, style_of(self.asked.output), sys.stderr) as shows,
            observed(going, shows) as observer,
        ):
            done = run_interruptible(
                lambda: job(observer), self.migration, self.interruption, max_duration_s=going.max_duration_s
            )
        return done, standing

    def tell_errors(self, summary: Summary, standing: Standing) -> tuple[str, ...]:
        with loading():
            from bulkmove.cli.running import errors_of

        self.ending.routes = {name: counts.as_dict() for name, counts in summary.routes.items()}
        errors = errors_of(summary, standing)
        for error in errors:
            tell(f"error: {error}")
        return errors

    def note_known(self) -> None:
        self.ending.routes = _known(self.migration, self.asked.routes)


def _perform(asked: _Asked, ending: Ending, *, execute: bool) -> int:
    """The delta and its report; where it is asked for and there are some, the deletions and theirs."""
    with loading():
        from bulkmove.cli.interrupting import Interruption
        from bulkmove.cli.tuning import tune
        from bulkmove.cli.warned import warn
        from bulkmove.config import load_migration
        from bulkmove.pipeline.migration import Migration
        from bulkmove.report.delta import tell_deletions

    settings = load_migration(asked.file, ledger=asked.ledger)
    warn(settings)
    if asked.deletions and asked.new_only:
        raise ConfigError("--new-only and --deletions exclude each other: what is gone is not looked for")
    refuse_both(execute=execute, dry_run=asked.dry_run)
    is_dry = asked.dry_run or is_held_back(settings, asked.routes, execute=execute)
    course = _Course(asked, ending, Migration(settings), Interruption())
    tune()
    try:
        code, is_whole = _bring_over(course, is_dry=is_dry)
        if not asked.deletions or is_dry or not is_whole:
            return code
        rows = course.migration.deletable(asked.routes)
        if not rows or not _is_meant(rows, asked):
            return code
        summary, standing = course.work(
            lambda observer: course.migration.delete_departed(observer, routes=asked.routes, execute=True)
        )
    except BaseException:
        course.note_known()
        raise
    if summary is None:
        course.note_known()
        return course.interruption.exit_code or 0
    tell_deletions(summary, errors=course.tell_errors(summary, standing), as_json=asked.output.as_json)
    return course.interruption.exit_code or summary.exit_code or 0


def _bring_over(course: _Course, *, is_dry: bool) -> tuple[int, bool]:
    """The delta and its report: the exit code, and whether it went through all, so that what is gone is known."""
    with loading():
        from bulkmove.report.delta import tell_delta

    asked, interruption = course.asked, course.interruption
    done, standing = course.work(
        lambda observer: course.migration.delta(
            observer, routes=asked.routes, dry_run=is_dry, new_only=asked.new_only, execute=True
        )
    )
    if done is None:
        course.note_known()
        return interruption.exit_code or 0, False
    errors = course.tell_errors(done.summary, standing)
    tell_delta(done, errors=errors, is_dry=is_dry, as_json=asked.output.as_json, quiet=asked.output.quiet)
    _tell_next(done.summary, asked, is_dry=is_dry)
    code = interruption.exit_code or done.summary.exit_code or 0
    return code, done.is_whole and not interruption.exit_code


def _is_meant(rows: Mapping[str, int], asked: _Asked) -> bool:
    """Raises ConfigError where nobody can be asked."""
    if asked.yes:
        return True
    named = ", ".join(f"{count:,} of route {name}" for name, count in rows.items())
    if not sys.stdin.isatty():
        raise ConfigError(
            f"rows at the target would be deleted ({named}); nobody can be asked here: --yes says it is meant"
        )
    return confirmed(f"Delete the rows at the target that were made of what is gone ({named})?")


def _known(migration: Migration, routes: tuple[str, ...]) -> dict[str, dict[str, int]]:
    """What the ledger knows of a delta that did not get to its summary."""
    try:
        if not migration.settings.ledger.exists():
            return {}
        known = migration.status().routes
    except BulkmoveError:
        return {}
    asked = routes or tuple(migration.settings.routes)
    return {name: known[name].as_dict() for name in asked if name in known}


def _tell_next(summary: Summary, asked: _Asked, *, is_dry: bool) -> None:
    """What a person does now, as after a run."""
    with loading():
        from bulkmove.report.summary import next_steps

    if asked.output.as_json or asked.output.quiet or is_dry:
        return
    finished = {name: name in summary.finished for name in summary.routes}
    where = told_of(asked.file, asked.ledger)
    for line in next_steps(summary, finished=finished, file=where, command="delta"):
        click.echo(line)
