"""What an undo did, or would do, for people or for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import orjson
from rich.text import Text

from bulkmove.report import amounts
from bulkmove.report.prose import hung, width_of
from bulkmove.report.telling import stdout_console

_MOST_SHOWN = 5
# What is done with a row, before it is and after.
_DONE = {
    "delete": ("to delete", "deleted"),
    "set": ("to set as undo_with says", "set as undo_with says"),
    "restore": ("to put back as they were", "put back as they were"),
    "gone": ("gone already", "gone already"),
    "already": ("as they shall be already", "as they shall be already"),
}
_LEFT = {
    "edited": "edited on the target since",
    "cannot-tell": "it can't be told whether they were edited since",
    "other-row": "another's row by now",
    "no-before": "changed, and what stood there before was not kept (keep_before)",
    "no-way": "nothing undoes them",
    "no-form": "what stood there before can't be written",
    "refused": "refused by the host",
    "open": "a later write of them is open: finish it first",
    "no-id": "they were written, and their ids are not known",
}
_EDITED = frozenset({"edited", "cannot-tell"})


class LeftRow(Protocol):
    """A row that is left as it is."""

    @property
    def source_id(self) -> str: ...

    @property
    def target_id(self) -> str | None: ...

    @property
    def step(self) -> str: ...

    @property
    def why(self) -> str | None: ...


class UndoneRoute(Protocol):
    """What is told of a route: rows by what was done with them, rows left by why, and what is not settled."""

    @property
    def rows(self) -> Mapping[str, int]: ...

    @property
    def left(self) -> Mapping[str, int]: ...

    @property
    def named(self) -> Sequence[LeftRow]: ...

    @property
    def open(self) -> int: ...

    @property
    def partly(self) -> int: ...

    @property
    def requests(self) -> int: ...

    @property
    def seconds(self) -> float | None: ...

    @property
    def unknown(self) -> int: ...


def tell_undo_json(routes: Mapping[str, UndoneRoute], notes: Sequence[str], *, is_dry: bool) -> None:
    """A line a route, and one for each row that is left; the summary line follows when the command ends."""
    for name, route in routes.items():
        for row in route.named:
            _print(
                "left",
                route=name,
                source_id=row.source_id,
                target_id=row.target_id,
                cause=row.step,
                message=row.why,
            )
        _print(
            "undo",
            route=name,
            dry_run=is_dry,
            rows=dict(route.rows),
            left=dict(route.left),
            open=route.open,
            partly=route.partly,
            unknown=route.unknown,
            requests=route.requests,
            seconds=None if route.seconds is None else round(route.seconds, 1),
        )
    for note in dict.fromkeys(notes):
        _print("note", text=note)


def tell_undo_text(
    routes: Mapping[str, UndoneRoute],
    notes: Sequence[str],
    *,
    is_dry: bool,
    verbose: bool = False,
    quiet: bool = False,
) -> None:
    """A paragraph a route: what is done, what is left and why, with the first rows of each cause."""
    console, width = stdout_console(), width_of(sys.stdout)
    for name, route in routes.items():
        console.print(Text(f"route {name}", "bold"))
        for line in _lines(route, is_dry=is_dry, most=len(route.named) if verbose else _MOST_SHOWN):
            console.print(Text("  " + hung(line, None if width is None else width - 2, indent="    ")))
    if quiet:
        return
    for note in dict.fromkeys(notes):
        console.print(Text(hung(f"note: {note}", width), "yellow"), soft_wrap=True)
    if any(route.left.get(cause) for route in routes.values() for cause in _EDITED):
        text = "rows that were edited since, or of which it can't be told, are left alone: --edited-too undoes them, too"
        console.print(Text(hung(text, width)), soft_wrap=True)
    if is_dry:
        console.print(Text("nothing was written", "bold"))


def _lines(route: UndoneRoute, *, is_dry: bool, most: int) -> Iterator[str]:
    if not (route.rows or route.left or route.open or route.unknown):
        yield "nothing to undo"
    for step, count in route.rows.items():
        before, after = _DONE[step]
        yield f"{amounts.count(count)} {_rows(count)} {before if is_dry else after}"
    if route.partly:
        said = "never comes back on reading, or did not stand there"
        yield f"{amounts.count(route.partly)} of these but for a field that {said}: explain tells which"
    for cause, count in route.left.items():
        yield f"{amounts.count(count)} {_rows(count)} left alone: {_LEFT[cause]}"
        for row in [row for row in route.named if row.step == cause][:most]:
            name = f"record {row.source_id}"
            name = name if row.target_id is None else f"row {row.target_id} ({name})"
            yield f"  {name}{f': {row.why}' if row.why else ''}"
    if route.open:
        yield f"{amounts.count(route.open)} {_rows(route.open)} still to be undone: undo again goes on"
    if route.unknown:
        said = "is" if route.unknown == 1 else "are"
        yield (
            f"{amounts.of_records(route.unknown)} {said} of unknown fate: what they wrote, if anything, is left alone"
        )
    if is_dry and route.requests:
        time = "" if route.seconds is None else f", {amounts.duration(route.seconds)} at the host's rate"
        yield f"at least {amounts.count(route.requests)} requests{time}"


def _rows(count: int) -> str:
    return "row" if count == 1 else "rows"


def _print(kind: str, **values: object) -> None:
    sys.stdout.write(orjson.dumps({"type": kind, **values}, option=orjson.OPT_APPEND_NEWLINE).decode())
