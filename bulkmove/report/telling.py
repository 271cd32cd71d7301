"""The report of a run on stdout, for people or for programs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson
from rich.console import Console
from rich.text import Text

from bulkmove.model import Summary
from bulkmove.report.prose import hung, width_of
from bulkmove.report.summary import next_steps, no_place_of, notes_of, summary_table

# Wide enough for any table: what is not a terminal has no width to heed.
_WIDTH_OF_A_FILE = 200
_WIDTH_OF_PROSE = 110
NOTHING_WRITTEN = "dry run: nothing was written; the counts say what the run would do"


@dataclass(frozen=True, slots=True)
class Told:
    """All that there is to say of a run. `errors` are those of the summary's notes that stderr has already."""

    summary: Summary
    finished: Mapping[str, bool]
    errors: tuple[str, ...] = ()
    no_place: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    is_dry: bool = False
    was_finished: bool = False
    file: str = ""

    @property
    def steps(self) -> tuple[str, ...]:
        if self.is_dry:
            return ()
        return next_steps(
            self.summary, finished=self.finished, file=self.file, was_finished=self.was_finished
        )


def stdout_console() -> Console:
    return Console(width=None if sys.stdout.isatty() else _WIDTH_OF_A_FILE, highlight=False)


def tell_text(told: Told, *, quiet: bool) -> None:
    """The table, the notes, and what to do next; with `quiet` the table alone."""
    console = stdout_console()
    if told.summary.routes:
        console.print(summary_table(told.summary, finished=None if told.is_dry else told.finished))
    if quiet:
        return
    width = width_of(sys.stdout)
    for note in notes_of(told.summary):
        if note not in told.errors:
            console.print(Text(hung(f"note: {note}", width), "yellow"), soft_wrap=True)
    if told.is_dry:
        console.print(Text(hung(NOTHING_WRITTEN, width), "bold"), soft_wrap=True)
    for part in no_place_of(told.no_place):
        console.print(part, width=min(console.width, _WIDTH_OF_PROSE))
    for line in told.steps:
        console.print(Text(hung(line, width)), soft_wrap=True)


def tell_json(told: Told) -> None:
    """A JSON line each; the summary line follows when the command ends."""
    for note in notes_of(told.summary):
        _print("note", text=note)
    if told.is_dry:
        _print("note", text=NOTHING_WRITTEN)
    for route, fields in told.no_place.items():
        _print("no-place", route=route, fields=list(fields))
    for step in told.steps:
        _print("next", text=step)


def _print(kind: str, **values: object) -> None:
    sys.stdout.write(orjson.dumps({"type": kind, **values}, option=orjson.OPT_APPEND_NEWLINE).decode())
