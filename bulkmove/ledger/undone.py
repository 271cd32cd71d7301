"""What was undone: routes as a whole, and the records of rows that are as they were before.

Functions of a connection; those that change something, inside a transaction.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from bulkmove.ledger import again, tallies
from bulkmove.ledger.file import schema_version
from bulkmove.ledger.questions import WIDTH, in_slices
from bulkmove.ledger.undoing import DONE
from bulkmove.model import State

# The first schema that knows of it; a ledger that is only looked at may be older.
_SINCE = 6
CAUSE = "undone"
UNDO = "undo"

_MARKS = ",".join("?" * WIDTH)
_UNDONE = f"""
UPDATE records SET state = {State.SKIPPED.value}, is_created = 0, cause = '{CAUSE}', message = ?, run = ?, request = ?,
    chunk = NULL, attempts = 0, failed_at = NULL
WHERE route = ? AND source_id = ? AND body = ?
"""  # noqa: S608  our own names


def note_begun(connection: sqlite3.Connection, *, route: int, at: float) -> None:
    connection.execute("UPDATE routes SET undone_at = coalesce(undone_at, ?) WHERE id = ?", (at, route))


def undone_routes(connection: sqlite3.Connection) -> dict[str, float]:
    """Routes that were undone as a whole, and when that began; none in a ledger of an older schema."""
    if schema_version(connection) < _SINCE:
        return {}
    rows = connection.execute(
        "SELECT name, undone_at FROM routes WHERE undone_at IS NOT NULL ORDER BY id"
    ).fetchall()
    return dict(rows)


def undone_records(connection: sqlite3.Connection, *, name: str) -> int:
    """How many records of the route are undone."""
    count: int = connection.execute(
        "SELECT count(DISTINCT source_id) FROM records WHERE route = (SELECT id FROM routes WHERE name = ?)"
        " AND state = ? AND cause = ?",
        (name, State.SKIPPED, CAUSE),
    ).fetchone()[0]
    return count


def not_undone(connection: sqlite3.Connection, *, name: str) -> int:
    """How many records of the route are written still."""
    count: int = connection.execute(
        "SELECT count(DISTINCT source_id) FROM records WHERE route = (SELECT id FROM routes WHERE name = ?)"
        " AND state = ?",
        (name, State.WRITTEN),
    ).fetchone()[0]
    return count


def note_undone(
    connection: sqlite3.Connection,
    *,
    route: int,
    run: int,
    said: Mapping[str, str],
    request: int | None,
) -> None:
    """These rows are undone: their records are skipped, and nothing is kept of them. `said`: by row, what became of it.

    The request that wrote each stays one that carried it, so that its story stays whole.
    """
    names: list[tuple[str, str, int]] = []
    for some in in_slices(list(said)):
        names += connection.execute(
            f"SELECT target_id, source_id, body FROM undoing_bodies WHERE route = ? AND target_id IN ({_MARKS})",  # noqa: S608  marks only
            (route, *some),
        ).fetchall()
    names = list(dict.fromkeys(names))
    before = _release(connection, route, [(source_id, body) for _, source_id, body in names])
    keyed = [(route, source_id, body) for _, source_id, body in names]
    again.note_past(connection, keyed)
    connection.executemany(
        _UNDONE,
        [(said[target_id], run, request, route, source_id, body) for target_id, source_id, body in names],
    )
    connection.executemany("DELETE FROM written WHERE route = ? AND source_id = ? AND body = ?", keyed)
    connection.executemany(
        "DELETE FROM befores WHERE route = ? AND target_id = ?", [(route, each) for each in said]
    )
    connection.executemany(
        "UPDATE undoing SET step = ?, send = NULL WHERE route = ? AND target_id = ?",
        [(DONE, route, each) for each in said],
    )
    before[State.SKIPPED] += len(names)
    tallies.move(connection, route=route, by=before)


def _release(connection: sqlite3.Connection, route: int, names: Sequence[tuple[str, int]]) -> Counter[State]:
    """Give up the bodies that are kept of failed later writes; how many records leave which state."""
    leaving: Counter[State] = Counter()
    kept: dict[int, set[tuple[str, int]]] = defaultdict(set)
    for source_id, body in names:
        state, chunk = connection.execute(
            "SELECT state, chunk FROM records WHERE route = ? AND source_id = ? AND body = ?",
            (route, source_id, body),
        ).fetchone()
        leaving[State(state)] -= 1
        if chunk is not None and state >= State.REJECTED:
            kept[chunk].add((source_id, body))
    for chunk, gone in kept.items():
        again.drop_bodies(connection, chunk, gone)
    return leaving
