"""`bulkmove pause`: a run that is going sends nothing more to a host."""

from __future__ import annotations

from pathlib import Path

import click

from bulkmove.cli.completing import complete_hosts
from bulkmove.cli.exits import exits
from bulkmove.cli.loading import loading
from bulkmove.cli.options import Output, ledger_option, output_options


@click.command("pause")
@click.argument("words", metavar="[FILE] [HOST]", nargs=-1, shell_complete=complete_hosts)
@ledger_option
@output_options
def command(*, words: tuple[str, ...], ledger: Path | None, output: Output) -> None:
    """Let the run of FILE (default: migration.toml) that is going send nothing more to HOST, or to any host.

    What is in flight is finished; `bulkmove resume` lets it go on, and the run can be stopped meanwhile. It lasts until
    the run ends. Ends with 2 where no run is going, with 1 where the run does not answer.
    """
    with exits():
        with loading():
            from bulkmove.cli.steering import check_host, file_and_host, print_answer
            from bulkmove.config import load_migration
            from bulkmove.ledger.control import ask_run

        file, host = file_and_host(words)
        settings = load_migration(file, ledger=ledger, with_credentials=False)
        check_host(settings, host)
        answer = ask_run(settings.ledger, "pause", host, {})
        for name, each in print_answer("pause", answer, output).items():
            count = each["in_flight"]
            flying = (
                "nothing in flight"
                if not count
                else f"{count} request{'' if count == 1 else 's'} still in flight"
            )
            click.echo(f"{name}: paused: {flying}")
