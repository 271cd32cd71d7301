"""Failures written to a file, each with all that is known of it: for a person who works through them elsewhere."""

from __future__ import annotations

import csv
import io
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from anyio import CapacityLimiter, to_thread

from bulkmove.connectors.files.durable import save_directory
from bulkmove.errors import ConfigError
from bulkmove.ledger.failing import Detail
from bulkmove.pipeline.causes import hint
from bulkmove.pipeline.placing import placed

COLUMNS = (
    "route", "source_id", "part", "outcome", "cause", "message", "hint", "target_id", "attempts", "sent_at", "answered",
    "answer", "mapped", "record",
)  # fmt: skip
_JSON = ("mapped", "record")
_FORMS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv"}
# A spreadsheet takes what begins so for a formula, and runs it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

Row = dict[str, Any]
RecordOf = Callable[[str, str], bytes | None]


def form_of(path: Path) -> str:
    """`jsonl` or `csv`. Raises ConfigError for a name that tells neither, and where no file can be made there."""
    form = _FORMS.get(path.suffix.lower())
    if form is None:
        raise ConfigError(f"{path}: an export is .jsonl (JSON lines) or .csv; name it so")
    if not path.parent.is_dir():
        raise ConfigError(f"{path}: there is no directory {path.parent}")
    if path.is_dir():
        raise ConfigError(f"{path}: is a directory")
    return form


async def write_in_thread(path: Path, details: Iterable[Detail], record_of: RecordOf) -> int:
    """`write_failures`, off the event loop."""
    return await to_thread.run_sync(partial(write_failures, path, details, record_of=record_of))


def write_failures(path: Path, details: Iterable[Detail], *, record_of: RecordOf | None = None) -> int:
    """Write the failures, a line each; how many. The file is there whole or not at all, and private (0600).

    `record_of`: source records that the ledger did not keep. In CSV, nested values stand as JSON text, and a text that
    a spreadsheet would take for a formula gets a quote in front. Raises ConfigError where it can't be written.
    """
    form = form_of(path)
    rows = (_row(detail, record_of) for detail in details)
    lines = _csv_lines(rows) if form == "csv" else (_json_line(row) for row in rows)
    count = 0
    try:
        with placed(path) as file:
            for line in lines:
                file.write(line)
                count += 1
        save_directory(path.parent)
    except OSError as error:
        raise ConfigError(f"{path}: can't be written ({error.strerror})") from error
    return count - 1 if form == "csv" else count


def _row(detail: Detail, record_of: RecordOf | None) -> Row:
    failure, record = detail.failure, detail.record
    if record is None and record_of is not None:
        record = record_of(failure.route, failure.source_id)
    sent_at = None if detail.sent_at is None else datetime.fromtimestamp(detail.sent_at, UTC).isoformat()
    return {
        "route": failure.route,
        "source_id": failure.source_id,
        "part": detail.part,
        "outcome": failure.outcome,
        "cause": failure.cause,
        "message": failure.message,
        "hint": hint(failure.cause),
        "target_id": detail.target_id,
        "attempts": detail.attempts,
        "sent_at": sent_at,
        "answered": detail.answered,
        "answer": detail.answer,
        "mapped": detail.mapped,
        "record": record,
    }


def _json_line(row: Row) -> bytes:
    values = {
        name: orjson.Fragment(value) if name in _JSON and value is not None else value
        for name, value in row.items()
    }
    return orjson.dumps(values, option=orjson.OPT_APPEND_NEWLINE)


def _csv_lines(rows: Iterable[Row]) -> Iterator[bytes]:
    yield _csv_line(COLUMNS)
    for row in rows:
        yield _csv_line(_cell(row[name]) for name in COLUMNS)


def _csv_line(cells: Iterable[str]) -> bytes:
    # With "\n" at the end of lines, it would let a "\r" within a cell stand without quotes.
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().encode("utf-8", "backslashreplace")


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = value.decode() if isinstance(value, bytes) else str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text


class Found:
    """Source records that were read for an export, in a private file of SQLite's own that nobody else can open."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._lane = CapacityLimiter(1)

    async def add(self, route: str, records: Iterable[tuple[str, bytes]]) -> None:
        rows = [(route, source_id, record) for source_id, record in records]
        await to_thread.run_sync(partial(self._add, rows), limiter=self._lane)

    def _add(self, rows: list[tuple[str, str, bytes]]) -> None:
        self._database.executemany("INSERT OR REPLACE INTO found VALUES (?, ?, ?)", rows)

    def record_of(self, route: str, source_id: str) -> bytes | None:
        row = self._database.execute(
            "SELECT record FROM found WHERE route = ? AND source_id = ?", (route, source_id)
        ).fetchone()
        return None if row is None else bytes(row[0])


@asynccontextmanager
async def found_records() -> AsyncIterator[Found]:
    """A place for records, gone without trace when it is left."""
    database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode = OFF").fetchone()
        database.execute(
            "CREATE TABLE found (route, source_id, record, PRIMARY KEY (route, source_id)) WITHOUT ROWID"
        )
        yield Found(database)
    finally:
        database.close()
