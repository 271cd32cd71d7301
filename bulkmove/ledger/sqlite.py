"""The ledger on SQLite: what happened to every record, durable before anyone relies on it.

Here its parts are put together, and what is asked of a route as a whole is answered.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from bulkmove.entries import RouteProgress
from bulkmove.errors import LedgerError
from bulkmove.ledger import balance, questions, settling, tallies
from bulkmove.ledger.before import LedgerBefores
from bulkmove.ledger.file import explained
from bulkmove.ledger.lists import LedgerLists
from bulkmove.ledger.loading import LedgerLoading
from bulkmove.ledger.looking_back import LedgerSweep, LedgerUnconfirmed, RouteInLedger
from bulkmove.ledger.reading import LedgerReading
from bulkmove.ledger.runs import ALIVE_MARGIN_S, LedgerRuns
from bulkmove.ledger.store import Connections, Store
from bulkmove.model import Counts, State

_T = TypeVar("_T")


class SqliteLedger:
    """Implements `bulkmove.protocols.Ledger`. Made by `open_ledger`, which owns its lanes and its lock."""

    def __init__(self, path: Path, connections: Connections) -> None:
        self._store = store = Store(path, connections)
        self.path = path
        self.writer = store.writer
        self._look = connections.look

        # What the parts do is bound here once: a call of it goes straight to its part, and is told of there alone.
        runs = LedgerRuns(store)
        self.begin_run = runs.begin_run
        self.end_run = runs.end_run
        self.may_land_since = runs.may_land_since
        self.stay_alive = runs.stay_alive
        self.spent = runs.spent
        self.save_spent = runs.save_spent

        reading = LedgerReading(store)
        self.reserve_chunk = store.reserve_chunk
        self.save_spans = reading.save_spans
        self.known = reading.known
        self.add_page = reading.add_page
        self.drop_seen = reading.drop_seen
        self.note_gone = reading.note_gone
        self.forget_gone = reading.forget_gone
        self.skip_gone = reading.skip_gone
        self.gone_at_source = reading.gone_at_source
        self.read_ids = reading.read_ids
        self.next_raw = reading.next_raw

        lists = LedgerLists(store)
        self.save_list = lists.save_list
        self.list_state = lists.list_state
        self.add_keys = lists.add_keys
        self.drop_keys = lists.drop_keys
        self.close_keys = lists.close_keys
        self.find_keys = lists.find_keys
        self.set_atomic = lists.set_atomic
        self.set_max_bytes = lists.set_max_bytes

        loading = LedgerLoading(store)
        self.reserve_request = store.reserve_request
        self.next_pending = loading.next_pending
        self.items = loading.items
        self.make_durable = loading.make_durable
        self.open_intent = loading.open_intent
        self.settle = loading.settle
        self.park = loading.park
        self.count_attempt = loading.count_attempt
        self.note_piece = loading.note_piece
        self.intents = loading.intents
        self.work_on_retried_alone = loading.work_on_retried_alone
        self.begin_keeping = loading.begin_keeping
        self.revive_unknown = loading.revive_unknown

    # Routes.

    async def fingerprints(self) -> dict[str, str]:
        return await self.look(questions.fingerprints)

    async def save_route(self, route: str, fingerprint: str) -> None:
        """Add the route, or give it a new fingerprint."""
        await self.change(
            lambda c: c.execute(
                "INSERT INTO routes (name, fingerprint) VALUES (?, ?)"
                " ON CONFLICT (name) DO UPDATE SET fingerprint = excluded.fingerprint",
                (route, fingerprint),
            )
        )
        self._store.routes = await self.look(questions.routes)

    async def drop_rejected_bodies(self, route: str) -> None:
        """What was rejected is mapped anew where it is retried, whatever was made of it before."""
        await self.change(partial(settling.drop_rejected_bodies, route=self.number_of(route)))

    async def progress(self, route: str) -> RouteProgress:
        return await self.look(
            partial(questions.progress, route=self.number_of(route), alive_margin_s=ALIVE_MARGIN_S)
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
        row = (cutoff, expected, is_read, is_finished, self.number_of(route))
        await self.change(
            lambda c: c.execute(
                "UPDATE routes SET cutoff = coalesce(?, cutoff), expected = coalesce(?, expected),"
                " is_read = coalesce(?, is_read), is_finished = coalesce(?, is_finished) WHERE id = ?",
                row,
            )
        )

    async def counts(self, route: str) -> Counts:
        """Also of what is handed over and not durable yet."""
        return await self.ask(partial(tallies.counts, route=self.number_of(route)))

    async def written(self, route: str) -> int:
        """How many bodies were written, also those that are handed over and not durable yet."""
        found = await self.ask(partial(tallies.bodies, route=self.number_of(route)))
        return found[State.WRITTEN]

    async def check_balance(self, route: str, *, whole: bool) -> None:
        """Whether what was put down adds up. `whole`: record by record, else as far as that takes no time.

        Raises LedgerError, naming what does not.
        """
        number = self.number_of(route)
        found = await self.ask(lambda c: list(balance.faults(c, number, whole=whole)))
        if found:
            raise LedgerError(
                f"{self.path}: route {route} does not add up: {'; '.join(found)}. Nothing more is sent: the file was"
                " changed by something else, or is damaged. Put a copy of it back, or begin anew with --fresh"
            )

    async def causes(self, route: str) -> list[tuple[State, str, int, str]]:
        """Why records failed: outcome, cause, how many, and the source id of one of them; most first."""
        rows = await self.look(partial(questions.causes, route=self.number_of(route)))
        return [(State(state), cause or "", count, source_id) for state, cause, count, source_id in rows]

    def target_ids(self, route: str, source_id: str) -> tuple[str, ...]:
        """What a mapper asks of another route. On a connection of its own, from whichever thread maps."""
        try:
            return questions.target_ids(self._look, self.number_of(route), source_id)
        except sqlite3.Error as error:
            raise explained(self.path, error) from error

    def sweep(self, route: str, target_list: str) -> LedgerSweep:
        return LedgerSweep(self._of(route), self.number_of_list(target_list))

    def unconfirmed(self, route: str) -> LedgerUnconfirmed:
        return LedgerUnconfirmed(self._of(route))

    def befores(self, route: str, target_list: str) -> LedgerBefores:
        return LedgerBefores(self._of(route), self.number_of_list(target_list))

    def _of(self, route: str) -> RouteInLedger:
        store = self._store
        return RouteInLedger(
            store.routes[route], route, store.run, store.writer, store.reader, store.reserve_chunk
        )

    # For those who bring questions and changes of their own.

    @property
    def run(self) -> int:
        """The number of the run; 0 before it is begun."""
        return self._store.run

    def number_of(self, route: str) -> int:
        return self._store.routes[route]

    def number_of_list(self, name: str) -> int:
        return self._store.lists[name]

    async def ask(self, question: Callable[[sqlite3.Connection], _T]) -> _T:
        """What the ledger says, with all that was handed over."""
        return await self._store.ask(question)

    async def look(self, question: Callable[[sqlite3.Connection], _T]) -> _T:
        """What the ledger says by now, without a wait for what was handed over."""
        return await self._store.reader.run(question)

    async def change(self, change: Callable[[sqlite3.Connection], object]) -> None:
        """Make a change in one transaction; durable when this returns."""
        await self._store.writer.put(change, wait=True)
