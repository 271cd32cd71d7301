"""`bulkmove resume`: a host that was paused by hand goes on."""

from __future__ import annotations

from pathlib import Path

import click

from bulkmove.cli.completing import complete_hosts
from bulkmove.cli.exits import exits
from bulkmove.cli.loading import loading
from bulkmove.cli.options import Output, ledger_option, output_options


@click.command("resume")
@click.argument("words", metavar="[FILE] [HOST]", nargs=-1, shell_complete=complete_hosts)
@ledger_option
@output_options
def command(*, words: tuple[str, ...], ledger: Path | None, output: Output) -> None:
    """Let the run of FILE (default: migration.toml) go on with HOST, or all hosts, after `bulkmove pause`.

    Ends with 2 where no run is going, with 1 where the run does not answer.
    """
    with exits():
        with loading():
            from bulkmove.cli.steering import check_host, file_and_host, print_answer
            from bulkmove.config import load_migration
            from bulkmove.ledger.control import ask_run

        file, host = file_and_host(words)
        settings = load_migration(file, ledger=ledger, with_credentials=False)
        check_host(settings, host)
        answer = ask_run(settings.ledger, "resume", host, {})
        for name, each in print_answer("resume", answer, output).items():
            click.echo(f"{name}: {'goes on' if each['was_paused'] else 'was not paused by hand'}")
