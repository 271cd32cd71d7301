"""What a verification has seen so far, in a private file beside the ledger, so that a killed one goes on where it was.

Each page of it is one transaction: its rows or outcomes, its totals, and how far the list is read. The file is deleted
when the verification is done.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar

import orjson
from anyio import CapacityLimiter, to_thread

from bulkmove.ledger.file import connect, explained

T = TypeVar("T")

# What was read longer ago is read anew: hosts go on.
OLDEST_S = 24 * 3600.0

# spans stands as the ledger has it, so that one piece of code keeps both; its `route` is a reading here.
_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE readings (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, is_done INTEGER NOT NULL DEFAULT 0, after TEXT);
CREATE TABLE spans (
    route INTEGER NOT NULL, id INTEGER NOT NULL, lower INTEGER, upper INTEGER NOT NULL, reached INTEGER,
    is_done INTEGER NOT NULL, evidence INTEGER NOT NULL, PRIMARY KEY (route, id)
) WITHOUT ROWID;
CREATE TABLE rows (
    list INTEGER NOT NULL, id TEXT NOT NULL, key TEXT, marks BLOB NOT NULL, parts BLOB NOT NULL,
    is_used INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (list, id)
) WITHOUT ROWID;
CREATE INDEX rows_by_key ON rows (list, key);
CREATE INDEX unused_rows ON rows (list, id) WHERE is_used = 0;
CREATE TABLE compared (
    route TEXT NOT NULL, source_id TEXT NOT NULL, body INTEGER NOT NULL, outcome TEXT NOT NULL, row TEXT, detail TEXT,
    PRIMARY KEY (route, source_id, body)
) WITHOUT ROWID;
CREATE TABLE extra (route TEXT NOT NULL, row TEXT NOT NULL, detail TEXT, PRIMARY KEY (route, row)) WITHOUT ROWID;
CREATE TABLE sums (route TEXT NOT NULL, name TEXT NOT NULL, source TEXT NOT NULL, target TEXT NOT NULL,
    PRIMARY KEY (route, name)) WITHOUT ROWID;
"""


class Working:
    """The file, in a lane of one thread. Functions that are handed to `change` run in it, each in one transaction."""

    def __init__(self, connection: sqlite3.Connection, path: Path, *, is_resumed: bool) -> None:
        self._connection = connection
        self._lane = CapacityLimiter(1)
        self.path = path
        self.is_resumed = is_resumed
        self.is_done = False

    async def change(self, change: Callable[[sqlite3.Connection], T]) -> T:
        return await to_thread.run_sync(self._apply, change, limiter=self._lane)

    def _apply(self, change: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = change(connection)
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise explained(self.path, error) from error
        return result


@asynccontextmanager
async def open_working(path: Path, *, identity: object, fresh: bool) -> AsyncIterator[Working]:
    """The file, as an earlier verification of the same `identity` left it, or a new one. Deleted when `is_done` is set.

    Raises LedgerError where it can't be written.
    """
    wanted = orjson.dumps(identity, option=orjson.OPT_SORT_KEYS).decode()
    connection = None if fresh else _earlier(path, wanted)
    is_resumed = connection is not None
    if connection is None:
        drop_working(path)
        connection = connect(path, synchronous="normal")
        connection.executescript(_SCHEMA)
        meta = [("identity", wanted), ("started_at", repr(time.time()))]
        connection.executemany("INSERT INTO meta (name, value) VALUES (?, ?)", meta)
    working = Working(connection, path, is_resumed=is_resumed)
    try:
        yield working
    finally:
        connection.close()
        if working.is_done:
            drop_working(path)


def _earlier(path: Path, identity: str) -> sqlite3.Connection | None:
    if not path.exists():
        return None
    connection = connect(path, synchronous="normal")
    with suppress(sqlite3.Error):
        known = dict(connection.execute("SELECT name, value FROM meta").fetchall())
        is_young = time.time() - float(known.get("started_at", 0)) < OLDEST_S
        if known.get("identity") == identity and is_young:
            return connection
    connection.close()
    return None


def kept_seed(path: Path) -> int | None:
    """The seed of a sample that was cut off, so that it goes on with the same records."""
    if not path.exists():
        return None
    with suppress(sqlite3.Error):
        connection = connect(path, read_only=True)
        try:
            found = connection.execute("SELECT value FROM meta WHERE name = 'identity'").fetchone()
        finally:
            connection.close()
        seed = orjson.loads(found[0]).get("seed") if found is not None else None
        return seed if isinstance(seed, int) else None
    return None


def drop_working(path: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
