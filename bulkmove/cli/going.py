"""The options of a command that works for long: when it is to end, and where its metrics are served."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_SECONDS = (3600, 60, 1)


@dataclass(frozen=True, slots=True)
class Going:
    """How a command goes on while it works. None: without an end of its own; without metrics."""

    max_duration_s: int | None = None
    metrics_port: int | None = None
    metrics_address: str = "127.0.0.1"


class Duration(click.ParamType[int]):
    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        seconds = parse_duration(str(value))
        if not seconds:
            self.fail(f"{value!r} is no time; as 2h, 90m, 1h30m, or 600 (seconds)", param, ctx)
        return seconds


def parse_duration(text: str) -> int:
    """Seconds of `2h`, `90m`, `1h30m`, `45s` or `600`; 0 for anything else."""
    if text.isdecimal() and text.isascii():
        return int(text)
    match = _DURATION.fullmatch(text)
    if match is None:
        return 0
    return sum(int(count or 0) * unit for count, unit in zip(match.groups(), _SECONDS, strict=True))


def spelled_duration(seconds: int) -> str:
    """`1h30m`, as it is written on the command line."""
    parts = (seconds // 3600, seconds % 3600 // 60, seconds % 60)
    return "".join(f"{count}{unit}" for count, unit in zip(parts, "hms", strict=True) if count)


def going_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options of a command that works for long, handed to it as one Going named `going`."""

    @functools.wraps(command)
    def with_going(
        *, max_duration: int | None, metrics_port: int | None, metrics_address: str, **rest: Any
    ) -> None:
        going = Going(max_duration, metrics_port, metrics_address)
        command(going=going, **rest)

    for option in reversed(_OPTIONS):
        with_going = option(with_going)
    return with_going


_OPTIONS = (
    click.option(
        "--max-duration", metavar="TIME", type=Duration(),
        help="End in an orderly way after so long, as 2h, 90m or 1h30m; the next run goes on.",
    ),
    click.option(
        "--metrics-port", metavar="PORT", type=click.IntRange(0, 65535), envvar="BULKMOVE_METRICS_PORT",
        help="Serve metrics for Prometheus there while it goes; 0 takes a free port, and says which.",
    ),
    click.option(
        "--metrics-address", metavar="ADDRESS", default="127.0.0.1", show_default=True,
        envvar="BULKMOVE_METRICS_ADDRESS", help="The address of this machine that they are served at.",
    ),
)  # fmt: skip
