"""The Observer of a run: none, bars on a terminal, or lines for everything else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, TextIO

from bulkmove.protocols import Observer
from bulkmove.report.bars import Bars
from bulkmove.report.lines import JsonLines, TextLines
from bulkmove.report.standing import Standing

Style = Literal["none", "bars", "text", "json"]


@contextmanager
def shown(standing: Standing, style: Style, stream: TextIO) -> Iterator[Observer]:
    """Show the standing on `stream` while a run tells the Observer that this yields what it does."""
    match style:
        case "none":
            yield standing
        case "bars":
            with Bars(standing, stream):
                yield standing
        case "text":
            yield TextLines(standing, stream)
        case "json":
            yield JsonLines(standing, stream)
