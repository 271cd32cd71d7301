"""What the ledger keeps of a mask: the key of its stand-ins, and which patterns were of use. Functions of a connection."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable

KEY_BYTES = 32


def new_key() -> bytes:
    return secrets.token_bytes(KEY_BYTES)


def key_of(connection: sqlite3.Connection) -> bytes | None:
    """None where no masked run was begun, or an older bulkmove wrote the ledger last."""
    has_table = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'mask'").fetchone()
    row = None if has_table is None else connection.execute("SELECT key FROM mask").fetchone()
    return None if row is None else bytes(row[0])


def save_key(connection: sqlite3.Connection, key: bytes) -> None:
    """Keep the key for good; one that is there already stays."""
    connection.execute("INSERT OR IGNORE INTO mask (id, key) VALUES (1, ?)", (key,))


def note_used(connection: sqlite3.Connection, patterns: Iterable[str]) -> None:
    connection.executemany(
        "INSERT OR IGNORE INTO masked (pattern) VALUES (?)", [(each,) for each in patterns]
    )


def used(connection: sqlite3.Connection) -> set[str]:
    """The patterns that a field was found for, in any run."""
    return {pattern for (pattern,) in connection.execute("SELECT pattern FROM masked")}
