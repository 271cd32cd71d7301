"""A source record and what it becomes, side by side, as a terminal shows them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import zip_longest

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bulkmove.mapping.reading import Reading
from bulkmove.model import Json
from bulkmove.pipeline.witness import Part, Sample
from bulkmove.report.pairing import Kind, Leaf, Pair, pairs

_LONGEST_VALUE = 160
# Each with a mark, so that what the colours say is there without them.
_KINDS: Mapping[Kind, tuple[str, str]] = {
    "same": ("=", "green"),
    "form": ("~", "cyan"),
    "changed": ("≠", "bold yellow"),
    "read": ("←", "yellow"),
    "made": ("+", "yellow"),
}
LEGEND = (
    "= as it was   ~ same value, other form   ≠ changed   ← looked up or made of it   + made by the mapping"
)
_OUTCOMES = {
    "create": ("would be created", "green"),
    "update": ("would update row {id}", "green"),
    "delete": ("would delete row {id}", "red"),
    "unchanged": ("is unchanged", ""),
    "skipped": ("would be skipped", ""),
    "rejected": ("would be rejected", "red"),
}


def plain_text(text: str) -> str:
    """What a terminal may be given: values of records hold anything, line breaks and control characters too."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def first_line(text: str) -> str:
    return plain_text(next(iter(text.splitlines()), ""))


def beside(sample: Sample, readings: Sequence[Reading] = ()) -> Iterator[RenderableType]:
    """A source record and what it becomes, side by side: first what each mapped value came from, then what is left."""
    yield Text(f"route {sample.route}, record {plain_text(sample.source_id)}", "bold")
    bodies = [part.body for part in sample.parts if part.body is not None]
    found, left = pairs(sample.source, bodies, readings)
    rows = iter(found)
    for part in sample.parts:
        yield _headline(part)
        if part.body is not None:
            yield Padding(_table(next(rows)), (0, 0, 0, 2))
    if left:
        yield Text("  not carried" if bodies else "  as it was read", "dim")
        yield Padding(_table_of_left(left), (0, 0, 0, 2))
    yield Text()


def _headline(part: Part) -> Text:
    said, style = _OUTCOMES[part.outcome]
    text = Text(f"  {said.format(id=plain_text(part.target_id or ''))}", style)
    if part.cause is not None and part.outcome == "rejected":
        text.append(f": {plain_text(part.cause)}: {first_line(part.message or '')}")
    return text


def _table(rows: Sequence[Pair]) -> Table:
    table = _halves()
    for row in rows:
        mark, style = _KINDS[row.kind]
        table.add_row(_cell(row.source, "dim"), Text(mark, style), _cell(row.mapped, style))
    return table


def _table_of_left(rows: Sequence[Pair]) -> Table:
    """Values that are not carried have both columns to themselves."""
    table = _halves()
    cells = [_cell(row.source, "dim") for row in rows]
    half = (len(cells) + 1) // 2
    for left, right in zip_longest(cells[:half], cells[half:]):
        table.add_row(left, "", right)
    return table


def _halves() -> Table:
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0), expand=True)
    table.add_column(ratio=1, overflow="fold")
    table.add_column(width=1)
    table.add_column(ratio=1, overflow="fold")
    return table


def _cell(leaf: Leaf | None, style: str) -> Text:
    if leaf is None:
        return Text()
    return Text.assemble((f"{plain_text(leaf.path)} ", "dim"), (value_text(leaf.value), style))


def value_text(value: Json) -> str:
    """A value as JSON, so that 7 and "7" are told apart, and no longer than is readable.

    JSON itself escapes the control characters up to U+001F alone; all that a terminal might obey is.
    """
    text = str(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False, default=str)
    text = text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
    return "".join(sign if sign.isprintable() else json.dumps(sign)[1:-1] for sign in text)
