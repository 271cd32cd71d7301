"""What a delta found and took, on stdout, for people or for programs."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import orjson
from rich import box
from rich.table import Table
from rich.text import Text

from bulkmove.model import Summary
from bulkmove.pipeline.delta.runner import DeltaSummary, Pass
from bulkmove.report import amounts
from bulkmove.report.prose import hung, width_of
from bulkmove.report.summary import notes_of
from bulkmove.report.telling import stdout_console

_DRY = "dry run: nothing was written; the numbers say what the delta would do"
_COLUMNS = ("new", "changed", "unchanged", "gone")


def tell_delta(
    done: DeltaSummary, *, errors: Sequence[str], is_dry: bool, as_json: bool, quiet: bool
) -> None:
    """`errors` are those of the notes that stderr has already. As JSON a line each; the summary follows elsewhere."""
    notes = [note for note in notes_of(done.summary) if note not in errors]
    if as_json:
        for note in [*notes_of(done.summary), *([_DRY] if is_dry else [])]:
            _print("note", text=note)
        for name, each in done.routes.items():
            _print("pass", route=name, **_as_dict(each))
        return
    console = stdout_console()
    console.print(_table(done))
    if quiet:
        return
    for note in notes:
        console.print(Text(hung(f"note: {note}", width_of(sys.stdout)), "yellow"), soft_wrap=True)
    if is_dry:
        console.print(Text(hung(_DRY, width_of(sys.stdout)), "bold"), soft_wrap=True)


def tell_deletions(summary: Summary, *, errors: Sequence[str], as_json: bool) -> None:
    """What became of the rows of what is gone."""
    for note in notes_of(summary):
        if as_json:
            _print("note", text=note)
        elif note not in errors:
            stdout_console().print(
                Text(hung(f"note: {note}", width_of(sys.stdout)), "yellow"), soft_wrap=True
            )


def _as_dict(each: Pass) -> dict[str, int | float]:
    return {
        "new": each.new,
        "changed": each.changed,
        "unchanged": each.unchanged,
        "gone": each.gone,
        "requests": each.requests,
        "fewest": each.fewest,
        "seconds": round(each.seconds, 3),
    }


def _table(done: DeltaSummary) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, header_style="bold")
    table.add_column("route", overflow="fold", min_width=8)
    for name in (*_COLUMNS, "requests", "least"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for name in done.summary.routes:
        each = done.routes.get(name)
        cells = ["–"] * 6 if each is None else [amounts.count(getattr(each, column)) for column in _COLUMNS]
        if each is not None:
            cells += [amounts.count(each.requests), amounts.count(each.fewest)]
        is_done = name in done.summary.finished
        table.add_row(Text(name), *cells, Text("done", "green") if is_done else Text("not done", "yellow"))
    return table


def _print(kind: str, **values: object) -> None:
    sys.stdout.write(orjson.dumps({"type": kind, **values}, option=orjson.OPT_APPEND_NEWLINE).decode())
