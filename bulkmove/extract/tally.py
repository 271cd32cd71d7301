"""Which ids a reading in passes has seen, in a private temporary file, so that memory does not grow with the list."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from bulkmove.extract.scratch import Scratch

LOOKUP_SIZE = 500  # ids in one SELECT: SQLite's old limit on parameters is 999
CACHE_KIB = 8192


class Tally(Scratch):
    """The ids of one reading and the last pass that saw each. An async context manager; gone without trace when left.

    Passes are numbered upwards from 1. All calls may be made concurrently. Cancelled, a call is done or not begun.
    """

    def __init__(self) -> None:
        super().__init__(
            "seen (id TEXT PRIMARY KEY, pass INTEGER NOT NULL) WITHOUT ROWID", cache_kib=CACHE_KIB
        )
        self._seen: dict[int, int] = {}  # ids by pass
        self._kept: dict[int, int] = {}  # ids of a pass that the pass before saw too
        self._size = 0

    @property
    def last(self) -> int:
        """The newest pass; 0 before the first."""
        return max(self._seen, default=0)

    async def add(self, pass_no: int, ids: Sequence[str]) -> set[str]:
        """Note that a pass saw these; returns those that no pass of the whole reading had seen before."""
        self._seen.setdefault(pass_no, 0)
        if not ids:
            return set()
        return await self._run(lambda database: self._add(database, pass_no, set(ids)))

    async def agree(self, pass_no: int) -> bool:
        """Whether a pass saw the same set of ids as the pass before it."""
        seen = self._seen.get(pass_no, 0)
        return seen == self._seen.get(pass_no - 1, 0) == self._kept.get(pass_no, 0)

    async def count(self, pass_no: int) -> int:
        """How many different ids a pass saw."""
        return self._seen.get(pass_no, 0)

    async def size(self) -> int:
        """How many different ids all passes saw together."""
        return self._size

    async def missing(self, ids: Sequence[str]) -> set[str]:
        """Those of `ids` that the last pass did not see."""
        last = self.last
        return await self._run(
            lambda database: (
                set(ids)
                - {known for known, pass_no in _last_passes(database, list(set(ids))) if pass_no == last}
            )
        )

    async def clear(self) -> None:
        """Forget everything, as if no pass had been read."""
        await self._run(self._clear)

    def _add(self, database: sqlite3.Connection, pass_no: int, ids: set[str]) -> set[str]:
        last = dict(_last_passes(database, list(ids)))
        fresh = [one for one in ids if last.get(one) != pass_no]
        database.executemany(
            "INSERT INTO seen VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET pass = excluded.pass",
            [(one, pass_no) for one in fresh],
        )
        new = ids - last.keys()
        self._size += len(new)
        self._seen[pass_no] += len(fresh)
        kept = sum(last.get(one) == pass_no - 1 for one in fresh)
        self._kept[pass_no] = self._kept.get(pass_no, 0) + kept
        return new

    def _clear(self, database: sqlite3.Connection) -> None:
        database.execute("DELETE FROM seen")
        self._seen, self._kept, self._size = {}, {}, 0


def _last_passes(database: sqlite3.Connection, ids: list[str]) -> list[tuple[str, int]]:
    rows: list[tuple[str, int]] = []
    for start in range(0, len(ids), LOOKUP_SIZE):
        some = ids[start : start + LOOKUP_SIZE]
        marks = ",".join("?" * len(some))
        rows += database.execute(f"SELECT id, pass FROM seen WHERE id IN ({marks})", some).fetchall()  # noqa: S608 - marks alone
    return rows
