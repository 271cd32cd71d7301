"""`bulkmove run`: run a migration, or go on where it stopped."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bulkmove.cli.ending import EndingCommand, RunRequest, last_line
from bulkmove.cli.exits import exits
from bulkmove.cli.options import Output, ledger_option, migration_file, output_options


@click.command("run", cls=EndingCommand)
@migration_file
@click.option("--route", "routes", metavar="NAME", multiple=True, help="This route alone; may be repeated.")
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(min=1),
    help="Map at most N records a route, and leave the rest to the next run.",
)
@click.option("--dry-run", is_flag=True, help="Read and map, on a throw-away ledger, and write nothing.")
@ledger_option
@click.option(
    "--accept-changes", is_flag=True, help="Let a changed configuration hold for what is not yet mapped."
)
@click.option(
    "--fresh", is_flag=True, help="Begin anew: put the ledger aside under another name. Asks first."
)
@click.option("--yes", is_flag=True, help="Answer what --fresh asks.")
@output_options
def command(
    *,
    file: Path,
    routes: tuple[str, ...],
    limit: int | None,
    dry_run: bool,
    ledger: Path | None,
    accept_changes: bool,
    fresh: bool,
    yes: bool,
    output: Output,
) -> None:
    """Run the migration that FILE (default: migration.toml) describes, or go on where it stopped.

    Ctrl-C or SIGTERM finishes what is in flight; a second one cancels. Either way, run again goes on.

    Ends with 0 when all is accounted for, 3 when records were rejected or are unknown, 2 for a mistake in the
    configuration, 5 when a host stayed unreachable or a list could not be proven read, 6 when credentials were
    refused, 7 when more was rejected than max_rejected allows, 11 when another run holds the ledger, 130 or 143 when
    interrupted.
    """
    request = RunRequest(
        file=file,
        ledger=ledger,
        routes=routes,
        limit=limit,
        dry_run=dry_run,
        accept_changes=accept_changes,
        fresh=fresh,
        yes=yes,
        output=output,
    )
    with last_line(output) as ending:
        with exits():
            # The pipeline brings every room with it, and an interrupt while it is loaded ends like any other.
            from bulkmove.cli.running import perform

            code = perform(request, ending)
        sys.exit(code)
