"""The options that commands share: the migration's file, ledger and routes, and how a command speaks."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import click

from bulkmove.cli.completing import complete_routes

Progress = Literal["auto", "always", "never"]
LogFormat = Literal["text", "json"]

_Command = TypeVar("_Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Output:
    """How a command speaks: data to stdout as text or `as_json`, the rest to stderr."""

    as_json: bool = False
    verbose: bool = False
    quiet: bool = False
    progress: Progress = "auto"
    log_format: LogFormat = "text"


def migration_file(command: _Command) -> _Command:
    """The argument `file`, a Path; whether it is there is said by whoever reads it."""
    return click.argument(
        "file", metavar="[FILE]", type=click.Path(path_type=Path), default=Path("migration.toml")
    )(command)


def ledger_option(command: _Command) -> _Command:
    return click.option(
        "--ledger",
        metavar="PATH",
        type=click.Path(path_type=Path, dir_okay=False),
        help="The ledger, in place of the one that FILE names.",
    )(command)


def routes_option(command: _Command) -> _Command:
    return click.option(
        "--route",
        "routes",
        metavar="NAME",
        multiple=True,
        shell_complete=complete_routes,
        help="This route alone; may be repeated.",
    )(command)


def output_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options of every command, handed to it as one Output named `output`; each is also a BULKMOVE_ variable."""

    @functools.wraps(command)
    def with_output(
        *, as_json: bool, verbose: bool, quiet: bool, progress: Progress, log_format: LogFormat, **rest: Any
    ) -> None:
        output = Output(
            as_json=as_json, verbose=verbose, quiet=quiet, progress=progress, log_format=log_format
        )
        command(output=output, **rest)

    for option in reversed(_OUTPUT_OPTIONS):
        with_output = option(with_output)
    return with_output


def told_of(file: Path, ledger: Path | None) -> str:
    """What a hint names behind a command, so that it means the same migration; empty for the default."""
    words = [] if str(file) == "migration.toml" else [str(file)]
    return " ".join([*words, *([] if ledger is None else ["--ledger", str(ledger)])])


_OUTPUT_OPTIONS = (
    click.option(
        "--json", "as_json", is_flag=True, envvar="BULKMOVE_JSON", help="Print JSON, one object a line."
    ),
    click.option(
        "-v", "--verbose", is_flag=True, envvar="BULKMOVE_VERBOSE",
        help="Say more: whole messages, and the tracebacks of errors.",
    ),
    click.option(
        "--quiet", is_flag=True, envvar="BULKMOVE_QUIET",
        help="No progress and no hints: results, warnings and errors alone.",
    ),
    click.option(
        "--progress", type=click.Choice(["auto", "always", "never"]), default="auto", show_default=True,
        envvar="BULKMOVE_PROGRESS",
        help="auto: unless --quiet. A terminal shows bars, anything else gets a line every 30 s.",
    ),
    click.option(
        "--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True,
        envvar="BULKMOVE_LOG_FORMAT", help="How progress and notes are written to stderr.",
    ),
)  # fmt: skip
