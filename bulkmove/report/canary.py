"""The first records of a route beside the rows that stand for them: as a table, or as JSON lines."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bulkmove.exact import encode_json
from bulkmove.pipeline.checked import Checked, CheckedRecord, Field, Outcome
from bulkmove.report.beside import first_line, plain_text, value_text
from bulkmove.report.telling import stdout_console

_OUTCOMES: Mapping[Outcome, tuple[str, str]] = {
    "stands": ("stands as it was sent", "green"),
    "gone": ("is gone", "green"),
    "rejected": ("was rejected", "red"),
    "differs": ("differs from what was sent", "bold red"),
    "missing": ("is not shown by the target", "bold red"),
    "unknown": ("is of unknown fate", "bold red"),
    "still-there": ("is still there", "bold red"),
}
_MARKS: Mapping[str, tuple[str, str]] = {
    "equal": ("=", "green"),
    "different": ("≠", "bold red"),
    "unseen": ("?", "yellow"),
}
# Of a record with many fields, so many that are equal are shown beside all that are not.
_MOST_EQUAL = 10
_LEGEND = "= as it was sent   ≠ something else   ? never shown by the target"


def print_canary(checked: Checked) -> None:
    """Each record: its fields, what was sent, and what the target shows."""
    console = stdout_console()
    console.print(Text(f"canary of route {checked.route}, on {checked.target}", "bold"))
    for record in checked.records:
        console.print(_headline(record))
        if record.fields:
            console.print(Padding(_table(record), (0, 0, 0, 2)))
    if any(record.fields for record in checked.records):
        console.print(Text(_LEGEND, "dim"))
    console.print()


def _headline(record: CheckedRecord) -> Text:
    said, style = _OUTCOMES[record.outcome]
    row = f", row {plain_text(record.target_id)}" if record.target_id is not None else ""
    body = f", body {record.part + 1}" if record.part else ""
    text = Text.assemble(f"record {plain_text(record.source_id)}{body}{row}: ", (said, style))
    if record.cause is not None:
        text.append(f": {plain_text(record.cause)}: {first_line(record.message or '')}")
    return text


def _table(record: CheckedRecord) -> RenderableType:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim", expand=True)
    table.add_column("field", ratio=2, overflow="fold")
    table.add_column("sent", ratio=3, overflow="fold")
    table.add_column("", width=1)
    table.add_column("shows", ratio=3, overflow="fold")
    equal = [each for each in record.fields if each.verdict == "equal"]
    left_out = {id(each) for each in equal[_MOST_EQUAL:]} if len(equal) > _MOST_EQUAL + 1 else set()
    for each in record.fields:
        if id(each) in left_out:
            continue
        mark, style = _MARKS[each.verdict]
        shows = "" if each.verdict == "unseen" else value_text(each.shows)
        cells = Text(plain_text(each.name), "dim"), Text(value_text(each.sent)), Text(mark, style)
        table.add_row(*cells, Text(shows, style))
    if left_out:
        table.add_row(Text(f"… and {len(left_out)} more", "dim"), "", Text(*_MARKS["equal"]), "")
    return table


def print_canary_json(checked: Checked) -> None:
    """A line each record."""
    for record in checked.records:
        line = {
            "type": "canary",
            "route": checked.route,
            "target": checked.target,
            "source_id": record.source_id,
            "part": record.part,
            "target_id": record.target_id,
            "outcome": record.outcome,
            "cause": record.cause,
            "message": record.message,
            "fields": [_as_json(each) for each in record.fields],
        }
        sys.stdout.write(encode_json(line).decode() + "\n")
    sys.stdout.flush()


def _as_json(each: Field) -> dict[str, object]:
    return {"field": each.name, "sent": each.sent, "shows": each.shows, "is": each.verdict}
