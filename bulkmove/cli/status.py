"""`bulkmove status`: how far a migration is, also while a run is going."""

from __future__ import annotations

from pathlib import Path

import click
import orjson

from bulkmove.cli.exits import exits
from bulkmove.cli.loading import loading
from bulkmove.cli.options import Output, ledger_option, migration_file, output_options, told_of


@click.command("status")
@migration_file
@ledger_option
@output_options
def command(*, file: Path, ledger: Path | None, output: Output) -> None:
    """Say how far the migration of FILE (default: migration.toml) is, from its ledger alone; no host is asked.

    Ends with 0, whatever it finds, also while a run is going.
    """
    with exits():
        with loading():
            from bulkmove.config import load_migration
            from bulkmove.pipeline.status import status_of

        settings = load_migration(file, ledger=ledger, with_credentials=False)
        summary = status_of(settings)
        if output.as_json:
            routes = {name: counts.as_dict() for name, counts in summary.routes.items()}
            for note in summary.notes:
                click.echo(orjson.dumps({"type": "note", "text": note}))
            line = {"type": "summary", "exit": summary.exit_code, "routes": routes}
            click.echo(orjson.dumps(line))
            return
        with loading():
            from bulkmove.report.summary import next_steps, summary_table
            from bulkmove.report.telling import stdout_console

        finished = {name: name in summary.finished for name in summary.routes}
        console = stdout_console()
        console.print(summary_table(summary, finished=finished))
        if output.quiet:
            return
        if not settings.ledger.exists():
            click.echo(f"not begun: there is no ledger at {settings.ledger} yet")
            return
        if summary.exit_code is None:
            click.echo("a run is going")
        for note in summary.notes:
            click.echo(note)
        where = told_of(file, ledger)
        for line_text in next_steps(summary, finished=finished, file=where):
            click.echo(line_text)
