"""Tables that a phone shows as cards: each cell knows the name of its column."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from bulkmove.report.amounts import count
from bulkmove.report.page.markup import Child, Markup, tag


@dataclass(frozen=True, slots=True)
class Number:
    """A cell with a number, or with what stands for one; aligned to the right.

    `is_zero`: it says nothing. `is_bad`: it shall be zero, and is not.
    """

    text: str
    is_zero: bool = False
    is_bad: bool = False


def number(value: int) -> Number:
    return Number(count(value), is_zero=not value)


Cell: TypeAlias = "Child | Number"


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    *,
    caption: Child = None,
    foot: Sequence[Cell] | None = None,
    numbers: frozenset[str] = frozenset(),
) -> Markup:
    """The first cell of each row names it. `numbers`: columns whose heading is aligned to the right."""
    head = tag("tr", [_head(name, is_number=name in numbers) for name in columns], role="row")
    body = [_row(columns, row) for row in rows]
    return tag(
        "table",
        None if caption is None else tag("caption", caption),
        tag("thead", head, role="rowgroup"),
        tag("tbody", body, role="rowgroup"),
        None if foot is None else tag("tfoot", _row(columns, foot), role="rowgroup"),
        class_="stack",
        role="table",
    )


def _head(name: str, *, is_number: bool) -> Markup:
    return tag("th", name, scope="col", role="columnheader", class_="number" if is_number else None)


def _row(columns: Sequence[str], row: Sequence[Cell]) -> Markup:
    first, *others = row
    name = tag("th", first.text if isinstance(first, Number) else first, scope="row", role="rowheader")
    cells = [_cell(column, cell) for column, cell in zip(columns[1:], others, strict=True)]
    return tag("tr", name, cells, role="row")


def _cell(column: str, cell: Cell) -> Markup:
    if isinstance(cell, Number):
        classes = "number zero" if cell.is_zero else "number act-text" if cell.is_bad else "number"
        return tag("td", tag("span", cell.text), class_=classes, data_label=column, role="cell")
    if not cell:
        return tag("td", class_="empty", role="cell")
    return tag("td", tag("span", cell), data_label=column, role="cell")
