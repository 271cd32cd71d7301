"""What one run is asked for, and the last line that tells how it ended, however it did."""

from __future__ import annotations

import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import click
import orjson

from bulkmove.cli.exits import tell
from bulkmove.cli.options import Output

TERMINATED = 143


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What one `bulkmove run` is asked for."""

    file: Path
    ledger: Path | None
    routes: tuple[str, ...]
    limit: int | None
    dry_run: bool
    accept_changes: bool
    fresh: bool
    yes: bool
    output: Output


@dataclass(slots=True)
class Ending:
    """The last line of a run: known routes with their counts, empty until a ledger is open.

    `is_abandoned`: an event loop was left without being wound up, and its threads would keep the process.
    """

    routes: dict[str, dict[str, int]]
    is_abandoned: bool = False

    def print(self, code: int) -> None:
        click.echo(orjson.dumps({"type": "summary", "exit": code, "routes": self.routes}))


def end_on_sigterm() -> None:
    """While no run is there to be stopped, SIGTERM ends the command the orderly way, with its last line."""

    def end(*_: object) -> None:
        tell("interrupted")
        sys.exit(TERMINATED)

    signal.signal(signal.SIGTERM, end)
