"""The rows of a target as they stood before a route changed them, as a run works with them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial

from bulkmove.exact import encode_json
from bulkmove.ledger import keeping
from bulkmove.ledger.looking_back import RouteInLedger
from bulkmove.model import JsonObject


class LedgerBefores:
    """Implements `bulkmove.protocols.Befores`."""

    def __init__(self, route: RouteInLedger, list_id: int) -> None:
        self._route = route
        self._list = list_id

    async def missing(self, changed: Mapping[str, tuple[str, int]]) -> list[str]:
        await self._route.handed_over()
        question = partial(keeping.without_before, route=self._route.number, changed=changed)
        return await self._route.reader.run(question)

    async def keep(self, rows: Sequence[tuple[str, JsonObject]]) -> None:
        await self._put(partial(keeping.keep_before, route=self._route.number, rows=_encoded(rows)))

    async def has_list(self) -> bool:
        await self._route.handed_over()
        return await self._route.reader.run(partial(keeping.has_rows, list_id=self._list))

    async def begin_list(self) -> None:
        await self._put(partial(keeping.drop_rows, list_id=self._list))

    async def note_list(self, rows: Sequence[tuple[str, JsonObject]]) -> None:
        await self._put(partial(keeping.keep_rows, list_id=self._list, rows=_encoded(rows)))

    async def end_list(self) -> None:
        await self._put(partial(keeping.close_rows, list_id=self._list))

    async def take_from_list(self, target_ids: Sequence[str]) -> None:
        await self._put(
            partial(
                keeping.take_from_rows, route=self._route.number, list_id=self._list, target_ids=target_ids
            )
        )

    async def _put(self, change: Callable[[sqlite3.Connection], None]) -> None:
        await self._route.writer.put(change, wait=True)


def _encoded(rows: Sequence[tuple[str, JsonObject]]) -> list[tuple[str, bytes]]:
    """The rows as JSON, but for those that JSON can't carry: they could not be put back either."""
    encoded = []
    for target_id, row in rows:
        with suppress(TypeError, ValueError):
            encoded.append((target_id, encode_json(row)))
    return encoded
