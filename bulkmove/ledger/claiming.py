"""Natural keys of a target's list: what a reading of it showed, and which record claims a key.

Functions of a connection inside a transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from bulkmove.entries import Entry, TargetKey
from bulkmove.ledger.many_rows import execute_rows
from bulkmove.model import State

_CLAIM = """
INSERT INTO keys (list, key, rows, route, source_id, body) SELECT * FROM ({rows}) WHERE true
ON CONFLICT (list, key) DO UPDATE
SET source_id = iif(route IS NULL, excluded.source_id, source_id), body = iif(route IS NULL, excluded.body, body),
    route = coalesce(route, excluded.route)
"""
_KEY_READ = """
INSERT INTO keys (list, key, target_id, rows, fields) VALUES (?, ?, ?, 1, ?)
ON CONFLICT (list, key) DO UPDATE SET rows = rows + 1 WHERE target_id <> excluded.target_id
"""


def claim_keys(connection: sqlite3.Connection, *, list_id: int, route: str, entries: Iterable[Entry]) -> None:
    """The bodies claim their keys; those that create a row with it are named, since only they can be doubled."""
    rows = [
        (list_id, e.key, 0, route, e.source_id, e.part if _is_create(e) else None)
        for e in entries
        if e.key is not None
    ]
    execute_rows(connection, _CLAIM, rows)


def _is_create(entry: Entry) -> bool:
    return entry.target_id is None and entry.state is State.PENDING


def add_keys(connection: sqlite3.Connection, *, list_id: int, keys: Iterable[TargetKey]) -> None:
    connection.executemany(_KEY_READ, [(list_id, k.key, k.target_id, k.fields) for k in keys])
