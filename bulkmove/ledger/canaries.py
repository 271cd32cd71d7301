"""The first records of a route, as the ledger knows them: what was sent of each, and what became of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import partial
from typing import Literal, NamedTuple, cast

from bulkmove.entries import Item
from bulkmove.ledger.chunks import compressed, decompressed
from bulkmove.ledger.sqlite import SqliteLedger
from bulkmove.model import State

CanaryState = Literal["open", "passed", "failed"]


class SentBody(NamedTuple):
    """One body of a canary's record. `target_id`: of the row that it changed or became, where that is known."""

    source_id: str
    part: int
    sent: bytes
    state: State
    target_id: str | None
    key: str | None
    cause: str | None
    message: str | None


class KeptCanary:
    """One route's canary in its ledger. All changes are durable when they return."""

    def __init__(self, ledger: SqliteLedger, route: str) -> None:
        self._ledger = ledger
        self._route = ledger.number_of(route)

    async def state(self) -> CanaryState | None:
        """None where none was begun."""
        return await self._ledger.ask(partial(state_of, route=self._route))

    async def mark(self, state: CanaryState) -> None:
        """Begin it, or note how it ended. What was sent is kept no longer than until it passed."""
        await self._ledger.change(partial(_mark, route=self._route, state=state))

    async def forget(self) -> None:
        await self._ledger.change(partial(_forget, route=self._route))

    async def keep(self, items: Sequence[Item]) -> None:
        """Before they are sent: what is written of a record has no body left in the ledger otherwise."""
        if items:
            await self._ledger.change(partial(_keep, route=self._route, items=items))

    async def sent(self) -> list[SentBody]:
        return await self._ledger.ask(partial(_sent, route=self._route))


def state_of(connection: sqlite3.Connection, *, route: int) -> CanaryState | None:
    row = connection.execute("SELECT state FROM canaries WHERE route = ?", (route,)).fetchone()
    return None if row is None else cast("CanaryState", row[0])


def erase(connection: sqlite3.Connection, *, route: int | None) -> None:
    """Forget what canaries sent, of all routes or one; how each ended stays."""
    connection.execute("DELETE FROM canary_bodies WHERE ?1 IS NULL OR route = ?1", (route,))


def _mark(connection: sqlite3.Connection, *, route: int, state: CanaryState) -> None:
    connection.execute(
        "INSERT INTO canaries (route, state) VALUES (?, ?) ON CONFLICT (route) DO UPDATE SET state = excluded.state",
        (route, state),
    )
    if state == "passed":
        erase(connection, route=route)


def _forget(connection: sqlite3.Connection, *, route: int) -> None:
    connection.execute("DELETE FROM canaries WHERE route = ?", (route,))
    erase(connection, route=route)


def _keep(connection: sqlite3.Connection, *, route: int, items: Sequence[Item]) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO canary_bodies (route, source_id, body, target_id, key, sent) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (route, i.member.source_id, i.member.part, i.target_id, i.key, compressed(i.encoded))
            for i in items
        ],
    )


def _sent(connection: sqlite3.Connection, *, route: int) -> list[SentBody]:
    rows = connection.execute(
        "SELECT c.source_id, c.body, c.sent, r.state, coalesce(r.target_id, c.target_id), c.key, r.cause, r.message"
        " FROM canary_bodies c JOIN records r USING (route, source_id, body) WHERE c.route = ?"
        " ORDER BY c.source_id, c.body",
        (route,),
    )
    return [
        SentBody(name, part, decompressed(sent), State(state), *rest)
        for name, part, sent, state, *rest in rows
    ]
