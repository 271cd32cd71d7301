"""What reading puts into the ledger, page by page, and what it asks there of its pages."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import partial

from bulkmove import clock
from bulkmove.entries import Entry, Kept, Span
from bulkmove.ledger import claiming, gone, putting, questions
from bulkmove.ledger.handed_over import NewPage
from bulkmove.ledger.store import Store


class LedgerReading:
    """The part of `SqliteLedger` that takes pages, knows which records were put down, and names those that left."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def save_spans(self, route: str, spans: Sequence[Span]) -> None:
        """Add spans, or shorten those that are there; how far they are read comes with `add_page` alone."""
        number = self._store.routes[route]
        await self._store.writer.put(lambda c: putting.cut_spans(c, route=number, spans=spans), wait=True)

    async def known(self, route: str, ids: Sequence[str]) -> set[str]:
        """Those of the source ids that were put down, durable or not."""
        found = self._store.handed_over.known(route, ids)
        asked = [each for each in ids if each not in found]
        if asked:
            number = self._store.routes[route]
            found |= await self._store.near.run(partial(questions.known, route=number, ids=asked))
        return found

    async def add_page(
        self,
        route: str,
        entries: Sequence[Entry],
        *,
        chunk: int,
        span: Span | None = None,
        target_list: str | None = None,
        is_raw: bool = False,
        was_raw_chunk: int | None = None,
    ) -> None:
        """Put down a page: its bodies, the keys they claim, and how far its span is read, in one transaction.

        Returns at once; what follows in order (an intent, say) is durable only after it. `is_raw`: the bodies
        are rows as they were read, to be mapped later. `was_raw_chunk`: the entries map that chunk's rows,
        which they replace.
        """
        store = self._store
        number, run = store.routes[route], store.run
        ids = {e.source_id for e in entries}
        claims = {e.key: (route, e.source_id) for e in entries if e.key is not None}
        now = clock.now()
        records = len(ids) if was_raw_chunk is None else 0

        def change(connection: sqlite3.Connection) -> None:
            if was_raw_chunk is not None:
                putting.drop_seen(connection, route=number, chunk=was_raw_chunk, source_ids=sorted(ids))
            putting.insert_entries(
                connection, route=number, run=run, chunk=chunk, entries=entries, is_raw=is_raw
            )
            putting.note_page(
                connection, route=number, run=run, page=chunk, put_at=now, records=records, was=was_raw_chunk
            )
            if target_list is not None and claims:
                claiming.claim_keys(
                    connection, list_id=store.lists[target_list], route=route, entries=entries
                )
            if span is not None:
                putting.save_spans(connection, route=number, spans=[span])

        page = NewPage(route, chunk, ids, target_list, claims)
        await store.writer.put(
            change,
            wait=False,
            before=partial(store.handed_over.remember, page),
            after=partial(store.handed_over.forget, page),
        )

    async def drop_seen(self, route: str) -> None:
        """Forget the rows of a reading that did not come to its end: the list is read anew, as it is then."""
        number = self._store.routes[route]
        await self._store.writer.put(lambda c: putting.drop_all_seen(c, route=number), wait=True)

    async def note_gone(self, route: str, ids: Sequence[str]) -> None:
        """Name records that left the source while it was read."""
        number, run = self._store.routes[route], self._store.run
        await self._store.writer.put(
            lambda c: gone.note(c, route=number, run=run, source_ids=ids), wait=False
        )

    async def forget_gone(self, route: str) -> None:
        """What an earlier reading named may have come again; the names are told anew."""
        number = self._store.routes[route]
        await self._store.writer.put(lambda c: gone.forget(c, route=number), wait=False)

    async def skip_gone(self, route: str) -> int:
        """Skip the rows that `drop_seen` forgot and that did not come again; how many."""
        store = self._store
        number, run, page = store.routes[route], store.run, store.reserve_chunk()
        skipped: list[int] = []

        def change(connection: sqlite3.Connection) -> None:
            skipped.append(gone.skip(connection, route=number, run=run, page=page, put_at=clock.now()))

        await store.writer.put(change, wait=True)
        return skipped[-1]

    async def gone_at_source(self, route: str, most: int) -> tuple[int, list[str]]:
        """How many records left the source while it was read, and the first so many ids."""
        return await self._store.ask(partial(gone.named, route=self._store.routes[route], most=most))

    async def read_ids(self, route: str, after: str, most: int) -> list[str]:
        """Source ids that were put down, in their order, behind `after`; rows without an id of their own left out."""
        number = self._store.routes[route]
        return await self._store.ask(partial(gone.read_ids, route=number, after=after, most=most))

    async def next_raw(self, route: str, after: int) -> tuple[int, list[Kept]] | None:
        """The next chunk of rows kept as they were read, and its number."""
        number = self._store.routes[route]

        def question(connection: sqlite3.Connection) -> tuple[int, list[Kept]] | None:
            found = questions.next_open_chunk(connection, number, after, is_raw=True)
            return None if found is None else (found[0], questions.still_seen(connection, number, found[1]))

        return await self._store.ask(question)
