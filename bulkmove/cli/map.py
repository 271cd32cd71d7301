"""`bulkmove map`: a route's mapping tried on records from stdin."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from bulkmove.cli.exits import exits, tell
from bulkmove.cli.loading import loading
from bulkmove.cli.options import Output, output_options

if TYPE_CHECKING:
    from bulkmove.model import JsonObject
    from bulkmove.pipeline.trying import Tried

_NOT_MAPPED = 3


@click.command("map")
@click.argument("arguments", metavar="[FILE] ROUTE", nargs=-1, required=True)
@click.option("--offline", is_flag=True, help="Load no look-up from a host: what it would resolve does not.")
@output_options
def command(*, arguments: tuple[str, ...], offline: bool, output: Output) -> None:
    """Try a route's mapping on one record, or on several JSON lines: bulkmove map orders < record.json

    FILE is migration.toml by default. Prints the bodies that would be sent, or why the record is rejected or skipped.
    Nothing is read from the route's source, matched with the target's rows or written; look-ups that the mapping
    needs are loaded from their hosts.

    Ends with 0 when every record is mapped, 3 when one is rejected or skipped, 2 for a mistake in the configuration
    or on stdin, 5 when a look-up's host stayed unreachable, 6 when it refused the credentials.
    """
    with exits():
        code = _map(arguments, offline=offline, output=output)
    sys.exit(code)


def _map(arguments: Sequence[str], *, offline: bool, output: Output) -> int:
    with loading():
        from functools import partial

        import anyio

        from bulkmove.cli.by_hand import split_file
        from bulkmove.config import load_migration
        from bulkmove.errors import ConfigError
        from bulkmove.pipeline.migration import Migration

    file, names = split_file(arguments, most=1)
    settings = load_migration(file)
    if not names:
        raise ConfigError(f"{file}: which route? There are {', '.join(settings.routes)}")
    tried = anyio.run(partial(Migration(settings).map, names[0], _records(), offline=offline))
    for each in tried:
        _print(each, names[0], output)
    return 0 if all(each.outcome == "mapped" for each in tried) else _NOT_MAPPED


def _records() -> list[JsonObject]:
    """What stands on stdin: one JSON object over any lines, an array of them, or one a line."""
    with loading():
        from bulkmove.errors import ConfigError
        from bulkmove.exact import decode_json

    if sys.stdin.isatty():
        tell("a record as JSON, then Ctrl-D:")
    text = sys.stdin.buffer.read()
    if not text.strip():
        raise ConfigError("stdin is empty: give a record as JSON, as in bulkmove map orders < record.json")
    try:
        whole = decode_json(text)
    except ValueError:
        whole = [_record(line, number) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    records = whole if isinstance(whole, list) else [whole]
    if not all(isinstance(record, dict) for record in records):
        raise ConfigError("stdin: a record must be a JSON object")
    return records


def _record(line: bytes, number: int) -> JsonObject:
    with loading():
        from bulkmove.errors import ConfigError
        from bulkmove.exact import decode_json

    try:
        record: JsonObject = decode_json(line)
    except ValueError as error:
        raise ConfigError(f"stdin: line {number} is not JSON: {error}") from None
    return record


def _print(tried: Tried, route: str, output: Output) -> None:
    with loading():
        from bulkmove.exact import encode_json

    if output.as_json:
        line: dict[str, object] = {"type": tried.outcome, "route": route, "source_id": tried.source_id}
        if tried.outcome == "mapped":
            line["mapped"] = tried.bodies[0] if len(tried.bodies) == 1 else tried.bodies
        else:
            line |= {"cause": tried.cause, "message": tried.message}
        click.echo(encode_json(line))
        return
    if tried.outcome == "mapped":
        _print_bodies(tried)
    else:
        name = f"record {tried.source_id}" if tried.source_id else "the record"
        why = f": {tried.message}" if tried.message else ""
        tell(f"{name} is {tried.outcome}: {tried.cause}{why}")


def _print_bodies(tried: Tried) -> None:
    """Indented, in colour on a terminal."""
    with loading():
        from rich.console import Console
        from rich.highlighter import JSONHighlighter
        from rich.text import Text

        from bulkmove.cli.exchange import pretty

    console = Console(soft_wrap=True)
    for body in tried.bodies:
        if console.is_terminal:
            console.print(JSONHighlighter()(Text(pretty(body))))
        else:
            click.echo(pretty(body))
