"""What a route wrote of whose rows no id is known: an undo looks for them by the keys that they were created with.

Functions of a connection; those that change something, inside a transaction. Rows of the target's list that show such a
key are noted by `sweeping.note`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

import orjson

from bulkmove.model import State

# A delta rejects a later change of one, by this cause; other rejected bodies without an id are surely not there. What is
# of unknown fate is counted as that.
UNPLACED = f"""
(target_id IS NULL AND (state = {State.WRITTEN.value} OR (is_created = 1 AND
    (state = {State.SKIPPED.value} OR (state = {State.REJECTED.value} AND cause = 'no-target-id')))))
"""
# One row alone shows the key, with an id, and is none that stood there before or is known as another body's.
_LIST_FOUND = f"""
INSERT INTO undoing_bodies (route, source_id, body, target_id, request)
SELECT r.route, r.source_id, r.body, max(s.row), coalesce(r.request, 0)
FROM swept AS s CROSS JOIN keys AS k ON k.list = ?2 AND k.key = s.key
CROSS JOIN (SELECT * FROM records WHERE {UNPLACED}) AS r ON r.route = ?1 AND r.source_id = k.source_id AND r.body = k.body
WHERE s.route = ?1 AND k.route = ?3 AND k.rows = 0 AND (?4 IS NULL OR r.source_id IN (SELECT value FROM json_each(?4)))
GROUP BY r.source_id, r.body HAVING count(*) = 1 AND max(s.row) <> '' AND max(s.row) NOT IN
    (SELECT target_id FROM records WHERE route = ?1 AND target_id IS NOT NULL
     UNION ALL SELECT target_id FROM keys WHERE list = ?2 AND rows > 0 AND target_id IS NOT NULL)
"""  # noqa: S608  UNPLACED is our own text; what comes from outside is bound
_THERE = f"""
FROM (SELECT * FROM records WHERE {UNPLACED}) AS r
WHERE r.route = ?1 AND (?2 IS NULL OR r.source_id IN (SELECT value FROM json_each(?2)))
"""  # noqa: S608  UNPLACED is our own text; what comes from outside is bound
_LEFT = f"""
{_THERE} AND NOT EXISTS
    (SELECT 1 FROM undoing_bodies AS b WHERE b.route = ?1 AND b.source_id = r.source_id AND b.body = r.body)
"""  # noqa: S608  UNPLACED is our own text; what comes from outside is bound
# All keys are walked once: none is found by its body. Of the rows that show one, as many are named as a line has room for.
_KEYS = """
SELECT k.source_id, k.body, k.key, (SELECT substr(group_concat(s.row, ', '), 1, 120) FROM swept AS s
    WHERE s.route = ?1 AND s.key = k.key AND s.row <> '')
FROM keys AS k WHERE k.list = ?2 AND k.route = ?3 AND k.rows = 0 AND k.source_id IN (SELECT value FROM json_each(?4))
"""


class Unplaced(NamedTuple):
    """A body that was written and whose row is not known. `key`: that it was created with; `rows`: those that show it."""

    source_id: str
    key: str | None
    rows: str | None


def is_any(connection: sqlite3.Connection, *, route: int, ids: Sequence[str]) -> bool:
    """Whether there are such bodies, of records with these ids or of all."""
    found = connection.execute(f"SELECT 1 {_THERE} LIMIT 1", (route, _as_json(ids))).fetchone()
    return found is not None


def list_found(
    connection: sqlite3.Connection, *, route: int, name: str, list_id: int, ids: Sequence[str]
) -> None:
    """Put bodies whose row was found among those that an undo works on."""
    connection.execute(_LIST_FOUND, (route, list_id, name, _as_json(ids)))


def count(connection: sqlite3.Connection, *, route: int, ids: Sequence[str]) -> int:
    """How many bodies are at the target and not among those that an undo works on."""
    found: int = connection.execute(f"SELECT count(*) {_LEFT}", (route, _as_json(ids))).fetchone()[0]
    return found


def first(
    connection: sqlite3.Connection, *, route: int, name: str, list_id: int, ids: Sequence[str], most: int
) -> list[Unplaced]:
    """The first of these, in the order of their records."""
    bodies = connection.execute(
        f"SELECT r.source_id, r.body {_LEFT} ORDER BY r.source_id, r.body LIMIT ?3",
        (route, _as_json(ids), most),
    ).fetchall()
    if not bodies:
        return []
    named = _as_json([source_id for source_id, _ in bodies])
    keys = {
        (source_id, body): (key, rows)
        for source_id, body, key, rows in connection.execute(_KEYS, (route, list_id, name, named))
    }
    return [Unplaced(source_id, *keys.get((source_id, body), (None, None))) for source_id, body in bodies]


def _as_json(ids: Sequence[str]) -> str | None:
    return orjson.dumps(list(ids)).decode() if ids else None
