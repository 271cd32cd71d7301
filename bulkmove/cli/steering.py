"""What `pause`, `resume` and `set` have in common: whom they ask, and how they say what the run answered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import orjson

from bulkmove.cli.options import Output
from bulkmove.connectors.asking import nearest
from bulkmove.errors import ConfigError
from bulkmove.model import JsonObject
from bulkmove.settings import MigrationSettings

_DEFAULT_FILE = Path("migration.toml")


def file_and_host(words: Sequence[str]) -> tuple[Path, str | None]:
    """`[FILE] [HOST]`: a lone word is a file where it looks like one, else a host of ./migration.toml."""
    match words:
        case []:
            return _DEFAULT_FILE, None
        case [word] if word.endswith(".toml") or "/" in word or Path(word).is_file():
            return Path(word), None
        case [word]:
            return _DEFAULT_FILE, word
        case [file, host]:
            return Path(file), host
    raise click.UsageError(f"at most a file and a host are expected, not {len(words)} words")


def check_host(settings: MigrationSettings, host: str | None) -> None:
    """Raises ConfigError, with the nearest name, for a host that the migration has not."""
    if host is not None and host not in settings.hosts:
        where = settings.file or settings.name
        raise ConfigError(f"{where}: there is no host {host!r}{nearest(host, settings.hosts)}")


def print_answer(verb: str, answer: JsonObject, output: Output) -> dict[str, JsonObject]:
    """As JSON where that was asked for; else the caller says it: what each host answered."""
    hosts = answer.get("hosts")
    if output.as_json:
        click.echo(orjson.dumps({"type": verb, "hosts": hosts}))
        return {}
    return (
        {name: each for name, each in hosts.items() if isinstance(each, dict)}
        if isinstance(hosts, dict)
        else {}
    )
