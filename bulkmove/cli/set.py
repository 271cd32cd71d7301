"""`bulkmove set`: a run that is going gets another rate, or another concurrency, for a host."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from bulkmove.cli.completing import complete_hosts
from bulkmove.cli.exits import exits
from bulkmove.cli.loading import loading
from bulkmove.cli.options import Output, ledger_option, output_options
from bulkmove.model import Json, JsonObject

_KEYS = ("rate", "concurrency")
_DEFAULT = "default"


@click.command("set")
@click.argument(
    "words", metavar="[FILE] HOST KEY=VALUE...", nargs=-1, required=True, shell_complete=complete_hosts
)
@ledger_option
@output_options
def command(*, words: tuple[str, ...], ledger: Path | None, output: Output) -> None:
    """Give HOST another rate or concurrency in the run of FILE (default: migration.toml) that is going.

    rate=10/s, or several windows as rate=4/s,80/min; concurrency=4; either may be `default`: what the configuration
    says. It holds at once, before rate_at too, until the run ends. Ends with 2 where no run is going, with 1 where the
    run does not answer.
    """
    with exits():
        with loading():
            from bulkmove.cli.exits import tell
            from bulkmove.cli.steering import check_host, file_and_host, print_answer
            from bulkmove.config import load_migration
            from bulkmove.ledger.control import ask_run
            from bulkmove.pipeline.control import beyond_published, told

        file, host = file_and_host([word for word in words if "=" not in word])
        asked = _settings([word for word in words if "=" in word])
        if host is None:
            raise click.UsageError("which host? as in: bulkmove set new rate=10/s")
        settings = load_migration(file, ledger=ledger, with_credentials=False)
        check_host(settings, host)
        if (warning := beyond_published(settings.hosts[host], asked)) is not None:
            tell(f"warning: {warning}")
        answer = ask_run(settings.ledger, "set", host, asked)
        for name, each in print_answer("set", answer, output).items():
            click.echo(f"{name}: {told(each)}")


def _settings(words: Sequence[str]) -> JsonObject:
    """`rate=4/s,80/min concurrency=4` as the run is told. Raises ConfigError for what a configuration would not take."""
    with loading():
        from bulkmove.connectors.asking import nearest
        from bulkmove.errors import ConfigError

    found: JsonObject = {}
    for word in words:
        key, _, value = word.partition("=")
        if key not in _KEYS:
            raise ConfigError(f"{key}: can't be set{nearest(key, _KEYS)}")
        if key in found:
            raise ConfigError(
                f"{key}: is given twice; several windows are joined by commas, as rate=4/s,80/min"
            )
        try:
            found[key] = _DEFAULT if value == _DEFAULT else _VALUES[key](value)
        except ValueError as error:
            raise ConfigError(f"{key}: {error}, or default; not {value!r}") from None
    if not found:
        raise ConfigError("nothing to set; as in: bulkmove set new rate=10/s concurrency=4")
    return found


def _rate(value: str) -> Json:
    with loading():
        from bulkmove.config.rates import parse_window

    return [str(parse_window(part)) for part in value.split(",")]


def _concurrency(value: str) -> Json:
    if not value.isdecimal() or not 1 <= int(value) <= MOST_AT_ONCE:
        raise ValueError(f"must be a whole number from 1 to {MOST_AT_ONCE:,}")
    return int(value)


MOST_AT_ONCE = 1000
_VALUES = {"rate": _rate, "concurrency": _concurrency}
