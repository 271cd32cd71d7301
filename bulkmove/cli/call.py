"""`bulkmove call`: one documented call of a host's API, by hand."""

from __future__ import annotations

import sys
from json import JSONDecodeError
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bulkmove.cli.by_hand import pairs, split_file
from bulkmove.cli.exits import exits
from bulkmove.cli.guarding import execute_option
from bulkmove.cli.loading import loading
from bulkmove.cli.options import Output, output_options

if TYPE_CHECKING:
    from bulkmove.pipeline.hosts import Call


@click.command("call")
@click.argument("arguments", metavar="[FILE] HOST [OPERATION]", nargs=-1, required=True)
@click.option(
    "--param",
    "parameters",
    metavar="NAME=VALUE",
    multiple=True,
    help="A parameter of the path or the query; may be repeated.",
)
@click.option("--body", metavar="FILE", help="The JSON to send; - reads it from standard input.")
@click.option("--yes", is_flag=True, help="Answer what is asked before a write.")
@execute_option
@output_options
def command(
    *,
    arguments: tuple[str, ...],
    parameters: tuple[str, ...],
    body: str | None,
    yes: bool,
    execute: bool,
    output: Output,
) -> None:
    """Make any documented call of a host of FILE (default: migration.toml): bulkmove call old get-order --param id=7

    Without OPERATION, lists the host's calls. Asks before a write. The answer's body goes to stdout, request, status
    and headers to stderr; credentials are never shown.

    Ends with 0 for a 2xx, 3 for another 4xx than 401 and 403, 6 for these two, 2 for a mistake, 5 when the host could
    not be reached, kept failing, or left open whether a write was done: such a write is sent once.
    """
    with exits():
        with loading():
            from bulkmove.cli.calling import Performance, list_calls, perform
            from bulkmove.config import load_migration
            from bulkmove.errors import ConfigError
            from bulkmove.pipeline.guards import is_live
            from bulkmove.pipeline.hosts import call_named, calls_of, request_for

        file, names = split_file(arguments, most=2)
        settings = load_migration(file)
        if not names:
            raise ConfigError(f"{file}: which host? There are {', '.join(settings.hosts)}")
        if len(names) == 1:
            if parameters or body is not None:
                raise ConfigError(f"which operation? bulkmove call {names[0]} lists those there are")
            list_calls(calls_of(settings, names[0]), as_json=output.as_json)
            return
        call = call_named(settings, names[0], names[1])
        request = request_for(call, pairs(parameters, "--param"), _read_body(call, body))
        if call.operation.is_write and is_live(settings, names[0]) and not execute:
            raise ConfigError(f"{names[0]} is live (live = true), and {names[1]} writes: it takes --execute")
        perform(Performance(call, request, output), yes=yes)


def _read_body(call: Call, name: str | None) -> bytes | None:
    """The body as JSON, checked to be an object or an array as the call takes it. Raises ConfigError."""
    with loading():
        from bulkmove.errors import ConfigError
        from bulkmove.exact import decode_json, encode_json

    kind = call.operation.body
    if name is None:
        if kind != "none":
            raise ConfigError(
                f"{call.operation.name} needs a body: --body FILE, or --body - for standard input"
            )
        return None
    if kind == "none":
        raise ConfigError(f"{call.operation.name} takes no body")
    where = "standard input" if name == "-" else name
    try:
        text = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise ConfigError(f"--body {where}: {error.strerror}") from error
    try:
        value = decode_json(text)
    except JSONDecodeError as error:
        raise ConfigError(
            f"--body {where}: no JSON, line {error.lineno}, column {error.colno}: {error.msg}"
        ) from None
    except ValueError:
        raise ConfigError(f"--body {where}: no JSON") from None
    if not isinstance(value, dict if kind == "object" else list):
        raise ConfigError(f"--body {where}: {call.operation.name} takes an {kind}")
    try:
        return encode_json(value)
    except TypeError:
        raise ConfigError(
            f"--body {where}: holds half a character (a lone surrogate), which can't be sent"
        ) from None
