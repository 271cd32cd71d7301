"""`--execute`: what a command that writes needs where a host is live."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from bulkmove.cli.exits import tell
from bulkmove.pipeline.guards import live_targets
from bulkmove.settings import MigrationSettings

_Command = TypeVar("_Command", bound=Callable[..., Any])


def execute_option(command: _Command) -> _Command:
    """The option `execute` of a command that writes."""
    return click.option(
        "--execute",
        is_flag=True,
        help="Write, also to hosts with live = true; without it nothing is written there.",
    )(command)


def is_held_back(settings: MigrationSettings, routes: Sequence[str] = (), *, execute: bool) -> bool:
    """Whether nothing may be written, since a host of these routes is live and nobody said `--execute`; it is told."""
    live = () if execute else live_targets(settings, routes)
    if live:
        names = ", ".join(live)
        is_are = "is live (live = true)" if len(live) == 1 else "are live (live = true)"
        tell(f"dry run: {names} {is_are}, and nothing is written without --execute")
    return bool(live)
