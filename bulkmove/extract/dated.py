"""What one reading of a sorted list has read, by id and key, in a private temporary file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import TypeVar

from bulkmove.extract.scratch import Scratch
from bulkmove.model import Record

T = TypeVar("T")
CACHE_KIB = 4096
NEAR_S = 120  # how far a free second is looked for
KEPT_BACK = 2_000  # rows that wait to be put down together


class DatedIds(Scratch):
    """Ids and keys. An async context manager; gone without trace when left. A row that comes again has its new key."""

    def __init__(self) -> None:
        super().__init__(
            "rows (id TEXT PRIMARY KEY, key INTEGER NOT NULL) WITHOUT ROWID", cache_kib=CACHE_KIB
        )
        self._waiting: dict[str, int] = {}

    async def add(self, records: Sequence[Record]) -> None:
        for record in records:
            if record.id is not None and record.key is not None:
                self._waiting[record.id] = record.key
        if len(self._waiting) >= KEPT_BACK:
            await self._run(lambda _: None)

    async def look_closer(self) -> None:
        """Before many questions: most readings are asked two, for which an index of a million rows is not worth it."""
        await self._run(lambda database: database.execute("CREATE INDEX IF NOT EXISTS keys ON rows (key)"))

    async def first(self) -> int | None:
        """The lowest key."""
        found: int | None = await self._run(
            lambda database: database.execute("SELECT min(key) FROM rows").fetchone()[0]
        )
        return found

    async def count(self, after: int, before: int) -> int:
        """How many rows have a key between the two."""
        found: int = await self._run(
            lambda database: database.execute(
                "SELECT count(*) FROM rows WHERE key > ? AND key < ?", (after, before)
            ).fetchone()[0]
        )
        return found

    async def ids(self, after: int, before: int) -> set[str]:
        return await self._run(
            lambda database: {
                row[0]
                for row in database.execute("SELECT id FROM rows WHERE key > ? AND key < ?", (after, before))
            }
        )

    async def known(self, names: Sequence[str]) -> set[str]:
        """Those of the ids that were read, whatever their key."""
        return await self._run(
            lambda database: {
                name
                for name in names
                if database.execute("SELECT 1 FROM rows WHERE id = ?", (name,)).fetchone() is not None
            }
        )

    async def free(self, second: int, *, step: int) -> int:
        """The nearest second that no row has, from `second` on: a bound that is the same, whether it is included or not."""
        return await self._run(lambda database: _free(database, second, step))

    async def middle(self, after: int, before: int) -> int | None:
        """A second between the two that no row has, about as many rows on either side; None where there is none."""
        return await self._run(lambda database: _middle(database, after, before))

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        waiting, self._waiting = self._waiting, {}

        def put_down_and_work(database: sqlite3.Connection) -> T:
            database.executemany("INSERT OR REPLACE INTO rows VALUES (?, ?)", waiting.items())
            return work(database)

        return await super()._run(put_down_and_work)


def _middle(database: sqlite3.Connection, after: int, before: int) -> int | None:
    where = "FROM rows WHERE key > ? AND key < ?"
    (rows,) = database.execute(f"SELECT count(*) {where}", (after, before)).fetchone()
    median = database.execute(
        f"SELECT key {where} ORDER BY key LIMIT 1 OFFSET ?", (after, before, rows // 2)
    ).fetchone()
    if median is None:
        return None
    found = (_free(database, median[0], step) for step in (-1, 1))
    return next((second for second in found if after < second < before), None)


def _free(database: sqlite3.Connection, second: int, step: int) -> int:
    """`second` itself where all that are near are taken: then a bound may count its own rows or not."""
    near = [second + step * number for number in range(NEAR_S)]
    taken = {
        row[0]
        for row in database.execute(
            "SELECT DISTINCT key FROM rows WHERE key BETWEEN ? AND ?", (min(near), max(near))
        )
    }
    return next((each for each in near if each not in taken), second)
