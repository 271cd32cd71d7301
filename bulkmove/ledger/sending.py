"""Write requests: the intent before one, the note after it, and whether a write of a route is in doubt.

Functions of a connection inside a transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import orjson

from bulkmove.entries import Intent, Member, Sent


def save_intent(
    connection: sqlite3.Connection, *, intent: Intent, route: int, run: int, is_parked: bool
) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO intents (id, route, run, sent_at, is_parked, refusal, members)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            intent.id,
            route,
            run,
            intent.sent_at,
            is_parked,
            intent.refusal,
            orjson.dumps([tuple(member) for member in intent.members]),
        ),
    )


def close_intent(connection: sqlite3.Connection, intent: int) -> None:
    connection.execute("DELETE FROM intents WHERE id = ?", (intent,))


def note_request(connection: sqlite3.Connection, *, route: int, run: int, sent: Sent) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO requests (id, route, run, sent_at, answered_at, bodies, said)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (sent.id, route, run, sent.sent_at, sent.answered_at, sent.bodies, sent.said),
    )


def note_tries(
    connection: sqlite3.Connection, *, route: int, members: Sequence[Member], request: int
) -> None:
    """The request carried these bodies and settled none of them."""
    connection.executemany(
        "INSERT OR IGNORE INTO tries (route, source_id, body, request) VALUES (?, ?, ?, ?)",
        [(route, m.source_id, m.part, request) for m in members],
    )


def note_unsettled(connection: sqlite3.Connection, *, run: int, at: float) -> None:
    """An attempt of this run may land yet. Of the run: a record that is put down anew forgets its attempts."""
    connection.execute(
        "UPDATE runs SET unsettled_at = max(coalesce(unsettled_at, 0.0), ?) WHERE id = ?", (at, run)
    )


def note_doubt(connection: sqlite3.Connection, *, route: int) -> None:
    """A write of the route is, or was, in doubt."""
    connection.execute("UPDATE routes SET was_doubted = 1 WHERE id = ? AND was_doubted = 0", (route,))


def note_left_open(connection: sqlite3.Connection) -> None:
    """What an ended run left open is in doubt."""
    connection.execute("UPDATE routes SET was_doubted = 1 WHERE id IN (SELECT route FROM intents)")
