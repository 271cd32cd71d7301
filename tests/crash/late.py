"""Commands one after the other on a host that applies a write late, and what its rows show once that has landed."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import orjson

from bulkmove.errors import ConfigError
from bulkmove.model import State
from bulkmove.sandbox.conditions import Fault
from tests.crash.boundaries import Deed
from tests.crash.forks import Ended, ForkServer, Order
from tests.crash.judging import Accounts, Row
from tests.crash.points import DONE, FAILURES, LEDGER, TERMINATED, Ground, ground
from tests.crash.stage import Scene, Stage

MIGRATION = "migration.toml"
_QUICK_S = 0.02
_DIFFERENT = 4
_PLAIN_END = frozenset({DONE, FAILURES, _DIFFERENT})


class Pace(NamedTuple):
    """How late the host is: after the commands that follow at once, and well before the migration takes it for settled."""

    late_s: float
    settle_s: float


# A killed run may have sent something for two seconds after its last sign of life, for all that its ledger tells.
AFTER_A_KILL, BY_ITSELF = Pace(2.0, 2.5), Pace(3.0, 4.5)


@dataclass(slots=True)
class Trial:
    """Made by `trial`: a migration on ground of its own. `landed_at`: by then all is applied that the host was late with."""

    server: ForkServer
    made: Ground
    pace: Pace
    landed_at: float = 0.0

    async def run(self, *arguments: str) -> Ended:
        """A command that comes to its own end."""
        ended = await self._run(arguments)
        assert ended.code in _PLAIN_END, ended
        return ended

    async def refused(self, *arguments: str) -> None:
        """One that does not begin."""
        ended = await self._run(arguments)
        assert ended.code == ConfigError.exit_code, ended

    async def struck(self, *arguments: str, only: str, number: int = 1, deed: Deed = "kill") -> None:
        """One that is killed, or told to end, at a boundary of this name."""
        ended = await self._run(arguments, only=only, number=number, deed=deed)
        assert ended.was_killed if deed == "kill" else ended.code == TERMINATED, ended

    async def killed_once(self, state: State, *arguments: str) -> None:
        """One that is killed as soon as its ledger shows a record in this state."""

        async def kill(pid: int) -> None:
            while not self._has_record(state):  # noqa: ASYNC110  another process moves it
                await anyio.sleep(_QUICK_S)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

        ended = await self.server.run(self._order(arguments), kill)
        assert ended.was_killed, ended

    async def is_late(self, *, method: str = "PATCH", api: str = "merchantpro") -> None:
        """The next write of the host answers nothing useful, and is applied later."""
        await self.made.record.add_fault("applied-late", share=1.0, methods=[method], api=api, times=1)

    async def rows(self, name: str = "orders") -> list[Row]:
        """The host's rows once all has landed; something was late."""
        await anyio.sleep_until(self.landed_at)
        faults = [each["faults"].get("applied-late", 0) for each in (await self.made.record.stats()).values()]
        assert sum(faults) == 1, "nothing was late"
        return await self.made.record.rows(name)

    async def note(self) -> Any:
        """What the row that all records change shows once all has landed."""
        row = first_order(self.made.stage)
        return next(each["customer_note"] for each in await self.rows() if each["id"] == row["id"])

    def write(self, *records: str, place: str = "rows") -> None:
        """Records that change the note of one row, as a file of rows; each named by its text."""
        write_changes(self.made.stage, {place: records})

    def _has_record(self, state: State) -> bool:
        ledger = self.made.stage.folder / LEDGER
        with (
            suppress(sqlite3.OperationalError),  # it is not there yet, or not whole
            closing(sqlite3.connect(f"{ledger.absolute().as_uri()}?mode=ro", uri=True)) as connection,
        ):
            found = connection.execute("SELECT 1 FROM records WHERE state = ? LIMIT 1", (state,))
            return found.fetchone() is not None
        return False

    async def _run(
        self, arguments: Sequence[str], *, only: str = "", number: int = 0, deed: Deed = "kill"
    ) -> Ended:
        order = replace(self._order(arguments), only=only, number=number, deed=deed)
        ended = await self.server.run(order)
        self.landed_at = anyio.current_time() + self.pace.late_s
        return ended

    def _order(self, arguments: Sequence[str]) -> Order:
        name, *options = arguments
        return replace(self.made.order(), arguments=(name, MIGRATION, *options))


@asynccontextmanager
async def trial(
    server: ForkServer,
    folder: Path,
    routes: str,
    *records: str,
    more: Sequence[str] = (),
    faults: Sequence[Fault] = (),
    pace: Pace = AFTER_A_KILL,
    **settings: Any,
) -> AsyncIterator[Trial]:
    """`records`, `more`: of the file that the first route reads, and of the second's."""

    def prepare(stage: Stage) -> None:
        file = stage.folder / MIGRATION
        file.write_text("keep_before = true\n" + file.read_text("utf-8"), "utf-8")
        if records:
            (stage.folder / "disk").mkdir()
            write_changes(stage, {"rows": records, "more": more} if more else {"rows": records})

    scene = Scene(
        folder.name,
        routes,
        must=lambda _: {},
        accounts=lambda _: Accounts({}),
        settings={"late_seconds": pace.late_s, "faults": tuple(faults), **settings},
        prepare=prepare,
        settle_s=pace.settle_s,
    )
    async with ground(scene, folder) as made:
        yield Trial(server, made, pace)


def late(method: str = "PATCH", api: str = "merchantpro") -> Fault:
    """The first such write of a host is applied late."""
    return Fault("applied-late", share=1.0, methods=(method,), times=1, api=api)


def first_order(stage: Stage) -> Row:
    return stage.before["orders"][0]


def write_changes(stage: Stage, records: Mapping[str, Sequence[str]]) -> None:
    order = first_order(stage)["id"]
    for place, texts in records.items():
        rows = ({"id": text, "order": order, "customer_note": text} for text in texts)
        file = stage.folder / "disk" / f"{place}.jsonl"
        file.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
