"""`bulkmove run`: run a migration, or go on where it stopped."""

from __future__ import annotations

import sys
from typing import Any

import click

from bulkmove.cli.ending import EndingCommand, RunRequest, last_line
from bulkmove.cli.exits import exits
from bulkmove.cli.going import going_options
from bulkmove.cli.guarding import execute_option
from bulkmove.cli.held import held_options
from bulkmove.cli.loading import loading
from bulkmove.cli.options import Output, ledger_option, migration_file, output_options, routes_option


@click.command("run", cls=EndingCommand)
@migration_file
@routes_option
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
@click.option("--yes", is_flag=True, help="Answer yes to what is asked: by --fresh, and by a canary.")
@execute_option
@going_options
@held_options
@output_options
def command(*, output: Output, **asked: Any) -> None:
    """Run the migration that FILE (default: migration.toml) describes, or go on where it stopped.

    Ctrl-C or SIGTERM finishes what is in flight; a second one cancels. Either way, run again goes on. Where a target's
    host is live it takes --execute, and is a dry run without.

    Ends with 0 when all is accounted for, 3 when records were rejected or are unknown, 2 for a mistake in the
    configuration, 4 when a canary does not stand as it was sent, 5 when a host stayed unreachable or a list could not be proven read, 6 when credentials were
    refused, 7 when more was rejected than max_rejected allows, 11 when another run holds the ledger, 130 or 143 when
    interrupted.
    """
    # The options are named as the request's fields are.
    request = RunRequest(output=output, **asked)
    with last_line(output) as ending:
        with exits():
            # The pipeline brings every room with it, and an interrupt while it is loaded ends like any other.
            with loading():
                from bulkmove.cli.running import perform

            code = perform(request, ending)
        sys.exit(code)
