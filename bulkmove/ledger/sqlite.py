"""The ledger on SQLite: what happened to every record, durable before anyone relies on it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio

from bulkmove import clock
from bulkmove.entries import (
    Entry,
    Intent,
    Item,
    Joined,
    Kept,
    ListState,
    Member,
    Refusal,
    RouteProgress,
    Sent,
    Settled,
    Span,
    TargetKey,
)
from bulkmove.errors import LedgerError
from bulkmove.ledger import again, balance, changes, confirming, gone, keeping, questions, spending, tallies
from bulkmove.ledger.before import LedgerBefores
from bulkmove.ledger.file import explained, this_machine
from bulkmove.ledger.lane import ReadLane, WriteLane
from bulkmove.ledger.looking_back import LedgerSweep, LedgerUnconfirmed, RouteInLedger
from bulkmove.model import Counts, State

# A run that is going says so in the ledger at least this often; what it sent, it sent no later than that.
ALIVE_EVERY_S = 1.0
_ALIVE_MARGIN_S = 2 * ALIVE_EVERY_S
_T = TypeVar("_T")


class SqliteLedger:
    """Implements `bulkmove.protocols.Ledger`. Made by `open_ledger`, which owns its lanes and its lock."""

    def __init__(
        self, path: Path, write: sqlite3.Connection, read: sqlite3.Connection, look: sqlite3.Connection
    ) -> None:
        self.path = path
        self._write = write
        self._look = look
        self.writer = WriteLane(write, path)
        self._reader = ReadLane(read, path)
        self._routes = questions.routes(write)
        self._lists: dict[str, int] = dict(write.execute("SELECT name, id FROM lists").fetchall())
        self._next_chunk = max(self._next_id("chunks"), self._next_id("pages"))
        self._next_request = max(self._next_id("intents"), self._next_id("requests"))
        self._run = 0
        # Handed to the writer and not yet durable: look-ups on the read connection would miss them.
        self._new_ids: dict[str, set[str]] = {}
        self._new_claims: dict[str, dict[str, tuple[str, str]]] = {}
        self._new_chunks: set[int] = set()
        self._retried_alone: set[str] = set()
        self._keeping: set[str] = set()

    def _next_id(self, table: str) -> int:
        newest: int | None = self._write.execute(f"SELECT max(id) FROM {table}").fetchone()[0]  # noqa: S608  our own names
        return 1 if newest is None else max(0, newest) + 1

    # Runs and routes. These happen before the stages start, one at a time.

    async def begin_run(self, kind: str = "run") -> None:
        """A new run, or retry: its number marks what it writes, its last sign of life dates what it may have sent."""
        now = clock.now()
        runs = await self._reader.run(questions.last_run)
        self._run = 1 if runs is None else runs[0] + 1
        row = (self._run, now, now, clock.UP_SINCE, kind)

        def change(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO runs (id, started_at, alive_at, up_since, kind, machine) VALUES (?, ?, ?, ?, ?, ?)",
                (*row, this_machine()),
            )
            changes.forget_attempts(connection)
            changes.note_left_open(connection)

        await self._put(change)
        self.writer.run_id = self._run

    async def end_run(self, exit_code: int) -> None:
        row = (clock.now(), exit_code, self._run)

        def change(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE runs SET ended_at = ?, exit_code = ? WHERE id = ?", row)
            keeping.drop_unneeded(connection)

        await self._put(change)

    async def stay_alive(self) -> None:
        """Say so in the ledger while the run goes, also when nothing else is written."""
        while True:
            await anyio.sleep(ALIVE_EVERY_S)
            await self._put(lambda _: None, wait=False)

    async def spent(self) -> dict[str, dict[int, int]]:
        """How many requests each place got lately, by grains of time."""
        return await self._reader.run(spending.load)

    async def save_spent(self, host: str, grains: Mapping[int, int], *, forget_before: float) -> None:
        """Note how many requests a place got in these grains by now. Returns at once."""

        def change(connection: sqlite3.Connection) -> None:
            spending.save(connection, host, grains)
            spending.forget(connection, host, forget_before)

        await self._put(change, wait=False)

    async def fingerprints(self) -> dict[str, str]:
        return await self._reader.run(questions.fingerprints)

    async def save_route(self, route: str, fingerprint: str) -> None:
        """Add the route, or give it a new fingerprint."""
        await self._put(
            lambda c: c.execute(
                "INSERT INTO routes (name, fingerprint) VALUES (?, ?)"
                " ON CONFLICT (name) DO UPDATE SET fingerprint = excluded.fingerprint",
                (route, fingerprint),
            )
        )
        self._routes = await self._reader.run(questions.routes)

    async def drop_rejected_bodies(self, route: str) -> None:
        """What was rejected is mapped anew where it is retried, whatever was made of it before."""
        number = self._routes[route]
        await self._put(lambda c: changes.drop_rejected_bodies(c, route=number))

    async def save_list(self, name: str) -> None:
        """Add a target's list, named by address and stream."""
        await self._put(lambda c: c.execute("INSERT OR IGNORE INTO lists (name) VALUES (?)", (name,)))
        self._lists = dict(
            await self._reader.run(lambda c: c.execute("SELECT name, id FROM lists").fetchall())
        )

    async def progress(self, route: str) -> RouteProgress:
        return await self._reader.run(
            partial(questions.progress, route=self._routes[route], alive_margin_s=_ALIVE_MARGIN_S)
        )

    async def mark(
        self,
        route: str,
        *,
        cutoff: int | None = None,
        expected: int | None = None,
        is_read: bool | None = None,
        is_finished: bool | None = None,
    ) -> None:
        """Note a step of the route; what is None stays as it is."""
        row = (cutoff, expected, is_read, is_finished, self._routes[route])
        await self._put(
            lambda c: c.execute(
                "UPDATE routes SET cutoff = coalesce(?, cutoff), expected = coalesce(?, expected),"
                " is_read = coalesce(?, is_read), is_finished = coalesce(?, is_finished) WHERE id = ?",
                row,
            )
        )

    async def counts(self, route: str) -> Counts:
        """Also of what is handed over and not durable yet."""
        await self._put(lambda _: None)
        return await self._reader.run(partial(tallies.counts, route=self._routes[route]))

    async def written(self, route: str) -> int:
        """How many bodies were written, also those that are handed over and not durable yet."""
        await self._put(lambda _: None)
        found = await self._reader.run(partial(tallies.bodies, route=self._routes[route]))
        return found[State.WRITTEN]

    async def check_balance(self, route: str, *, whole: bool) -> None:
        """Whether what was put down adds up. `whole`: record by record, else as far as that takes no time.

        Raises LedgerError, naming what does not.
        """
        number = self._routes[route]
        await self._put(lambda _: None)
        found = await self._reader.run(lambda c: list(balance.faults(c, number, whole=whole)))
        if found:
            raise LedgerError(
                f"{self.path}: route {route} does not add up: {'; '.join(found)}. Nothing more is sent: the file was"
                " changed by something else, or is damaged. Put a copy of it back, or begin anew with --fresh"
            )

    async def causes(self, route: str) -> list[tuple[State, str, int, str]]:
        """Why records failed: outcome, cause, how many, and the source id of one of them; most first."""
        rows = await self._reader.run(partial(questions.causes, route=self._routes[route]))
        return [(State(state), cause or "", count, source_id) for state, cause, count, source_id in rows]

    # Reading.

    async def save_spans(self, route: str, spans: Sequence[Span]) -> None:
        """Add spans, or shorten those that are there; how far they are read comes with `add_page` alone."""
        number = self._routes[route]
        await self._put(lambda c: changes.cut_spans(c, route=number, spans=spans))

    async def known(self, route: str, ids: Sequence[str]) -> set[str]:
        """Those of the source ids that were put down, durable or not."""
        fresh = self._new_ids.get(route, set())
        found = {each for each in ids if each in fresh}
        asked = [each for each in ids if each not in found]
        if asked:
            found |= await self._reader.run(partial(questions.known, route=self._routes[route], ids=asked))
        return found

    def reserve_chunk(self) -> int:
        """The number of the next page's chunk; numbers rise in the order in which pages are mapped."""
        number = self._next_chunk
        self._next_chunk += 1
        return number

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
        number, run = self._routes[route], self._run
        ids = {e.source_id for e in entries}
        claims = {e.key: (route, e.source_id) for e in entries if e.key is not None}
        now = clock.now()
        records = len(ids) if was_raw_chunk is None else 0

        def change(connection: sqlite3.Connection) -> None:
            if was_raw_chunk is not None:
                changes.drop_seen(connection, route=number, chunk=was_raw_chunk, source_ids=sorted(ids))
            changes.insert_entries(
                connection, route=number, run=run, chunk=chunk, entries=entries, is_raw=is_raw
            )
            changes.note_page(
                connection, route=number, run=run, page=chunk, put_at=now, records=records, was=was_raw_chunk
            )
            if target_list is not None and claims:
                changes.claim_keys(connection, list_id=self._lists[target_list], route=route, entries=entries)
            if span is not None:
                changes.save_spans(connection, route=number, spans=[span])

        await self.writer.put(
            change,
            wait=False,
            before=partial(self._remember, route, chunk, ids, target_list, claims),
            after=partial(self._forget, route, chunk, ids, target_list, claims),
        )

    def _remember(
        self,
        route: str,
        chunk: int,
        ids: set[str],
        target_list: str | None,
        claims: dict[str, tuple[str, str]],
    ) -> None:
        self._new_chunks.add(chunk)
        self._new_ids.setdefault(route, set()).update(ids)
        if target_list is not None:
            self._new_claims.setdefault(target_list, {}).update(claims)

    def _forget(
        self,
        route: str,
        chunk: int,
        ids: set[str],
        target_list: str | None,
        claims: dict[str, tuple[str, str]],
    ) -> None:
        self._new_chunks.discard(chunk)
        self._new_ids[route] -= ids
        if target_list is not None:
            for key in claims:
                self._new_claims[target_list].pop(key, None)

    async def drop_seen(self, route: str) -> None:
        """Forget the rows of a reading that did not come to its end: the list is read anew, as it is then."""
        number = self._routes[route]
        await self._put(lambda c: changes.drop_all_seen(c, route=number))

    async def note_gone(self, route: str, ids: Sequence[str]) -> None:
        """Name records that left the source while it was read."""
        number, run = self._routes[route], self._run
        await self._put(lambda c: gone.note(c, route=number, run=run, source_ids=ids), wait=False)

    async def forget_gone(self, route: str) -> None:
        """What an earlier reading named may have come again; the names are told anew."""
        number = self._routes[route]
        await self._put(lambda c: gone.forget(c, route=number), wait=False)

    async def skip_gone(self, route: str) -> int:
        """Skip the rows that `drop_seen` forgot and that did not come again; how many."""
        number, run, page = self._routes[route], self._run, self.reserve_chunk()
        skipped: list[int] = []

        def change(connection: sqlite3.Connection) -> None:
            skipped.append(gone.skip(connection, route=number, run=run, page=page, put_at=clock.now()))

        await self._put(change)
        return skipped[-1]

    async def gone_at_source(self, route: str, most: int) -> tuple[int, list[str]]:
        """How many records left the source while it was read, and the first so many ids."""
        await self._put(lambda _: None)
        return await self._reader.run(partial(gone.named, route=self._routes[route], most=most))

    async def read_ids(self, route: str, after: str, most: int) -> list[str]:
        """Source ids that were put down, in their order, behind `after`; rows without an id of their own left out."""
        await self._put(lambda _: None)
        return await self._reader.run(
            partial(gone.read_ids, route=self._routes[route], after=after, most=most)
        )

    async def next_raw(self, route: str, after: int) -> tuple[int, list[Kept]] | None:
        """The next chunk of rows kept as they were read, and its number."""
        number = self._routes[route]

        def ask(connection: sqlite3.Connection) -> tuple[int, list[Kept]] | None:
            found = questions.next_open_chunk(connection, number, after, is_raw=True)
            return None if found is None else (found[0], questions.still_seen(connection, number, found[1]))

        await self._put(lambda _: None)
        return await self._reader.run(ask)

    # The target's list.

    async def list_state(self, target_list: str) -> ListState:
        return await self._reader.run(partial(questions.list_state, list_id=self._lists[target_list]))

    async def add_keys(self, target_list: str, keys: Sequence[TargetKey]) -> None:
        number = self._lists[target_list]
        await self._put(lambda c: changes.add_keys(c, list_id=number, keys=keys), wait=False)

    async def drop_keys(self, target_list: str) -> None:
        """Forget a reading of the list that did not come to its end; nothing was written to it yet."""
        number = self._lists[target_list]
        await self._put(lambda c: c.execute("DELETE FROM keys WHERE list = ? AND rows > 0", (number,)))

    async def close_keys(self, target_list: str) -> None:
        """The list was read whole; from here on its keys are never read anew."""
        number = self._lists[target_list]
        await self._put(lambda c: c.execute("UPDATE lists SET is_read = 1 WHERE id = ?", (number,)))

    async def find_keys(self, target_list: str, keys: Sequence[str]) -> dict[str, TargetKey]:
        """What is known of these natural keys: the rows that held them, and who claims them."""
        fresh = self._new_claims.get(target_list, {})
        owners = {key: fresh[key] for key in keys if key in fresh}
        found = await self._reader.run(partial(questions.keys, list_id=self._lists[target_list], wanted=keys))
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
        row = (is_atomic, self._lists[target_list])
        await self._put(lambda c: c.execute("UPDATE lists SET is_atomic = ? WHERE id = ?", row))

    async def set_max_bytes(self, target_list: str, max_bytes: int) -> None:
        row = (max_bytes, self._lists[target_list])
        await self._put(lambda c: c.execute("UPDATE lists SET max_bytes = ? WHERE id = ?", row), wait=False)

    # Loading.

    async def next_pending(self, route: str, after: int) -> tuple[int, list[Item]] | None:
        """The next chunk with mapped bodies that have no outcome, and its number."""
        number = self._routes[route]

        def ask(connection: sqlite3.Connection) -> tuple[int, list[Item]] | None:
            found = questions.next_open_chunk(connection, number, after, is_raw=False)
            if found is None:
                return None
            items = questions.open_items(connection, number, *found)
            is_all = route not in self._retried_alone
            return found[0], items if is_all else again.own_items(connection, number, items)

        await self._put(lambda _: None)
        return await self._reader.run(ask)

    async def items(self, route: str, members: Sequence[Member]) -> list[Item]:
        return await self._reader.run(partial(questions.items, route=self._routes[route], members=members))

    async def make_durable(self, members: Sequence[Member]) -> None:
        """Return when these bodies are: also what needs no intent is not sent before."""
        if any(member.chunk in self._new_chunks for member in members):
            await self._put(lambda _: None)

    def reserve_request(self) -> int:
        """The number of a write request that needs no intent; an intent's number is its request's."""
        number = self._next_request
        self._next_request += 1
        return number

    async def open_intent(self, route: str, members: Sequence[Member]) -> int:
        """Durable when it returns: from then on the members count as sent until `settle`."""
        number = self.reserve_request()
        intent = Intent(id=number, sent_at=clock.now(), members=members)
        row = partial(
            changes.save_intent, intent=intent, route=self._routes[route], run=self._run, is_parked=False
        )
        await self._put(row)
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
        number, run, keeps = self._routes[route], self._run, route in self._keeping

        def change(connection: sqlite3.Connection) -> None:
            changes.settle(connection, route=number, run=run, settled=settled, sent=sent, keeps=keeps)
            if sent is not None:
                changes.note_request(connection, route=number, run=run, sent=sent)
            if sent is not None and joined is not None:
                confirming.note(connection, route=number, settled=settled, joined=joined, request=sent.id)
            if intent is not None:
                changes.close_intent(connection, intent)

        await self._put(change, wait=False)

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
        number, run, keeps = self._routes[route], self._run, route in self._keeping
        kept = Intent(id=intent, sent_at=sent_at, members=doubtful, refusal=refusal)

        def change(connection: sqlite3.Connection) -> None:
            changes.settle(connection, route=number, run=run, settled=settled, sent=sent, keeps=keeps)
            changes.note_doubt(connection, route=number)
            self._note_sent(connection, number, doubtful, sent)
            changes.save_intent(connection, intent=kept, route=number, run=run, is_parked=True)
            if refusal != "named":
                changes.count_attempt(connection, route=number, members=doubtful, at=sent_at)

        await self._put(change, wait=False)

    async def count_attempt(self, route: str, members: Sequence[Member], *, sent: Sent | None = None) -> None:
        """A repeatable write of these bodies failed; they stay pending."""
        number, now = self._routes[route], clock.now()

        def change(connection: sqlite3.Connection) -> None:
            changes.count_attempt(connection, route=number, members=members, at=now)
            self._note_sent(connection, number, members, sent)

        await self._put(change, wait=False)

    async def note_piece(self, route: str, members: Sequence[Member], *, sent: Sent, encoded: bytes) -> None:
        """The request wrote some fields of these bodies, which stay pending; where what is written is kept, so are these."""
        number, keeps = self._routes[route], route in self._keeping

        def change(connection: sqlite3.Connection) -> None:
            self._note_sent(connection, number, members, sent)
            if keeps:
                keeping.keep_piece(connection, route=number, members=members, encoded=encoded)

        await self._put(change, wait=False)

    def _note_sent(
        self, connection: sqlite3.Connection, route: int, members: Sequence[Member], sent: Sent | None
    ) -> None:
        """The request that was answered, and settled none of these."""
        if sent is not None:
            changes.note_request(connection, route=route, run=self._run, sent=sent)
            changes.note_tries(connection, route=route, members=members, request=sent.id)

    async def intents(self, route: str) -> list[Intent]:
        """What is in doubt: parked by this run, or left open by one that ended."""
        number = self._routes[route]

        def ask(connection: sqlite3.Connection) -> list[Intent]:
            found = questions.intents(connection, number, self._run, _ALIVE_MARGIN_S)
            is_all = route not in self._retried_alone
            return found if is_all else again.own_intents(connection, number, found)

        return await self.ask(ask)

    def work_on_retried_alone(self, route: str) -> None:
        """From here on `intents` and `next_pending` show, of this route, what retries put to work again, and no more."""
        self._retried_alone.add(route)

    async def begin_keeping(self, route: str, *, is_own_list: bool, rows: bool) -> bool:
        """From here on what is written of this route is kept, in the transaction that notes its outcome.

        Whether `rows` are kept as they stand before it changes them: not where it has written before without that.
        """
        told: list[bool] = []
        number = self._routes[route]
        await self._put(
            lambda c: told.append(keeping.begin_keeping(c, route=number, is_own_list=is_own_list, rows=rows))
        )
        self._keeping.add(route)
        return told[-1]

    async def revive_unknown(self, route: str) -> int:
        """Put what ended unknown in doubt again, to be read back once more; how many bodies."""
        number = self._routes[route]
        members = await self._reader.run(partial(questions.unknown_members, route=number))
        if members:
            intent = Intent(id=self.reserve_request(), sent_at=0.0, members=members)

            def change(connection: sqlite3.Connection) -> None:
                changes.revive_unknown(connection, route=number, members=members)
                changes.save_intent(connection, intent=intent, route=number, run=self._run, is_parked=True)
                connection.execute("UPDATE routes SET is_finished = 0 WHERE id = ?", (number,))

            await self._put(change)
        return len(members)

    def target_ids(self, route: str, source_id: str) -> tuple[str, ...]:
        """What a mapper asks of another route. On a connection of its own, from whichever thread maps."""
        if route not in self._routes:
            raise KeyError(route)
        try:
            return questions.target_ids(self._look, self._routes[route], source_id)
        except sqlite3.Error as error:
            raise explained(self.path, error) from error

    # For those who bring questions and changes of their own.

    @property
    def run(self) -> int:
        """The number of the run."""
        return self._run

    def number_of(self, route: str) -> int:
        return self._routes[route]

    def number_of_list(self, name: str) -> int:
        return self._lists[name]

    async def ask(self, question: Callable[[sqlite3.Connection], _T]) -> _T:
        """What the ledger says, with all that was handed over."""
        await self._put(lambda _: None)
        return await self._reader.run(question)

    async def look(self, question: Callable[[sqlite3.Connection], _T]) -> _T:
        """What the ledger says by now, without a wait for what was handed over."""
        return await self._reader.run(question)

    async def change(self, change: Callable[[sqlite3.Connection], object]) -> None:
        """Make a change in one transaction; durable when this returns."""
        await self._put(change)

    def sweep(self, route: str, target_list: str) -> LedgerSweep:
        return LedgerSweep(self._of(route), self._lists[target_list])

    def unconfirmed(self, route: str) -> LedgerUnconfirmed:
        return LedgerUnconfirmed(self._of(route))

    def befores(self, route: str, target_list: str) -> LedgerBefores:
        return LedgerBefores(self._of(route), self._lists[target_list])

    def _of(self, route: str) -> RouteInLedger:
        number = self._routes[route]
        return RouteInLedger(number, route, self._run, self.writer, self._reader, self.reserve_chunk)

    async def _put(self, change: Callable[[sqlite3.Connection], object], *, wait: bool = True) -> None:
        await self.writer.put(change, wait=wait)
