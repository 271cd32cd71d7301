"""Rows of a target that show keys which a route created rows with: counted by key, so that doubles are seen.

Functions of a connection inside a transaction. Whatever the list holds, no more than a page of it is in memory.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from bulkmove.ledger import tallies
from bulkmove.model import State

DOUBLED = "doubled"
FOUND_LATE = "found-late"
NONE_LEFT = "none-left"
# The cause of what was set aside because it was proven not to be there.
_SET_ASIDE = "kept-failing"
_LONGEST_LIST = 120
_A_SLICE = 1000

_NOTE = """
INSERT OR IGNORE INTO swept (route, key, row) SELECT ?1, ?2, ?3 WHERE EXISTS
(SELECT 1 FROM keys WHERE list = ?4 AND key = ?2 AND route = ?5 AND rows = 0 AND body IS NOT NULL)
"""
# Keys with more rows than one, and those of records that failed; the rest is as it should be.
_WORTH_A_LOOK = f"""
SELECT s.key, k.source_id, k.body, r.state, r.cause, count(*) AS found, min(s.row),
    substr(group_concat(s.row, ', '), 1, {_LONGEST_LIST})
FROM swept AS s JOIN keys AS k ON k.list = ?2 AND k.key = s.key
JOIN records AS r ON r.route = ?1 AND r.source_id = k.source_id AND r.body = k.body
WHERE s.route = ?1 AND s.key > ?3 GROUP BY s.key HAVING found > 1 OR r.state >= {State.REJECTED.value}
ORDER BY s.key LIMIT {_A_SLICE}
"""  # noqa: S608  our own numbers
_OUTCOME = """
UPDATE records SET state = ?, target_id = coalesce(?, target_id), cause = ?, message = ?, run = ?
WHERE route = ? AND source_id = ? AND body = ?
"""
# A body of ours that was doubled and that no row shows the key of. Its claim stays.
_NONE_LEFT = f"""
UPDATE records SET state = {State.REJECTED.value}, target_id = NULL, cause = '{NONE_LEFT}', message = ?1, run = ?2
WHERE route = ?3 AND state >= {State.REJECTED.value} AND state = {State.UNKNOWN.value} AND cause = '{DOUBLED}'
    AND (source_id, body) IN
    (SELECT k.source_id, k.body FROM keys AS k WHERE k.list = ?4 AND k.route = ?5 AND k.rows = 0 AND k.body IS NOT NULL
     AND NOT EXISTS (SELECT 1 FROM swept AS s WHERE s.route = ?3 AND s.key = k.key))
"""  # noqa: S608  our own numbers


class Found(NamedTuple):
    """A key of ours on the list: whose body it is, that body's outcome so far, and the rows that show the key."""

    key: str
    source_id: str
    body: int
    state: State
    cause: str | None
    found: int
    row: str
    rows: str


class Outcome(NamedTuple):
    """What a body becomes by what the list shows."""

    state: State
    target_id: str | None
    cause: str | None
    message: str | None


def is_due(connection: sqlite3.Connection, route: int) -> bool:
    """Whether a write of the route was ever in doubt, or a record is doubled."""
    (was_doubted,) = connection.execute("SELECT was_doubted FROM routes WHERE id = ?", (route,)).fetchone()
    return bool(was_doubted) or doubled(connection, route) > 0


def has_created(connection: sqlite3.Connection, list_id: int, route: str) -> bool:
    found = connection.execute(
        "SELECT 1 FROM keys WHERE list = ? AND route = ? AND rows = 0 AND body IS NOT NULL LIMIT 1",
        (list_id, route),
    ).fetchone()
    return found is not None


def doubled(connection: sqlite3.Connection, route: int) -> int:
    """How many bodies are unknown for being on the target more than once."""
    count: int = connection.execute(
        "SELECT count(*) FROM records WHERE route = ? AND state >= 5 AND state = ? AND cause = ?",
        (route, State.UNKNOWN, DOUBLED),
    ).fetchone()[0]
    return count


def reopen(connection: sqlite3.Connection, *, route: int) -> None:
    """A route with doubled records is not finished: they are looked at again."""
    if doubled(connection, route):
        connection.execute("UPDATE routes SET is_finished = 0 WHERE id = ?", (route,))


def begin(connection: sqlite3.Connection, *, route: int) -> None:
    connection.execute("DELETE FROM swept WHERE route = ?", (route,))


def note(
    connection: sqlite3.Connection, *, route: int, list_id: int, name: str, rows: Iterable[tuple[str, str]]
) -> None:
    """Rows of the list, each by the key that it shows; those that the route `name` created are kept."""
    connection.executemany(_NOTE, [(route, key, row, list_id, name) for key, row in rows])


def end(
    connection: sqlite3.Connection, *, route: int, list_id: int, name: str, run: int, key_field: str
) -> Counter[str]:
    """The list was read whole: how many bodies are doubled, found although they were set aside, or single again.

    And how many were doubled and have no row any more: they are not at the target, which is to be rejected.
    """
    told: Counter[str] = Counter()
    moved: Counter[State] = Counter()
    if doubled(connection, route):
        message = f"no row of the target has its {key_field} any more, which was there more than once"
        gone = connection.execute(_NONE_LEFT, (message, run, route, list_id, name)).rowcount
        told[NONE_LEFT] += gone
        moved.update({State.UNKNOWN: -gone, State.REJECTED: gone})
    after = ""
    while rows := connection.execute(_WORTH_A_LOOK, (route, list_id, after)).fetchall():
        after = rows[-1][0]
        changes = []
        for row in rows:
            ours = Found(row[0], row[1], row[2], State(row[3]), *row[4:])
            outcome = _outcome(ours, key_field)
            if outcome is None:
                continue
            changes.append((*outcome, run, route, ours.source_id, ours.body))
            told[outcome.cause or "single again"] += 1
            moved[ours.state] -= 1
            moved[outcome.state] += 1
        connection.executemany(_OUTCOME, changes)
    tallies.move(connection, route=route, by=moved)
    begin(connection, route=route)
    return +told


def _outcome(ours: Found, key_field: str) -> Outcome | None:
    """None where the list tells nothing new of the body: it is in doubt still, or failed for another reason."""
    is_doubled = ours.state is State.UNKNOWN and ours.cause == DOUBLED
    if ours.found > 1 and (ours.state is State.WRITTEN or is_doubled):
        message = f"rows {ours.rows} of the target have its {key_field}"
        return Outcome(State.UNKNOWN, None, DOUBLED, message)
    if is_doubled:
        return Outcome(State.WRITTEN, ours.row, None, None)
    if ours.state is State.REJECTED and ours.cause == _SET_ASIDE:
        message = (
            f"it was set aside as not there, and now rows {ours.rows} of the target have its {key_field}"
        )
        return Outcome(State.UNKNOWN, None, FOUND_LATE, message)
    return None
