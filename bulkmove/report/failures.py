"""Failures by their causes, as a table for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich.text import Text

from bulkmove.ledger.failing import Group
from bulkmove.report import amounts
from bulkmove.report.prose import wrapped

_HEAD = ("route", "outcome", "cause", "records", "for example")
_HINT = "what to do"
_RIGHT = 3  # the column of numbers
_STYLES = {"rejected": "red", "unknown": "magenta"}
_LONGEST = 32
_GAP = "  "
# With less room a hint stands below its row, not beside it.
_NARROWEST_HINT = 36
_BELOW = "    "


def group_lines(groups: Sequence[Group], *, hint: Callable[[str], str], width: int | None) -> Iterator[Text]:
    """A row a group, with what to do about it beside it, or below where `width` leaves no room. None: any width."""
    rows = [
        tuple(map(_cut, (g.route, g.outcome, g.cause or "no cause", amounts.count(g.records), g.first_id)))
        for g in groups
    ]
    widths = [max(map(len, column)) for column in zip(_HEAD, *rows, strict=True)]
    taken = sum(widths) + len(_GAP) * len(widths)
    room = None if width is None else width - taken
    is_beside = room is None or room >= _NARROWEST_HINT
    head = _line(_HEAD, widths, "bold")
    yield head.append(_GAP + _HINT) if is_beside else head
    for group, row in zip(groups, rows, strict=True):
        line, said = _line(row, widths), hint(group.cause)
        if not is_beside:
            yield line
            yield from (Text(_BELOW + part) for part in wrapped(said, (width or 0) - len(_BELOW)))
            continue
        first, *more = wrapped(said, room)
        yield line.append(_GAP + first)
        yield from (Text(" " * taken + part) for part in more)


def _line(cells: Sequence[str], widths: Sequence[int], style: str = "") -> Text:
    line = Text(style=style)
    for place, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        padded = cell.rjust(width) if place == _RIGHT else cell.ljust(width)
        line.append((_GAP if place else "") + padded, _STYLES.get(cell, ""))
    return line


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
