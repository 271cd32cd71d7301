"""What a report asks of a ledger, beside its counts and its history: the runs, the passes, what was verified."""

from __future__ import annotations

import sqlite3
from typing import Any, NamedTuple

import orjson


class RunRow(NamedTuple):
    """A run. `ended_at` is None while it goes, and where it was cut off: `alive_at` is its last sign of life then."""

    number: int
    kind: str
    started_at: float
    alive_at: float
    ended_at: float | None
    exit_code: int | None


class PassRow(NamedTuple):
    """A later pass over a source: what it found new, changed and gone, and how many requests that took."""

    run: int
    route: int
    started_at: float
    ended_at: float | None
    new: int
    changed: int
    gone: int
    requests: int


class VerificationRow(NamedTuple):
    """A reading back of the targets. `routes`: its numbers, by route."""

    started_at: float
    ended_at: float
    exit_code: int | None
    is_sample: bool
    routes: dict[str, dict[str, Any]]


def runs(connection: sqlite3.Connection) -> list[RunRow]:
    """All runs of the ledger, in their order."""
    rows = connection.execute(
        "SELECT id, kind, started_at, alive_at, ended_at, exit_code FROM runs ORDER BY id"
    )
    return [RunRow(*row) for row in rows]


def passes(connection: sqlite3.Connection) -> list[PassRow]:
    rows = connection.execute(
        "SELECT run, route, started_at, ended_at, new, changed, gone, requests FROM passes ORDER BY id"
    )
    return [PassRow(*row) for row in rows]


def last_verification(connection: sqlite3.Connection) -> VerificationRow | None:
    """The newest that came to its end, None where nothing was verified."""
    row = connection.execute(
        "SELECT started_at, ended_at, exit_code, is_sample, result FROM verifications"
        " WHERE ended_at IS NOT NULL AND result IS NOT NULL ORDER BY id DESC LIMIT 1"
    ).fetchone()
    if row is None:
        return None
    started_at, ended_at, exit_code, is_sample, result = row
    routes = orjson.loads(result).get("routes", {})
    return VerificationRow(started_at, ended_at, exit_code, bool(is_sample), routes)


def records_listed(connection: sqlite3.Connection, route: int) -> int:
    """How many source records were put down, page by page: counted apart from the records themselves."""
    total: float = connection.execute(
        "SELECT total(records) FROM pages WHERE route = ?", (route,)
    ).fetchone()[0]
    return int(total)


def examples(
    connection: sqlite3.Connection, *, route: int, state: int, cause: str, most: int
) -> tuple[str, ...]:
    """Source ids of the first failures of a cause."""
    rows = connection.execute(
        # "state >= 5" leads SQLite to the index of what failed.
        "SELECT DISTINCT source_id FROM records"
        " WHERE route = ? AND state >= 5 AND state = ? AND coalesce(cause, '') = ? ORDER BY source_id LIMIT ?",
        (route, state, cause, most),
    )
    return tuple(row[0] for row in rows)
