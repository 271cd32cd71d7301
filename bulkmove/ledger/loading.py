"""What loading asks of the ledger, and puts there: open bodies, intents, outcomes, and writes that are in doubt."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import partial

from bulkmove import clock
from bulkmove.entries import Intent, Item, Joined, Member, Refusal, Sent, Settled
from bulkmove.ledger import again, confirming, keeping, questions, sending, settling
from bulkmove.ledger.runs import ALIVE_MARGIN_S
from bulkmove.ledger.store import Store


class LedgerLoading:
    """The part of `SqliteLedger` that hands out what is to be sent, and notes what came of it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._retried_alone: set[str] = set()
        self._keeping: set[str] = set()

    async def next_pending(self, route: str, after: int) -> tuple[int, list[Item]] | None:
        """The next chunk with mapped bodies that have no outcome, and its number."""
        number = self._store.routes[route]

        def question(connection: sqlite3.Connection) -> tuple[int, list[Item]] | None:
            found = questions.next_open_chunk(connection, number, after, is_raw=False)
            if found is None:
                return None
            items = questions.open_items(connection, number, *found)
            is_all = route not in self._retried_alone
            return found[0], items if is_all else again.own_items(connection, number, items)

        return await self._store.ask(question)

    async def items(self, route: str, members: Sequence[Member]) -> list[Item]:
        number = self._store.routes[route]
        return await self._store.reader.run(partial(questions.items, route=number, members=members))

    async def make_durable(self, members: Sequence[Member]) -> None:
        """Return when these bodies are: also what needs no intent is not sent before."""
        if self._store.handed_over.holds_any(members):
            await self._store.writer.put(lambda _: None, wait=True)

    async def open_intent(self, route: str, members: Sequence[Member]) -> int:
        """Durable when it returns: from then on the members count as sent until `settle`."""
        number = self._store.reserve_request()
        intent = Intent(id=number, sent_at=clock.now(), members=members)
        route_id, run = self._store.routes[route], self._store.run
        change = partial(sending.save_intent, intent=intent, route=route_id, run=run, is_parked=False)
        await self._store.writer.put(change, wait=True)
        return number

    async def settle(
        self,
        route: str,
        settled: Sequence[Settled],
        *,
        intent: int | None = None,
        sent: Sent | None = None,
        joined: Joined | None = None,
    ) -> None:
        """Note outcomes and close their intent, in one transaction. Members without an outcome are free again."""
        number, run, keeps = self._store.routes[route], self._store.run, route in self._keeping

        def change(connection: sqlite3.Connection) -> None:
            settling.settle(connection, route=number, run=run, settled=settled, sent=sent, keeps=keeps)
            if sent is not None:
                sending.note_request(connection, route=number, run=run, sent=sent)
            if sent is not None and joined is not None:
                confirming.note(connection, route=number, settled=settled, joined=joined, request=sent.id)
            if intent is not None:
                sending.close_intent(connection, intent)

        await self._store.writer.put(change, wait=False)

    async def park(
        self,
        route: str,
        doubtful: Sequence[Member],
        *,
        intent: int,
        sent_at: float,
        settled: Sequence[Settled] = (),
        refusal: Refusal | None = None,
        sent: Sent | None = None,
    ) -> None:
        """Keep the intent for the members whose fate the answer did not tell, and note the outcomes it told."""
        number, run, keeps = self._store.routes[route], self._store.run, route in self._keeping
        kept = Intent(id=intent, sent_at=sent_at, members=doubtful, refusal=refusal)

        def change(connection: sqlite3.Connection) -> None:
            settling.settle(connection, route=number, run=run, settled=settled, sent=sent, keeps=keeps)
            sending.note_doubt(connection, route=number)
            self._note_sent(connection, number, doubtful, sent)
            sending.save_intent(connection, intent=kept, route=number, run=run, is_parked=True)
            if refusal != "named":
                settling.count_attempt(connection, route=number, members=doubtful, at=sent_at)

        await self._store.writer.put(change, wait=False)

    async def count_attempt(self, route: str, members: Sequence[Member], *, sent: Sent | None = None) -> None:
        """A repeatable write of these bodies failed; they stay pending."""
        number, run, now = self._store.routes[route], self._store.run, clock.now()

        def change(connection: sqlite3.Connection) -> None:
            settling.count_attempt(connection, route=number, members=members, at=now)
            sending.note_unsettled(connection, run=run, at=now)
            self._note_sent(connection, number, members, sent)

        await self._store.writer.put(change, wait=False)

    async def note_piece(self, route: str, members: Sequence[Member], *, sent: Sent, encoded: bytes) -> None:
        """The request wrote some fields of these bodies, which stay pending; where what is written is kept, so are these."""
        number, keeps = self._store.routes[route], route in self._keeping

        def change(connection: sqlite3.Connection) -> None:
            self._note_sent(connection, number, members, sent)
            if keeps:
                keeping.keep_piece(connection, route=number, members=members, encoded=encoded)

        await self._store.writer.put(change, wait=False)

    def _note_sent(
        self, connection: sqlite3.Connection, route: int, members: Sequence[Member], sent: Sent | None
    ) -> None:
        """The request that was answered, and settled none of these."""
        if sent is not None:
            sending.note_request(connection, route=route, run=self._store.run, sent=sent)
            sending.note_tries(connection, route=route, members=members, request=sent.id)

    async def intents(self, route: str) -> list[Intent]:
        """What is in doubt: parked by this run, or left open by one that ended."""
        number = self._store.routes[route]

        def question(connection: sqlite3.Connection) -> list[Intent]:
            found = questions.intents(connection, number, self._store.run, ALIVE_MARGIN_S)
            is_all = route not in self._retried_alone
            return found if is_all else again.own_intents(connection, number, found)

        return await self._store.ask(question)

    def work_on_retried_alone(self, route: str) -> None:
        """From here on `intents` and `next_pending` show, of this route, what retries put to work again, and no more."""
        self._retried_alone.add(route)

    async def begin_keeping(self, route: str, *, is_own_list: bool, rows: bool) -> bool:
        """From here on what is written of this route is kept, in the transaction that notes its outcome.

        Whether `rows` are kept as they stand before it changes them: not where it has written before without that.
        """
        told: list[bool] = []
        number = self._store.routes[route]
        await self._store.writer.put(
            lambda c: told.append(keeping.begin_keeping(c, route=number, is_own_list=is_own_list, rows=rows)),
            wait=True,
        )
        self._keeping.add(route)
        return told[-1]

    async def revive_unknown(self, route: str) -> int:
        """Put what ended unknown in doubt again, to be read back once more; how many bodies."""
        store = self._store
        number, run = store.routes[route], store.run
        members = await store.reader.run(partial(questions.unknown_members, route=number))
        if members:
            intent = Intent(id=store.reserve_request(), sent_at=0.0, members=members)

            def change(connection: sqlite3.Connection) -> None:
                settling.revive_unknown(connection, route=number, members=members)
                sending.save_intent(connection, intent=intent, route=number, run=run, is_parked=True)
                connection.execute("UPDATE routes SET is_finished = 0 WHERE id = ?", (number,))

            await store.writer.put(change, wait=True)
        return len(members)
