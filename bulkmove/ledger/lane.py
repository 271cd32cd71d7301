"""The lanes that SQLite runs in: one thread that writes, with group commit, one that reads, and the event loop itself."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import anyio
from anyio import to_thread

from bulkmove import clock
from bulkmove.errors import LedgerError
from bulkmove.ledger.file import explained

T = TypeVar("T")
Change = Callable[[sqlite3.Connection], Any]

# Changes handed over and not yet durable. More only piles up memory: a commit takes them all at once. Pages of a list
# that is read beside a route are waited for, one by one: so many of a thousand rows each would be half a million rows.
MAX_WAITING = 512
# A look-up that took longer than this had to wait for a disk, and so may the next so many.
LONGEST_NEAR_S, FAR_AFTERWARDS = 0.01, 100


class ReadLane:
    """Runs look-ups in one thread, on a connection of its own, beside the commits."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._limiter = anyio.CapacityLimiter(1)

    async def run(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Raises LedgerError where SQLite fails."""
        return await to_thread.run_sync(self._ask, question, limiter=self._limiter)

    def _ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return question(self._connection)
        except sqlite3.Error as error:
            raise explained(self._path, error) from error


class NearLane:
    """Runs look-ups of a page's rows on the event loop itself, on a connection of its own.

    What they look at is nearly always in memory. Then they take less time than a thread takes to be woken, and the
    pages, which take turns, do not wait for one while the loop is busy. Where one had to wait for a disk, a hundred
    go to the thread; so does one that another program's lock is in the way of.
    """

    def __init__(self, connection: sqlite3.Connection, far: ReadLane) -> None:
        connection.execute("PRAGMA busy_timeout = 0")
        self._connection = connection
        self._far = far
        self._to_far = 0

    async def run(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Raises LedgerError where SQLite fails."""
        if self._to_far:
            self._to_far -= 1
            return await self._far.run(question)
        began = time.monotonic()
        try:
            found = question(self._connection)
        except sqlite3.Error:  # the thread waits for a lock, and says what else it may be
            return await self._far.run(question)
        if time.monotonic() - began > LONGEST_NEAR_S:
            self._to_far = FAR_AFTERWARDS
        return found


@dataclass(slots=True)
class _Waiting:
    change: Change
    after: Callable[[], None] | None
    done: anyio.Event | None


class WriteLane:
    """Takes changes in order and commits all that wait in one transaction.

    A change that fails fails them all: what the ledger can't keep, the run must not go on from. From then on
    every call raises LedgerError.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._limiter = anyio.CapacityLimiter(1)
        self._waiting: list[_Waiting] = []
        self._wake = anyio.Event()
        self._room = anyio.Event()
        self._is_committing = False
        self._is_closing = False
        self._failure: LedgerError | None = None
        self.run_id: int | None = None

    async def put(
        self,
        change: Change,
        *,
        wait: bool,
        before: Callable[[], None] | None = None,
        after: Callable[[], None] | None = None,
    ) -> None:
        """Hand a change over; it takes effect in the order in which they are handed over, which is that of the calls but
        where some wait for room.

        `wait`: return when it is durable. `before` is called when it is handed over, `after` once it is
        durable. Cancelled while it waits for room, nothing is handed over; later, the change takes effect.
        """
        while len(self._waiting) >= MAX_WAITING and self._failure is None:
            await self._room.wait()
        self._check()
        entry = _Waiting(change, after, anyio.Event() if wait else None)
        if before is not None:
            before()
        self._waiting.append(entry)
        self._wake.set()
        if entry.done is not None:
            await entry.done.wait()
            self._check()

    async def flush(self) -> None:
        """Return when all that was handed over is durable: at once where that is so, without a commit of nothing."""
        if self._waiting or self._is_committing:
            await self.put(lambda _: None, wait=True)
        else:
            self._check()

    async def serve(self) -> None:
        """Commit what waits, until `close`. Raises LedgerError where a commit failed."""
        while True:
            await self._wake.wait()
            self._wake = anyio.Event()
            group, self._waiting = self._waiting, []
            self._make_room()
            if group:
                await self._commit(group)
            if self._failure is not None:
                raise self._failure
            if self._is_closing and not self._waiting:
                return
            if self._is_closing or self._waiting:
                self._wake.set()

    def close(self) -> None:
        """Let `serve` return once all that waits is durable."""
        self._is_closing = True
        self._wake.set()

    async def _commit(self, group: list[_Waiting]) -> None:
        self._is_committing = True
        try:
            await to_thread.run_sync(self._apply, [entry.change for entry in group], limiter=self._limiter)
        except LedgerError as error:
            self._failure = error
        except Exception as error:  # noqa: BLE001  a change that SQLite can't even be given fails as all others do
            self._failure = LedgerError(
                f"{self._path}: a change could not be noted ({error!r}); this is a defect"
            )
            self._failure.__cause__ = error
        self._is_committing = False
        for entry in group:
            if self._failure is None and entry.after is not None:
                entry.after()
            if entry.done is not None:
                entry.done.set()
        if self._failure is not None:
            for entry in self._waiting:
                if entry.done is not None:
                    entry.done.set()
            self._make_room()

    def _make_room(self) -> None:
        room, self._room = self._room, anyio.Event()
        room.set()

    def _apply(self, changes: list[Change]) -> None:
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            for change in changes:
                change(connection)
            if self.run_id is not None:
                connection.execute("UPDATE runs SET alive_at = ? WHERE id = ?", (clock.now(), self.run_id))
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            raise explained(self._path, error) from error
        except BaseException:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        # What SQLite rolled back by itself, or can't, is no news: the error that led here says what happened.
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure
