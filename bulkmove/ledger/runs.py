"""The runs in the ledger: each begins, shows that it goes on, and ends; and how many requests each place got lately."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from functools import partial

import anyio

from bulkmove import clock
from bulkmove.ledger import keeping, questions, sending, settling, spending
from bulkmove.ledger.file import this_machine
from bulkmove.ledger.store import Store

# A run that is going says so in the ledger at least this often; what it sent, it sent no later than that.
ALIVE_EVERY_S = 1.0
ALIVE_MARGIN_S = 2 * ALIVE_EVERY_S


class LedgerRuns:
    """The part of `SqliteLedger` that tells one run from another."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def begin_run(self, kind: str = "run") -> None:
        """A new run, or retry: its number marks what it writes, its last sign of life dates what it may have sent."""
        store, now = self._store, clock.now()
        runs = await store.reader.run(questions.last_run)
        store.run = 1 if runs is None else runs[0] + 1
        row = (store.run, now, now, clock.UP_SINCE, kind)

        def change(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO runs (id, started_at, alive_at, up_since, kind, machine) VALUES (?, ?, ?, ?, ?, ?)",
                (*row, this_machine()),
            )
            settling.forget_attempts(connection)
            sending.note_left_open(connection)

        await store.writer.put(change, wait=True)
        store.writer.run_id = store.run

    async def end_run(self, exit_code: int, *, was_stopped: bool = False) -> None:
        """`was_stopped`: it was asked to end; what it gave up then may land yet, whatever the exit code."""
        row = (clock.now(), exit_code, was_stopped, self._store.run)

        def change(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE runs SET ended_at = ?, exit_code = ?, was_stopped = ? WHERE id = ?", row
            )
            keeping.drop_unneeded(connection)

        await self._store.writer.put(change, wait=True)

    async def may_land_since(self) -> float:
        """When an earlier run can have sent something last that nothing settled; 0 where they settled all of it."""
        return await self._store.reader.run(partial(questions.may_land_since, alive_margin_s=ALIVE_MARGIN_S))

    async def stay_alive(self) -> None:
        """Say so in the ledger while the run goes, also when nothing else is written."""
        while True:
            await anyio.sleep(ALIVE_EVERY_S)
            await self._store.writer.put(lambda _: None, wait=False)

    async def spent(self) -> dict[str, dict[int, int]]:
        """How many requests each place got lately, by grains of time."""
        return await self._store.reader.run(spending.load)

    async def save_spent(self, host: str, grains: Mapping[int, int], *, forget_before: float) -> None:
        """Note how many requests a place got in these grains by now. Returns at once."""

        def change(connection: sqlite3.Connection) -> None:
            spending.save(connection, host, grains)
            spending.forget(connection, host, forget_before)

        await self._store.writer.put(change, wait=False)
