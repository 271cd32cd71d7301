"""Rows of the target that are deleted because their records left the source: functions of a connection.

Only rows that the migration made: what stood there before it is not its own to delete.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import orjson

from bulkmove.ledger import tallies
from bulkmove.ledger.again import Claims, note_past
from bulkmove.ledger.delta_passes import DELETED, PART_LEFT
from bulkmove.model import State

# What a run was begun for.
DELETION = "deletion"
_IDS = "(SELECT value FROM json_each(?))"
_MINE = "r.is_created = 1 AND r.target_id IS NOT NULL AND (r.state IN (1, 2) OR (r.state = 0 AND r.cause IS NOT NULL))"


class Deletable(NamedTuple):
    """A body whose row can go. `was_sent`: a run that was killed may have deleted it."""

    source_id: str
    part: int
    state: State
    target_id: str
    was_sent: bool


def count(connection: sqlite3.Connection, route: int) -> int:
    """How many rows can go."""
    (gone,) = connection.execute(
        "SELECT count(*) FROM departed AS d JOIN records AS r ON r.route = d.route AND r.source_id = d.source_id"  # noqa: S608  our own text
        f" WHERE d.route = ? AND {_MINE}",
        (route,),
    ).fetchone()
    return int(gone) + len(of_left_parts(connection, route))


def of_departed(connection: sqlite3.Connection, route: int, after: str, most: int) -> list[Deletable]:
    """Rows of the next so many records that are gone, behind `after`, in the order of their ids."""
    rows = connection.execute(
        "SELECT r.source_id, r.body, r.state, r.target_id, d.is_sent FROM departed AS d"  # noqa: S608  our own text
        " JOIN records AS r ON r.route = d.route AND r.source_id = d.source_id"
        f" WHERE d.route = ?1 AND {_MINE} AND d.source_id IN"
        " (SELECT d2.source_id FROM departed AS d2 WHERE d2.route = ?1 AND d2.source_id > ?2"
        "  AND EXISTS (SELECT 1 FROM records AS r WHERE r.route = ?1 AND r.source_id = d2.source_id"
        f"   AND {_MINE}) ORDER BY d2.source_id LIMIT ?3)"
        " ORDER BY r.source_id, r.body",
        (route, after, most),
    )
    return [Deletable(source_id, part, State(state), *rest) for source_id, part, state, *rest in rows]


def of_left_parts(connection: sqlite3.Connection, route: int) -> list[Deletable]:
    """Rows of bodies that their records give no longer; those of records that are gone are not among them."""
    rows = connection.execute(
        "SELECT r.source_id, r.body, r.state, r.target_id, 1 FROM records AS r WHERE r.route = ? AND r.state = 0"
        " AND r.cause = ? AND r.is_created = 1 AND r.target_id IS NOT NULL"
        " AND r.source_id NOT IN (SELECT source_id FROM departed WHERE route = r.route)",
        (route, PART_LEFT),
    )
    return [Deletable(source_id, part, State(state), *rest) for source_id, part, state, *rest in rows]


def note_sent(connection: sqlite3.Connection, *, route: int, ids: Sequence[str]) -> None:
    """From here on the rows of these records may be gone, whatever ends the process."""
    connection.execute(
        f"UPDATE departed SET is_sent = 1 WHERE route = ? AND source_id IN {_IDS}",  # noqa: S608  our own names
        (route, orjson.dumps(list(ids)).decode()),
    )


def note_deleted(
    connection: sqlite3.Connection, *, route: int, run: int, deleted: Sequence[Deletable], claims: Claims
) -> None:
    """Their rows are gone: they are skipped, what they claimed is anybody's, and nothing of them is there to undo."""
    names = [(route, each.source_id, each.part) for each in deleted]
    note_past(connection, names)
    connection.executemany(
        "UPDATE records SET state = 0, cause = ?, message = ?, target_id = NULL, is_created = 0, run = ?, request = NULL"
        " WHERE route = ? AND source_id = ? AND body = ?",
        [
            (
                DELETED,
                f"row {each.target_id} of the target was deleted",
                run,
                route,
                each.source_id,
                each.part,
            )
            for each in deleted
        ],
    )
    connection.executemany("DELETE FROM written WHERE route = ? AND source_id = ? AND body = ?", names)
    # Of a record that has a row left, which was not the migration's to delete, it stays known that it is gone.
    connection.executemany(
        "DELETE FROM departed WHERE route = ?1 AND source_id = ?2 AND NOT EXISTS"
        " (SELECT 1 FROM records WHERE route = ?1 AND source_id = ?2 AND coalesce(cause, '') <> ?3)",
        [(route, each.source_id, DELETED) for each in deleted],
    )
    moved = Counter[State]()
    for each in deleted:
        moved[each.state] -= 1
        moved[State.SKIPPED] += 1
    tallies.move(connection, route=route, by=moved)
    connection.executemany(
        "DELETE FROM keys WHERE list = ? AND route = ? AND source_id = ? AND body = ? AND rows = 0",
        [(claims.list_id, claims.route, each.source_id, each.part) for each in deleted],
    )
