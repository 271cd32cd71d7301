"""What verifications found, kept until it is mended.

Functions of a connection; those that change something, inside a transaction.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import orjson

_IDS = "(SELECT value FROM json_each(?))"


class Finding(NamedTuple):
    """One thing that a verification found and that can be mended."""

    id: int
    kind: str
    source_id: str
    part: int
    row: str
    rows: Sequence[str]
    key: str | None
    is_ours: bool


def next_verification(connection: sqlite3.Connection) -> int:
    number: int = connection.execute("SELECT coalesce(max(id), 0) + 1 FROM verifications").fetchone()[0]
    return number


def save(
    connection: sqlite3.Connection,
    *,
    number: int,
    started_at: float,
    ended_at: float,
    exit_code: int,
    is_sample: bool,
    result: str,
) -> None:
    connection.execute(
        "INSERT INTO verifications (id, started_at, ended_at, exit_code, is_sample, result) VALUES (?, ?, ?, ?, ?, ?)",
        (number, started_at, ended_at, exit_code, is_sample, result),
    )


def last_verification(connection: sqlite3.Connection) -> tuple[int, float, bool] | None:
    """The newest one: its number, when it ended, and whether it was a sample."""
    found = connection.execute(
        "SELECT id, ended_at, is_sample FROM verifications ORDER BY id DESC LIMIT 1"
    ).fetchone()
    return None if found is None else (found[0], found[1], bool(found[2]))


def forget_findings(connection: sqlite3.Connection, *, routes: Sequence[int]) -> None:
    """What an earlier verification of these routes found: only the last one is mended."""
    connection.executemany("DELETE FROM mismatches WHERE route = ?", [(route,) for route in routes])


def add_findings(
    connection: sqlite3.Connection, *, verification: int, route: int, findings: Iterable[Finding]
) -> None:
    connection.executemany(
        "INSERT INTO mismatches (verification, route, kind, source_id, body, row, rows, key, is_ours)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                verification, route, f.kind, f.source_id, f.part, f.row, orjson.dumps(list(f.rows)).decode(), f.key,
                f.is_ours,
            )
            for f in findings
        ],
    )  # fmt: skip


def count_findings(connection: sqlite3.Connection, route: int) -> Counter[str]:
    """What is still to be mended, by kind."""
    rows = connection.execute(
        "SELECT kind, count(*) FROM mismatches WHERE route = ? AND mended_by IS NULL GROUP BY kind", (route,)
    )
    return Counter(dict(rows.fetchall()))


def findings(
    connection: sqlite3.Connection, route: int, kinds: Sequence[str], *, after: int = 0, most: int = 500
) -> list[Finding]:
    """The next findings of these kinds that nobody put to work."""
    rows = connection.execute(
        "SELECT id, kind, source_id, body, row, coalesce(rows, '[]'), key, is_ours FROM mismatches"  # noqa: S608  our own names
        f" WHERE route = ? AND mended_by IS NULL AND kind IN {_IDS} AND id > ? ORDER BY id LIMIT ?",
        (route, orjson.dumps(list(kinds)).decode(), after, most),
    )
    return [_finding(row) for row in rows]


def findings_of(
    connection: sqlite3.Connection, route: int, kinds: Sequence[str], ids: Sequence[str]
) -> list[Finding]:
    """The findings of these kinds about these records that nobody put to work."""
    rows = connection.execute(
        "SELECT id, kind, source_id, body, row, coalesce(rows, '[]'), key, is_ours FROM mismatches"  # noqa: S608  our own names
        f" WHERE route = ? AND mended_by IS NULL AND kind IN {_IDS} AND source_id IN {_IDS} ORDER BY id",
        (route, orjson.dumps(list(kinds)).decode(), orjson.dumps(list(ids)).decode()),
    )
    return [_finding(row) for row in rows]


def _finding(row: tuple[int, str, str, int, str, str, str | None, int]) -> Finding:
    number, kind, source_id, part, shown, others, key, is_ours = row
    return Finding(number, kind, source_id, part, shown, orjson.loads(others), key, bool(is_ours))


def note_mended(connection: sqlite3.Connection, ids: Iterable[int], *, run: int) -> None:
    connection.executemany("UPDATE mismatches SET mended_by = ? WHERE id = ?", [(run, i) for i in ids])
