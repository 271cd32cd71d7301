"""The target's lists in the ledger: the natural keys on each, who claims them, and what was learnt of its host."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from bulkmove.entries import ListState, TargetKey
from bulkmove.ledger import claiming, questions
from bulkmove.ledger.store import Store


class LedgerLists:
    """The part of `SqliteLedger` that answers for a list, by its name."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def save_list(self, name: str) -> None:
        """Add a target's list, named by address and stream."""
        store = self._store
        await store.writer.put(
            lambda c: c.execute("INSERT OR IGNORE INTO lists (name) VALUES (?)", (name,)), wait=True
        )
        store.lists = await store.reader.run(questions.lists)

    async def list_state(self, target_list: str) -> ListState:
        number = self._store.lists[target_list]
        return await self._store.reader.run(partial(questions.list_state, list_id=number))

    async def add_keys(self, target_list: str, keys: Sequence[TargetKey]) -> None:
        number = self._store.lists[target_list]
        await self._store.writer.put(lambda c: claiming.add_keys(c, list_id=number, keys=keys), wait=True)

    async def drop_keys(self, target_list: str) -> None:
        """Forget a reading of the list that did not come to its end; nothing was written to it yet."""
        number = self._store.lists[target_list]
        await self._store.writer.put(
            lambda c: c.execute("DELETE FROM keys WHERE list = ? AND rows > 0", (number,)), wait=True
        )

    async def close_keys(self, target_list: str) -> None:
        """The list was read whole; from here on its keys are never read anew."""
        number = self._store.lists[target_list]
        await self._store.writer.put(
            lambda c: c.execute("UPDATE lists SET is_read = 1 WHERE id = ?", (number,)), wait=True
        )

    async def find_keys(self, target_list: str, keys: Sequence[str]) -> dict[str, TargetKey]:
        """What is known of these natural keys: the rows that held them, and who claims them."""
        owners = self._store.handed_over.owners(target_list, keys)
        number = self._store.lists[target_list]
        found = await self._store.near.run(partial(questions.keys, list_id=number, wanted=keys))
        for key, owner in owners.items():
            old = found.get(key)
            found[key] = TargetKey(
                key=key,
                target_id=old.target_id if old else None,
                rows=old.rows if old else 0,
                fields=old.fields if old else None,
                owner=owner,
            )
        return found

    async def set_atomic(self, target_list: str, *, is_atomic: bool) -> None:
        row = (is_atomic, self._store.lists[target_list])
        await self._store.writer.put(
            lambda c: c.execute("UPDATE lists SET is_atomic = ? WHERE id = ?", row), wait=True
        )

    async def set_max_bytes(self, target_list: str, max_bytes: int) -> None:
        row = (max_bytes, self._store.lists[target_list])
        await self._store.writer.put(
            lambda c: c.execute("UPDATE lists SET max_bytes = ? WHERE id = ?", row), wait=False
        )
