"""What stands in a verification's working file: functions of its connection, inside a transaction."""

from __future__ import annotations

import sqlite3
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

import orjson

from bulkmove.cutover.verify.marks import Marks
from bulkmove.cutover.verify.totals import Part, Sums
from bulkmove.entries import Span
from bulkmove.ledger import putting

_LEVEL = 1


class Row(NamedTuple):
    """One row of the target as it is kept here."""

    id: str
    key: str | None
    marks: Marks
    parts: tuple[Part, ...]


class Outcome(NamedTuple):
    """What became of one body, or of a record that has none. `detail`: what a person is told of it, as JSON."""

    source_id: str
    body: int
    outcome: str
    row: str | None = None
    detail: object = None


def started_at(connection: sqlite3.Connection) -> float:
    return float(connection.execute("SELECT value FROM meta WHERE name = 'started_at'").fetchone()[0])


def reading(connection: sqlite3.Connection, name: str) -> tuple[int, bool, str]:
    """The number of a reading, whether it is done, and behind which id it goes on."""
    connection.execute("INSERT OR IGNORE INTO readings (name) VALUES (?)", (name,))
    number, is_done, after = connection.execute(
        "SELECT id, is_done, coalesce(after, '') FROM readings WHERE name = ?", (name,)
    ).fetchone()
    return number, bool(is_done), after


def end_reading(connection: sqlite3.Connection, number: int) -> None:
    connection.execute("UPDATE readings SET is_done = 1 WHERE id = ?", (number,))


def go_on_behind(connection: sqlite3.Connection, number: int, after: str) -> None:
    connection.execute("UPDATE readings SET after = ? WHERE id = ?", (after, number))


def spans(connection: sqlite3.Connection, number: int) -> list[Span]:
    found = connection.execute(
        "SELECT id, lower, upper, reached, is_done, evidence FROM spans WHERE route = ? ORDER BY id",
        (number,),
    )
    return [Span(i, low, up, reached, bool(done), evidence) for i, low, up, reached, done, evidence in found]


def save_span(connection: sqlite3.Connection, number: int, span: Span) -> None:
    putting.save_spans(connection, route=number, spans=[span])


def cut_spans(connection: sqlite3.Connection, number: int, cut: Sequence[Span]) -> None:
    putting.cut_spans(connection, route=number, spans=cut)


def add_rows(connection: sqlite3.Connection, list_id: int, rows: Iterable[Row]) -> None:
    """A row that is shown again counts as it is shown last."""
    connection.executemany(
        "INSERT INTO rows (list, id, key, marks, parts) VALUES (?, ?, ?, ?, ?) ON CONFLICT (list, id) DO UPDATE"
        " SET key = excluded.key, marks = excluded.marks, parts = excluded.parts",
        [(list_id, row.id, row.key, pack(row.marks), _pack_parts(row.parts)) for row in rows],
    )


def pack(marks: Marks) -> bytes:
    return zlib.compress(orjson.dumps(marks), _LEVEL)


def _pack_parts(parts: Iterable[Part]) -> bytes:
    return zlib.compress(orjson.dumps([(part.tops, part.name, str(part.amount)) for part in parts]), _LEVEL)


def _row(found: tuple[str, str | None, bytes, bytes]) -> Row:
    row_id, key, marks, parts = found
    return Row(
        row_id,
        key,
        orjson.loads(zlib.decompress(marks)),
        tuple(
            Part(tuple(tops), name, Decimal(amount))
            for tops, name, amount in orjson.loads(zlib.decompress(parts))
        ),
    )


def row_by_id(connection: sqlite3.Connection, list_id: int, row_id: str) -> Row | None:
    found = connection.execute(
        "SELECT id, key, marks, parts FROM rows WHERE list = ? AND id = ?", (list_id, row_id)
    ).fetchone()
    return None if found is None else _row(found)


def rows_by_key(connection: sqlite3.Connection, list_id: int, key: str, most: int = 100) -> list[Row]:
    # Without figures of its own, SQLite would walk the list.
    found = connection.execute(
        "SELECT id, key, marks, parts FROM rows INDEXED BY rows_by_key WHERE list = ? AND key = ? LIMIT ?",
        (list_id, key, most),
    )
    return [_row(each) for each in found]


def use_rows(connection: sqlite3.Connection, list_id: int, ids: Iterable[str]) -> None:
    connection.executemany(
        "UPDATE rows SET is_used = 1 WHERE list = ? AND id = ? AND is_used = 0",
        [(list_id, row_id) for row_id in ids],
    )


def unused_rows(connection: sqlite3.Connection, list_id: int, after: str, most: int) -> list[Row]:
    found = connection.execute(
        "SELECT id, key, marks, parts FROM rows WHERE list = ? AND is_used = 0 AND id > ? ORDER BY id LIMIT ?",
        (list_id, after, most),
    )
    return [_row(each) for each in found]


def not_compared(connection: sqlite3.Connection, route: str, ids: Sequence[str]) -> list[str]:
    """Those of the source ids that have no outcome here yet, each once."""
    known = {
        source_id
        for (source_id,) in connection.execute(
            "SELECT DISTINCT source_id FROM compared WHERE route = ? AND source_id IN (SELECT value FROM json_each(?))",
            (route, orjson.dumps(list(ids)).decode()),
        )
    }
    return [each for each in dict.fromkeys(ids) if each not in known]


def add_outcomes(connection: sqlite3.Connection, route: str, outcomes: Iterable[Outcome]) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO compared (route, source_id, body, outcome, row, detail) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (
                route,
                o.source_id,
                o.body,
                o.outcome,
                o.row,
                None if o.detail is None else orjson.dumps(o.detail).decode(),
            )
            for o in outcomes
        ],
    )


def add_extra(connection: sqlite3.Connection, route: str, row: str, detail: object) -> bool:
    """Whether it was not noted before."""
    cursor = connection.execute(
        "INSERT OR IGNORE INTO extra (route, row, detail) VALUES (?, ?, ?)",
        (route, row, orjson.dumps(detail).decode()),
    )
    return cursor.rowcount > 0


def outcomes(connection: sqlite3.Connection, route: str) -> Counter[str]:
    """Bodies by outcome, and extra rows."""
    found = connection.execute(
        "SELECT outcome, count(*) FROM compared WHERE route = ? GROUP BY outcome", (route,)
    )
    counts = Counter(dict(found.fetchall()))
    (counts["extra"],) = connection.execute("SELECT count(*) FROM extra WHERE route = ?", (route,)).fetchone()
    return +counts


def records(connection: sqlite3.Connection, route: str) -> int:
    """How many source records have an outcome."""
    count: int = connection.execute(
        "SELECT count(DISTINCT source_id) FROM compared WHERE route = ?", (route,)
    ).fetchone()[0]
    return count


def there(connection: sqlite3.Connection, route: str, most: int) -> tuple[int, list[str]]:
    """How many records are there although the ledger says otherwise, and the first of them."""
    found = connection.execute(
        "SELECT source_id FROM compared WHERE route = ? AND detail LIKE '{\"there\":%' ORDER BY source_id",
        (route,),
    )
    first = [row[0] for row in found.fetchmany(most)]
    return len(first) + sum(1 for _ in found), first


def told(connection: sqlite3.Connection, route: str) -> Iterator[Outcome]:
    """All outcomes of a route in the order of their ids, extra rows behind them."""
    for source_id, body, outcome, row, detail in connection.execute(
        "SELECT source_id, body, outcome, row, detail FROM compared WHERE route = ? ORDER BY source_id, body",
        (route,),
    ):
        yield Outcome(source_id, body, outcome, row, None if detail is None else orjson.loads(detail))
    for row, detail in connection.execute(
        "SELECT row, detail FROM extra WHERE route = ? ORDER BY row", (route,)
    ):
        yield Outcome("", 0, "extra", row, orjson.loads(detail))


def to_mend(connection: sqlite3.Connection, route: str, after: tuple[str, int], most: int) -> list[Outcome]:
    """The next bodies that are missing, different or doubled."""
    found = connection.execute(
        "SELECT source_id, body, outcome, row, detail FROM compared"
        " WHERE route = ? AND (source_id, body) > (?, ?) AND outcome IN ('missing', 'different', 'doubled')"
        " ORDER BY source_id, body LIMIT ?",
        (route, *after, most),
    )
    return [
        Outcome(source_id, body, outcome, row, None if detail is None else orjson.loads(detail))
        for source_id, body, outcome, row, detail in found
    ]


def extra_rows(connection: sqlite3.Connection, route: str, after: str, most: int) -> list[Outcome]:
    found = connection.execute(
        "SELECT row, detail FROM extra WHERE route = ? AND row > ? ORDER BY row LIMIT ?", (route, after, most)
    )
    return [Outcome("", 0, "extra", row, orjson.loads(detail)) for row, detail in found]


def save_sums(connection: sqlite3.Connection, route: str, sums: Sums) -> None:
    """With the page that they grew by, so that a page counts once."""
    rows = [(route, name, *map(str, sums.sums[name])) for name in sums.changed]
    connection.executemany(
        "INSERT OR REPLACE INTO sums (route, name, source, target) VALUES (?, ?, ?, ?)", rows
    )
    sums.changed.clear()
    shown = orjson.dumps({"unseen": sums.unseen, "compared": sorted(sums.compared)}).decode()
    connection.execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", (f"shown {route}", shown))


def load_sums(connection: sqlite3.Connection, route: str) -> Sums:
    sums = Sums()
    for name, source, target in connection.execute(
        "SELECT name, source, target FROM sums WHERE route = ?", (route,)
    ):
        sums.sums[name] = (Decimal(source), Decimal(target))
        what, sign, kind = name.rpartition(" = ")
        if sign:
            sums.kinds.setdefault(what, set()).add(kind)
    found = connection.execute("SELECT value FROM meta WHERE name = ?", (f"shown {route}",)).fetchone()
    if found is not None:
        shown = orjson.loads(found[0])
        sums.unseen, sums.compared = dict(shown["unseen"]), set(shown["compared"])
    return sums
