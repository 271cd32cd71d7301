"""`bulkmove undo`: what the migration wrote, taken back."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bulkmove.cli.asking import confirmed
from bulkmove.cli.choosing import ids_option
from bulkmove.cli.ending import Ending, EndingCommand, last_line
from bulkmove.cli.exits import exits, tell
from bulkmove.cli.guarding import execute_option, is_held_back, refuse_both
from bulkmove.cli.loading import loading
from bulkmove.cli.options import Output, ledger_option, migration_file, output_options, routes_option
from bulkmove.errors import BulkmoveError, ConfigError

if TYPE_CHECKING:
    from bulkmove.cli.interrupting import Interruption
    from bulkmove.cutover.undo import Undo
    from bulkmove.report.standing import Standing
    from bulkmove.settings import MigrationSettings


@click.command("undo", cls=EndingCommand)
@migration_file
@routes_option
@ids_option
@click.option(
    "--edited-too",
    is_flag=True,
    help="Undo rows, too, that were edited since, or of which that can't be told.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be undone, and write nothing.")
@click.option("--yes", is_flag=True, help="Answer yes to what is asked.")
@ledger_option
@execute_option
@output_options
def command(
    *,
    file: Path,
    routes: tuple[str, ...],
    ids: tuple[str, ...],
    edited_too: bool,
    dry_run: bool,
    yes: bool,
    ledger: Path | None,
    execute: bool,
    output: Output,
) -> None:
    """Take back what the migration of FILE (default: migration.toml) wrote, newest first, later routes before earlier ones.

    Rows that it created are deleted, or set as the route's undo_with says; rows that it changed are put back as they
    were, where keep_before kept that. Each row is read first: one that was edited since is left alone and named. Shows
    what it would do and asks. Cut off anywhere, undo goes on. Where a target's host is live it takes --execute, and is
    a dry run without.

    Ends with 0 when all is undone, 3 when rows are left, 2 for a mistake in the configuration, 5, 6, 11, 130 or 143 as
    run does.
    """
    asked = _Asked(
        file, ledger, routes, ids, output, edited_too=edited_too, dry_run=dry_run, yes=yes, execute=execute
    )
    with last_line(output) as ending:
        with exits():
            code = _perform(asked, ending)
        sys.exit(code)


@dataclass(frozen=True)
class _Asked:
    file: Path
    ledger: Path | None
    routes: tuple[str, ...]
    ids: tuple[str, ...]
    output: Output
    edited_too: bool
    dry_run: bool
    yes: bool
    execute: bool


def _perform(asked: _Asked, ending: Ending) -> int:
    """Show what would be undone and ask; then undo it, and tell what came of it."""
    with loading():
        from bulkmove.cli.interrupting import Interruption
        from bulkmove.cli.tuning import tune
        from bulkmove.cli.warned import warn
        from bulkmove.config import load_migration

    settings = load_migration(asked.file, ledger=asked.ledger)
    warn(settings)
    refuse_both(execute=asked.execute, dry_run=asked.dry_run)
    is_dry = asked.dry_run or is_held_back(settings, asked.routes, execute=asked.execute)
    tune()
    try:
        if is_dry or not asked.yes:
            if not is_dry:
                _refuse_where_nobody_answers()
            interruption = Interruption(has_nothing_to_lose=True)
            undo, standing = _undo(settings, asked, ending, interruption, dry_run=True)
            if undo is None:
                return interruption.exit_code or 0
            code = _told(undo, standing, asked, ending)
            if is_dry or interruption.exit_code or undo.is_nothing or code not in (0, 3):
                return interruption.exit_code or code
            if not confirmed(_question(undo, settings)):
                tell("nothing was undone")
                return 2
        interruption = Interruption()
        undo, standing = _undo(settings, asked, ending, interruption, dry_run=False)
        if undo is None:
            ending.routes = _known(settings)
            return interruption.exit_code or 0
    except BaseException:
        ending.routes = ending.routes or _known(settings)
        raise
    code = _told(undo, standing, asked, ending)
    return interruption.exit_code or code


def _refuse_where_nobody_answers() -> None:
    if not sys.stdin.isatty():
        raise ConfigError(
            "undo deletes and changes rows at the target; nobody can be asked here: --dry-run shows what it would do,"
            " --yes says that it is meant"
        )


def _undo(
    settings: MigrationSettings,
    asked: _Asked,
    ending: Ending,
    interruption: Interruption,
    *,
    dry_run: bool,
) -> tuple[Undo | None, Standing]:
    """No Undo where a second signal cancelled it."""
    with loading():
        import anyio

        from bulkmove.cli.interrupting import Stopping, ended_by_itself, run_interruptible
        from bulkmove.cli.showing import shown, style_of
        from bulkmove.cutover.undo import undo_migration
        from bulkmove.report.standing import Standing

    stop, standing = Stopping(anyio.Event()), Standing()
    with ended_by_itself(ending), shown(standing, style_of(asked.output), sys.stderr) as observer:

        async def work() -> Undo:
            return await undo_migration(
                settings,
                observer,
                routes=asked.routes,
                ids=asked.ids,
                edited_too=asked.edited_too,
                dry_run=dry_run,
                execute=True,
                stop=stop.event,
            )

        return run_interruptible(work, stop, interruption), standing


def _told(undo: Undo, standing: Standing, asked: _Asked, ending: Ending) -> int:
    with loading():
        from bulkmove.cli.running import errors_of
        from bulkmove.report.undo import tell_undo_json, tell_undo_text

    ending.routes = {name: counts.as_dict() for name, counts in undo.summary.routes.items()}
    errors = errors_of(undo.summary, standing)
    for error in errors:
        tell(f"error: {error}")
    output, notes = asked.output, [note for note in undo.summary.notes if note not in errors]
    if output.as_json:
        tell_undo_json(undo.routes, notes, is_dry=undo.is_dry)
    else:
        tell_undo_text(undo.routes, notes, is_dry=undo.is_dry, verbose=output.verbose, quiet=output.quiet)
    return undo.summary.exit_code or 0


def _question(undo: Undo, settings: MigrationSettings) -> str:
    rows: Mapping[str, int] = {
        name: sum(route.rows.get(step, 0) for step in ("delete", "set", "restore"))
        for name, route in undo.routes.items()
    }
    named = ", ".join(f"{count:,} of route {name}" for name, count in rows.items() if count)
    return f"Undo {settings.name}: {named or 'what is gone already'}?"


def _known(settings: MigrationSettings) -> dict[str, dict[str, int]]:
    """What the ledger knows of an undo that did not get to its summary."""
    with loading():
        from bulkmove.pipeline.migration import Migration

    try:
        known = Migration(settings).status().routes if settings.ledger.exists() else {}
    except BulkmoveError:
        return {}
    return {name: counts.as_dict() for name, counts in known.items()}
