"""What a route looks at once more when all of it is written: its doubles, and changes that no answer told of."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from bulkmove.entries import Member, Unconfirmed
from bulkmove.ledger import confirming, sweeping
from bulkmove.ledger.lane import ReadLane, WriteLane


@dataclass(frozen=True, slots=True)
class RouteInLedger:
    """A route of a run, and the lanes that lead to its ledger."""

    number: int
    name: str
    run: int
    writer: WriteLane
    reader: ReadLane
    reserve_chunk: Callable[[], int]

    async def handed_over(self) -> None:
        await self.writer.put(lambda _: None, wait=True)


class LedgerSweep:
    """Implements `bulkmove.protocols.KeySweep`."""

    def __init__(self, route: RouteInLedger, list_id: int) -> None:
        self._route = route
        self._list = list_id

    async def is_due(self) -> bool:
        await self._route.handed_over()
        return await self._route.reader.run(partial(sweeping.is_due, route=self._route.number))

    async def has_doubled(self) -> bool:
        await self._route.handed_over()
        return await self._route.reader.run(partial(sweeping.doubled, route=self._route.number)) > 0

    async def has_created(self) -> bool:
        await self._route.handed_over()
        return await self._route.reader.run(
            partial(sweeping.has_created, list_id=self._list, route=self._route.name)
        )

    async def reopen(self) -> None:
        await self._put(partial(sweeping.reopen, route=self._route.number))

    async def begin(self) -> None:
        await self._put(partial(sweeping.begin, route=self._route.number))

    async def note(self, rows: Sequence[tuple[str, str]]) -> None:
        route = self._route
        change = partial(sweeping.note, route=route.number, list_id=self._list, name=route.name, rows=rows)
        await self._put(change)

    async def end(self, key_field: str) -> Counter[str]:
        route = self._route
        told: list[Counter[str]] = []

        def change(connection: sqlite3.Connection) -> None:
            told.append(
                sweeping.end(
                    connection,
                    route=route.number,
                    list_id=self._list,
                    name=route.name,
                    run=route.run,
                    key_field=key_field,
                )
            )

        await self._put(change)
        return told[-1]

    async def _put(self, change: Callable[[sqlite3.Connection], None]) -> None:
        await self._route.writer.put(change, wait=True)


class LedgerUnconfirmed:
    """Implements `bulkmove.protocols.UnconfirmedChanges`."""

    def __init__(self, route: RouteInLedger) -> None:
        self._route = route

    async def count(self) -> int:
        await self._route.handed_over()
        return await self._route.reader.run(partial(confirming.count, route=self._route.number))

    async def unseen(self) -> Sequence[tuple[str, int]]:
        return await self._route.reader.run(partial(confirming.unseen, route=self._route.number))

    async def of_rows(self, target_ids: Sequence[str]) -> Sequence[Unconfirmed]:
        return await self._route.reader.run(
            partial(confirming.of_rows, route=self._route.number, target_ids=target_ids)
        )

    async def confirm(self, target_ids: Sequence[str]) -> None:
        change = partial(confirming.confirm, route=self._route.number, target_ids=target_ids)
        await self._route.writer.put(change, wait=True)

    async def note_shown(self, shown: Sequence[tuple[str, str]]) -> None:
        change = partial(confirming.note_shown, route=self._route.number, shown=shown)
        await self._route.writer.put(change, wait=True)

    async def following(self, after: str) -> Sequence[Unconfirmed]:
        await self._route.handed_over()
        return await self._route.reader.run(
            partial(confirming.following, route=self._route.number, after=after)
        )

    async def reopen(self, changes: Sequence[Unconfirmed]) -> Sequence[Member]:
        chunk = self._route.reserve_chunk()
        change = partial(
            confirming.reopen, route=self._route.number, run=self._route.run, changes=changes, chunk=chunk
        )
        await self._route.writer.put(change, wait=True)
        return confirming.members(changes, chunk)

    async def end(self) -> None:
        await self._route.writer.put(partial(confirming.end, route=self._route.number), wait=True)
