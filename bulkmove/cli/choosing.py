"""The options that choose failures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])


def cause_option(command: _Command) -> _Command:
    return click.option(
        "--cause",
        "causes",
        metavar="CAUSE,…",
        multiple=True,
        help="Those of this cause alone; several with commas, or repeated.",
    )(command)


def ids_option(command: _Command) -> _Command:
    return click.option(
        "--ids",
        metavar="ID,…",
        multiple=True,
        help="These source ids alone; several with commas, or repeated.",
    )(command)
