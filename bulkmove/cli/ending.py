"""What one run is asked for, and the last line that tells how a command ended, however it did."""

from __future__ import annotations

import os
import signal
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import click
import orjson

from bulkmove.cli.exits import UNEXPECTED, tell
from bulkmove.cli.going import Going
from bulkmove.cli.held import Held
from bulkmove.cli.options import Output
from bulkmove.errors import INTERRUPTED
from bulkmove.report.logged import said

TERMINATED = 143
_USAGE = 2
_FALSE = ("", "0", "false", "f", "no", "n", "off")


@dataclass(frozen=True, slots=True)
class RetryRequest:
    """Which failures a `bulkmove retry` is to work, and whether it maps anew what has a kept body.

    `dry_run`: it is only told what would be done.
    """

    causes: tuple[str, ...]
    ids: tuple[str, ...]
    remap: bool
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What one `bulkmove run` is asked for, or a `bulkmove retry` (`again`)."""

    file: Path
    ledger: Path | None
    routes: tuple[str, ...]
    output: Output
    limit: int | None = None
    dry_run: bool = False
    accept_changes: bool = False
    fresh: bool = False
    yes: bool = False
    execute: bool = False
    going: Going = field(default_factory=Going)
    held: Held = field(default_factory=Held)
    again: RetryRequest | None = None


@dataclass(slots=True)
class Ending:
    """The last line of a run: known routes with their counts, empty until a ledger is open.

    `is_abandoned`: an event loop was left without being wound up, and its threads would keep the process.
    """

    routes: dict[str, dict[str, int]]
    is_abandoned: bool = False

    def print(self, code: int) -> None:
        click.echo(orjson.dumps({"type": "summary", "exit": code, "routes": self.routes}))


def ending_signals() -> tuple[signal.Signals, ...]:
    """SIGTERM; and SIGHUP: a terminal that was closed asks as politely. What `nohup` has ignored stays so."""
    hang_up: signal.Signals | None = getattr(signal, "SIGHUP", None)  # there is none on Windows
    if hang_up is None or signal.getsignal(hang_up) is signal.SIG_IGN:
        return (signal.SIGTERM,)
    return (signal.SIGTERM, hang_up)


def let_go_of_terminal() -> None:
    """Where the terminal is gone, what is written to it from now on goes nowhere, instead of failing."""
    for descriptor in (1, 2):
        with suppress(OSError):  # closed
            if stat.S_ISCHR(os.fstat(descriptor).st_mode) and not os.isatty(descriptor):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, descriptor)
                os.close(nowhere)


def end_on_sigterm() -> None:
    """While no run is there to be stopped, SIGTERM or SIGHUP ends the command the orderly way, with its last line."""

    def end(_number: int, _frame: object) -> None:
        let_go_of_terminal()
        tell("interrupted")
        sys.exit(TERMINATED)

    for number in ending_signals():
        signal.signal(number, end)


def ignore_signals() -> None:
    """From here on: one that comes while the interpreter winds up would change the code."""
    for number in (signal.SIGINT, *ending_signals()):
        signal.signal(number, signal.SIG_IGN)


class EndingCommand(click.Command):
    """Prints the last line for a command line that click refuses, too: whoever scripts against it reads just that."""

    refused: ClassVar[Mapping[str, object]] = {"type": "summary", "exit": _USAGE, "routes": {}}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        asked = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            if _asks_for_json(asked):
                click.echo(orjson.dumps(dict(self.refused)))
            if _logs_json(asked):
                click.echo(orjson.dumps(said(f"error: {error.format_message()}")), file=sys.stderr)
                ctx.exit(_USAGE)
            raise


def _asks_for_json(arguments: Sequence[str]) -> bool:
    return "--json" in arguments or os.environ.get("BULKMOVE_JSON", "").strip().lower() not in _FALSE


def _logs_json(arguments: Sequence[str]) -> bool:
    before = ("", *arguments)
    is_asked = any(
        word == "--log-format=json" or (option == "--log-format" and word == "json")
        for option, word in zip(before, arguments, strict=False)
    )
    return is_asked or os.environ.get("BULKMOVE_LOG_FORMAT") == "json"


@contextmanager
def last_line(output: Output) -> Iterator[Ending]:
    """However the command ends, its summary is the last line of stdout, and the exit code is what that says."""
    ending = Ending(routes={})
    try:
        try:
            end_on_sigterm()
            yield ending
        except click.Abort:  # Ctrl-C at a question
            sys.exit(INTERRUPTED)
    except SystemExit as end:
        ignore_signals()
        code = end.code if isinstance(end.code, int) else UNEXPECTED
        if output.as_json:
            ending.print(code)
        if ending.is_abandoned:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        raise
    except BrokenPipeError:
        raise  # nobody reads stdout any more
    except BaseException:
        if output.as_json:
            ending.print(UNEXPECTED)
        raise
