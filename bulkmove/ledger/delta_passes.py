"""Passes over a source after the first one: how far each is, what its scan found, and what is gone.

Functions of a connection, inside a transaction where they change something.
"""

from __future__ import annotations

import enum
import sqlite3
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from bulkmove.entries import Span
from bulkmove.ledger import gone, tallies
from bulkmove.ledger.chunks import compressed, decompressed
from bulkmove.ledger.failing import NAMELESS
from bulkmove.model import State

DELETED = "deleted-at-source"
PART_LEFT = "part-left"
ROW_LEFT = "row-left"
_IDS = "(SELECT value FROM json_each(?))"
_COLUMNS = (
    "id, run, started_at, ended_at, new, changed, gone, requests, unchanged, fewest, scanned, known, since, cutoff,"
    " first_span, stage, is_whole"
)


class Stage(enum.IntEnum):
    """How far a pass is: what it does next."""

    NEW = 0
    SCAN = 1
    FOUND = 2
    DONE = 3


class Kind(enum.IntEnum):
    """What a scan says of a record: it is not known, its version is another, nothing tells, or it was not shown."""

    NEW = 0
    CHANGED = 1
    LOOK = 2
    MISSING = 3


class PassNote(NamedTuple):
    """One pass over the source of a route, as the ledger holds it."""

    id: int
    run: int
    started_at: float
    ended_at: float | None
    new: int
    changed: int
    gone: int
    requests: int
    unchanged: int
    fewest: int
    scanned: int
    known: int
    since: int | None
    cutoff: int | None
    first_span: int
    stage: Stage
    is_whole: bool


class Found(NamedTuple):
    """A finding. `record`: the row as it was read, where all of it was."""

    source_id: str
    kind: Kind
    record: bytes | None = None


def open_pass(connection: sqlite3.Connection, route: int) -> PassNote | None:
    """The pass over this source that is not at its end."""
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM passes WHERE route = ? AND ended_at IS NULL ORDER BY id DESC LIMIT 1",  # noqa: S608  our own names
        (route,),
    ).fetchone()
    return None if row is None else _noted(row)


def one_pass(connection: sqlite3.Connection, number: int) -> PassNote:
    row = connection.execute(f"SELECT {_COLUMNS} FROM passes WHERE id = ?", (number,)).fetchone()  # noqa: S608  our own names
    return _noted(row)


def _noted(row: Sequence[Any]) -> PassNote:
    note = PassNote(*row)
    return note._replace(stage=Stage(note.stage), is_whole=bool(note.is_whole))


def begin_pass(
    connection: sqlite3.Connection,
    *,
    route: int,
    run: int,
    at: float,
    since: int | None,
    cutoff: int | None,
    spans: Sequence[Span],
    stage: Stage,
    is_whole: bool,
) -> int:
    """Its number. `spans` are read first, and get numbers behind those that the route has."""
    known = tallies.counts(connection, route).read
    (first,) = connection.execute(
        "SELECT coalesce(max(id), -1) + 1 FROM spans WHERE route = ?", (route,)
    ).fetchone()
    connection.executemany(
        "INSERT INTO spans (route, id, lower, upper, reached, is_done, evidence) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(route, first + s.id, s.lower, s.upper, s.reached, s.is_done, s.evidence) for s in spans],
    )
    number: int = connection.execute(
        "INSERT INTO passes (run, route, started_at, known, since, cutoff, first_span, stage, is_whole)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (run, route, at, known, since, cutoff, first, stage, is_whole),
    ).fetchone()[0]
    return number


def go_on(
    connection: sqlite3.Connection, *, number: int, stage: Stage, requests: int, scanned: int | None = None
) -> None:
    """A stage is over. `requests`: how many asked the source since the last was."""
    connection.execute(
        "UPDATE passes SET stage = ?, requests = requests + ?, scanned = coalesce(?, scanned) WHERE id = ?",
        (stage, requests, scanned, number),
    )


def count_requests(connection: sqlite3.Connection, *, number: int, requests: int) -> None:
    connection.execute("UPDATE passes SET requests = requests + ? WHERE id = ?", (requests, number))


def end_pass(
    connection: sqlite3.Connection,
    *,
    route: int,
    run: int,
    number: int,
    at: float,
    requests: int,
    fewest: int,
) -> None:
    """All of it is mapped: new records are looked for from its cutoff on from now. It is the pass of the run that ended it."""
    go_on(connection, number=number, stage=Stage.DONE, requests=requests)
    note = one_pass(connection, number)
    new = tallies.counts(connection, route).read - note.known
    connection.execute(
        "UPDATE passes SET run = ?, ended_at = ?, new = ?, fewest = ? WHERE id = ?",
        (run, at, new, fewest, number),
    )
    connection.execute("DELETE FROM spans WHERE route = ? AND id >= ?", (route, note.first_span))
    if note.cutoff is not None:
        connection.execute("UPDATE routes SET cutoff = ? WHERE id = ?", (note.cutoff, route))


def begin_scan(connection: sqlite3.Connection, *, route: int) -> None:
    """What a scan that did not come to its end found is found again."""
    connection.execute("DELETE FROM findings WHERE route = ?", (route,))


def add_findings(connection: sqlite3.Connection, *, route: int, found: Sequence[Found]) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO findings (route, source_id, kind, record) VALUES (?, ?, ?, ?)",
        [
            (route, each.source_id, each.kind, None if each.record is None else compressed(each.record))
            for each in found
        ],
    )


def next_findings(connection: sqlite3.Connection, route: int, after: str, most: int) -> list[Found]:
    """Those behind `after`, in the order of their ids."""
    rows = connection.execute(
        "SELECT source_id, kind, record FROM findings WHERE route = ? AND source_id > ? ORDER BY source_id LIMIT ?",
        (route, after, most),
    )
    return [
        Found(source_id, Kind(kind), None if record is None else decompressed(record))
        for source_id, kind, record in rows
    ]


def drop_findings(connection: sqlite3.Connection, *, route: int, ids: Sequence[str]) -> None:
    connection.execute(
        f"DELETE FROM findings WHERE route = ? AND source_id IN {_IDS}",  # noqa: S608  our own names
        (route, orjson.dumps(list(ids)).decode()),
    )


# What is gone.


def known_ids(connection: sqlite3.Connection, route: int, after: str, most: int) -> list[tuple[str, bool]]:
    """Records behind `after` that the source should show, in the order of their ids; and whether each is known to be gone."""
    rows = connection.execute(
        "SELECT r.source_id, d.source_id IS NOT NULL FROM records AS r"
        " LEFT JOIN departed AS d ON d.route = r.route AND d.source_id = r.source_id"
        " WHERE r.route = ? AND r.source_id > ? AND r.body = 0"
        " AND coalesce(r.cause, '') NOT IN (SELECT value FROM json_each(?)) ORDER BY r.source_id LIMIT ?",
        (route, after, orjson.dumps([*NAMELESS, gone.CAUSE, DELETED]).decode(), most),
    )
    return [(source_id, bool(is_gone)) for source_id, is_gone in rows]


def note_departed(connection: sqlite3.Connection, *, route: int, pass_id: int, ids: Sequence[str]) -> None:
    """These are gone at the source; those that were not before are the pass's."""
    (before,) = connection.execute("SELECT count(*) FROM departed WHERE route = ?", (route,)).fetchone()
    connection.executemany(
        "INSERT INTO departed (route, source_id, pass) VALUES (?, ?, ?)"
        " ON CONFLICT (route, source_id) DO UPDATE SET pass = excluded.pass",
        [(route, each, pass_id) for each in ids],
    )
    (now,) = connection.execute("SELECT count(*) FROM departed WHERE route = ?", (route,)).fetchone()
    connection.execute("UPDATE passes SET gone = gone + ? WHERE id = ?", (now - before, pass_id))


def forget_returned(connection: sqlite3.Connection, *, route: int, pass_id: int) -> None:
    """What this pass did not find gone is there again: its rows are nobody's to delete."""
    connection.execute("DELETE FROM departed WHERE route = ? AND pass <> ?", (route, pass_id))


def departed(connection: sqlite3.Connection, route: int, most: int) -> tuple[int, list[str]]:
    """How many records are gone whose rows are not deleted, and the first so many of their ids."""
    found = (
        "FROM departed AS d JOIN records AS r ON r.route = d.route AND r.source_id = d.source_id AND r.body = 0"
        " WHERE d.route = ? AND coalesce(r.cause, '') <> ?"
    )
    count: int = connection.execute(f"SELECT count(*) {found}", (route, DELETED)).fetchone()[0]
    rows = connection.execute(
        f"SELECT d.source_id {found} ORDER BY d.source_id LIMIT ?",
        (route, DELETED, most),
    )
    return count, [row[0] for row in rows]


def left_rows(connection: sqlite3.Connection, route: int, cause: str, most: int) -> tuple[int, list[str]]:
    """How many bodies are skipped for this cause, their rows left as they are, and the first records of them."""
    if not tallies.bodies(connection, route)[State.SKIPPED]:
        return 0, []
    found = "FROM records WHERE route = ? AND state = ? AND cause = ?"
    values = (route, State.SKIPPED, cause)
    count: int = connection.execute(f"SELECT count(*) {found}", values).fetchone()[0]
    rows = connection.execute(
        f"SELECT DISTINCT source_id {found} ORDER BY source_id LIMIT ?", (*values, most)
    )
    return count, [row[0] for row in rows]
