"""`--execute`: what a command that writes needs where a host is live."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bulkmove.cli.exits import tell
from bulkmove.cli.loading import loading

if TYPE_CHECKING:
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
    """Whether nothing may be written, since a host of these routes is live and nobody said `--execute`; it is told.

    Raises ConfigError where it may, and masked records would be written there.
    """
    with loading():
        from bulkmove.pipeline.guards import DRY_RUN, why_held_back

    why = why_held_back(settings, routes, execute=execute)
    if why is not None:
        tell(f"note: {DRY_RUN}: {why}")
    return why is not None


def refuse_both(*, execute: bool, dry_run: bool) -> None:
    """Raises ConfigError where both were asked for."""
    with loading():
        from bulkmove.errors import ConfigError

    if execute and dry_run:
        raise ConfigError("--execute and --dry-run exclude each other: a dry run writes nothing")
