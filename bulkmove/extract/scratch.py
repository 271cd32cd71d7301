"""A private temporary database for what one reading notes, so that memory does not grow with the list."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from types import TracebackType
from typing import Self, TypeVar

import anyio
from anyio import CapacityLimiter, to_thread

T = TypeVar("T")


class Scratch:
    """One table, asked in a thread. An async context manager; gone without trace when left.

    All calls may be made concurrently. Cancelled, a call is done or not begun.
    """

    def __init__(self, table: str, *, cache_kib: int) -> None:
        self._table = table
        self._cache_kib = cache_kib
        self._lane = CapacityLimiter(1)
        self._database: sqlite3.Connection | None = None

    async def __aenter__(self) -> Self:
        self._database = await to_thread.run_sync(self._open, limiter=self._lane)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        database, self._database = self._database, None
        if database is not None:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(database.close, limiter=self._lane)

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        database = self._database
        if database is None:
            raise RuntimeError(f"a {type(self).__name__} is used inside its `async with` alone")
        return await to_thread.run_sync(work, database, limiter=self._lane)

    def _open(self) -> sqlite3.Connection:
        # An empty name is a file of SQLite's own that no other process can open and that closing removes.
        database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        for setting in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{self._cache_kib}"):
            with closing(database.execute(f"PRAGMA {setting}")):
                pass
        database.execute(f"CREATE TABLE {self._table}")
        # One transaction from first to last: nothing here is ever rolled back or read by others.
        database.execute("BEGIN")
        return database
