"""`bulkmove repair`: what the last verification found, mended."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bulkmove.cli.ending import Ending, EndingCommand, last_line
from bulkmove.cli.exits import exits, tell
from bulkmove.cli.guarding import execute_option, is_held_back, refuse_both
from bulkmove.cli.loading import loading
from bulkmove.cli.options import Output, ledger_option, migration_file, output_options, routes_option

if TYPE_CHECKING:
    from bulkmove.cutover.verify import Repair
    from bulkmove.settings import MigrationSettings

# As bulkmove.cutover.verify.KINDS has them, which takes long to import.
_KINDS = ("missing", "different", "doubled", "extra")


@click.command("repair", cls=EndingCommand)
@migration_file
@routes_option
@click.option(
    "--only", "kinds", type=click.Choice(_KINDS), multiple=True, help="Of this kind alone; may be repeated."
)
@click.option(
    "--deletions", is_flag=True, help="Delete copies of rows, where one was made twice; asks first."
)
@click.option("--dry-run", is_flag=True, help="Say what would be mended, and write nothing.")
@click.option("--yes", is_flag=True, help="Do not ask before rows are deleted.")
@ledger_option
@execute_option
@output_options
def command(
    *,
    file: Path,
    routes: tuple[str, ...],
    kinds: tuple[str, ...],
    deletions: bool,
    dry_run: bool,
    yes: bool,
    ledger: Path | None,
    execute: bool,
    output: Output,
) -> None:
    """Mend exactly what the last `bulkmove verify` of FILE (default: migration.toml) found; of a sample, what that found.

    Rows that differ are written once more; records that are missing are made again, once the target's list was read and
    does not hold them. Copies of a row that was made twice are deleted with --deletions alone, where the API
    deletes; rows of records that are gone are delta's work. Cut off anywhere, repair goes on. Where a target's host is live it
    takes --execute, and is a dry run without.

    Ends with 0 when all that was found is mended, 4 when some of it is left; else as run does: 2, 3, 5, 6, 11, 130 or
    143.
    """
    with last_line(output) as ending:
        with exits():
            code = _repair(
                file,
                ledger=ledger,
                routes=routes,
                wanted=(kinds or _KINDS, deletions, dry_run),
                is_asked=not yes,
                execute=execute,
                output=output,
                ending=ending,
            )
        sys.exit(code)


def _repair(
    file: Path,
    *,
    ledger: Path | None,
    routes: tuple[str, ...],
    wanted: tuple[tuple[str, ...], bool, bool],
    is_asked: bool,
    execute: bool,
    output: Output,
    ending: Ending,
) -> int:
    with loading():
        from functools import partial

        import anyio

        from bulkmove.cli.interrupting import Interruption, Stopping, ended_by_itself, run_interruptible
        from bulkmove.cli.showing import shown, style_of
        from bulkmove.cli.tuning import tune
        from bulkmove.cli.warned import warn
        from bulkmove.config import load_migration
        from bulkmove.cutover.verify import Wanted, repair_migration
        from bulkmove.report.standing import Standing

    kinds, deletions, dry_run = wanted
    settings = load_migration(file, ledger=ledger)
    warn(settings)
    refuse_both(execute=execute, dry_run=dry_run)
    dry_run = dry_run or is_held_back(settings, routes, execute=execute)
    if deletions and is_asked and not dry_run:
        _ask(settings, routes, kinds)
    tune()
    standing, interruption, stop = Standing(), Interruption(), Stopping(anyio.Event())
    with ended_by_itself(ending), shown(standing, style_of(output), sys.stderr) as observer:
        work = partial(
            repair_migration,
            settings,
            routes=routes,
            wanted=Wanted(kinds=kinds, deletions=deletions, dry_run=dry_run),
            execute=True,
            observer=observer,
            stop=stop.event,
        )
        repair = run_interruptible(work, stop, interruption)
    if repair is None:
        return interruption.exit_code or 0
    ending.routes = {name: counts.as_dict() for name, counts in repair.counts.items()}
    _tell(repair, file, output)
    return interruption.exit_code or repair.exit_code


def _tell(repair: Repair, file: Path, output: Output) -> None:
    with loading():
        from bulkmove.report.repair import tell_repair

    for error in repair.errors:
        tell(f"error: {error}")
    tell_repair(
        repair.mended,
        left=repair.left,
        notes=repair.notes,
        is_dry=repair.is_dry,
        file="" if str(file) == "migration.toml" else str(file),
        as_json=output.as_json,
    )


def _ask(settings: MigrationSettings, routes: tuple[str, ...], kinds: tuple[str, ...]) -> None:
    """Raises ConfigError where nobody can be asked, or the answer was no."""
    with loading():
        import anyio

        from bulkmove.cli.asking import confirmed
        from bulkmove.cutover.verify import found_to_repair
        from bulkmove.errors import ConfigError

    found = anyio.run(found_to_repair, settings, routes)
    count = _to_delete(found, kinds)
    if not count:
        return
    if not sys.stdin.isatty():
        raise ConfigError(
            f"--deletions deletes the rows of {count:,} findings; nobody can be asked here: --yes says that it is meant"
        )
    if not confirmed(f"Delete copies of {count:,} rows that are doubled for good?"):
        raise ConfigError("nothing was done; without --deletions only what differs or is missing is mended")


def _to_delete(found: Mapping[str, Mapping[str, int]], kinds: tuple[str, ...]) -> int:
    return sum(
        count
        for counts in found.values()
        for kind, count in counts.items()
        if kind in kinds and kind == "doubled"
    )
