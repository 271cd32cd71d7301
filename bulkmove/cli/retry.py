"""`bulkmove retry`: records that failed, put to work again."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bulkmove.cli.choosing import cause_option, ids_option
from bulkmove.cli.ending import EndingCommand, RetryRequest, RunRequest, last_line
from bulkmove.cli.exits import exits
from bulkmove.cli.going import Going, going_options
from bulkmove.cli.guarding import execute_option
from bulkmove.cli.loading import loading
from bulkmove.cli.options import Output, ledger_option, migration_file, output_options, routes_option


@click.command("retry", cls=EndingCommand)
@migration_file
@routes_option
@cause_option
@ids_option
@click.option("--remap", is_flag=True, help="Map anew what was rejected, also where its body is kept.")
@click.option("--dry-run", is_flag=True, help="Say what would be done with them, and do nothing.")
@ledger_option
@execute_option
@going_options
@output_options
def command(
    *,
    file: Path,
    routes: tuple[str, ...],
    causes: tuple[str, ...],
    ids: tuple[str, ...],
    remap: bool,
    dry_run: bool,
    ledger: Path | None,
    execute: bool,
    going: Going,
    output: Output,
) -> None:
    """Put the failed records of FILE (default: migration.toml) to work again, and nothing else: all, or those chosen.

    What a host refused is sent again as it was mapped, once its list was read and does not hold it; what has no
    body, and with --remap all that was rejected, is read at its source and mapped anew. What is of unknown fate is
    looked for once more. A mended mapping is taken up. Cut off anywhere, retry or run goes on. Where a target's host is
    live it takes --execute, and is a dry run without.

    Ends as run does: 0 when all is accounted for, 3 when records are still rejected or unknown, 2 for a mistake in
    the configuration or a name that is not there, 5, 6, 7, 11, 130 or 143.
    """
    request = RunRequest(
        file=file,
        ledger=ledger,
        routes=routes,
        output=output,
        execute=execute,
        going=going,
        again=RetryRequest(causes=causes, ids=ids, remap=remap, dry_run=dry_run),
    )
    with last_line(output) as ending:
        with exits():
            with loading():
                from bulkmove.cli.running import perform

            code = perform(request, ending)
        sys.exit(code)
