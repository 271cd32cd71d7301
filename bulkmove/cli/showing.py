"""The Observer of a command that works for long: none, bars on a terminal, or lines for everything else."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, TextIO

from bulkmove.cli.loading import loading
from bulkmove.cli.options import Output
from bulkmove.protocols import Observer
from bulkmove.report.standing import Standing

Style = Literal["none", "bars", "text", "json"]


def style_of(output: Output) -> Style:
    if output.progress == "never" or (output.quiet and output.progress == "auto"):
        return "none"
    if output.log_format == "json":
        return "json"
    return "bars" if sys.stderr.isatty() and os.environ.get("TERM") != "dumb" else "text"


@contextmanager
def shown(standing: Standing, style: Style, stream: TextIO) -> Iterator[Observer]:
    """Show the standing on `stream` while a run tells the Observer that this yields what it does."""
    match style:
        case "none":
            yield standing
        case "bars":
            with loading():
                from bulkmove.report.bars import Bars

            with Bars(standing, stream):
                yield standing
        case "text":
            with loading():
                from bulkmove.report.lines import TextLines

            yield TextLines(standing, stream)
        case "json":
            with loading():
                from bulkmove.report.lines import JsonLines

            yield JsonLines(standing, stream)
