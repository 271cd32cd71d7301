"""The options of a run that is held to a plan."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click


@dataclass(frozen=True, slots=True)
class Held:
    """The plan that a run is held to, and by how much its sources may have moved; None: to none, the usual."""

    file: Path | None = None
    tolerance: str | None = None


def held_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options `--plan` and `--plan-tolerance`, handed to the command as one Held named `held`."""

    @functools.wraps(command)
    def with_held(*, plan: Path | None, plan_tolerance: str | None, **rest: Any) -> None:
        command(held=Held(plan, plan_tolerance), **rest)

    for option in reversed(_OPTIONS):
        with_held = option(with_held)
    return with_held


_OPTIONS = (
    click.option(
        "--plan", metavar="PLAN.json", type=click.Path(path_type=Path, dir_okay=False),
        help="Hold the run to what `plan --save` put there: refused where configuration or a source moved since.",
    ),
    click.option(
        "--plan-tolerance", metavar="N|N%",
        help="How far a source may have moved, in records or as a share; default: 5%, and 100 records at least.",
    ),
)  # fmt: skip
