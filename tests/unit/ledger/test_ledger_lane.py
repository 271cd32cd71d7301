"""Look-ups on the event loop itself, while they take no time there."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from bulkmove.errors import LedgerError
from bulkmove.ledger.lane import FAR_AFTERWARDS, LONGEST_NEAR_S, NearLane, ReadLane


def _thread(_connection: sqlite3.Connection) -> int:
    return threading.get_ident()


def _slowly(_connection: sqlite3.Connection) -> None:
    until = time.monotonic() + 2 * LONGEST_NEAR_S
    while time.monotonic() < until:
        pass


async def test_a_look_up_that_had_to_wait_sends_the_next_ones_to_a_thread(path: Path) -> None:
    here = threading.get_ident()
    with closing(sqlite3.connect(path, check_same_thread=False)) as connection:
        lane = NearLane(connection, ReadLane(connection, path))
        assert await lane.run(_thread) == here
        await lane.run(_slowly)
        threads = [await lane.run(_thread) for _ in range(FAR_AFTERWARDS)]
        assert here not in threads
        assert await lane.run(_thread) == here


async def test_a_look_up_that_a_lock_is_in_the_way_of_waits_in_a_thread(path: Path) -> None:
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as other,
        closing(sqlite3.connect(path, check_same_thread=False)) as near,
        closing(sqlite3.connect(path, check_same_thread=False)) as far,
    ):
        lane = NearLane(near, ReadLane(far, path))
        other.execute("CREATE TABLE names (name)")
        other.execute("BEGIN EXCLUSIVE")
        found: list[object] = []

        async def look() -> None:
            found.append(await lane.run(lambda c: c.execute("SELECT count(*) FROM names").fetchone()))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(look)
            await anyio.sleep(0.05)
            assert not found, "and the loop went on meanwhile"
            other.execute("COMMIT")
    assert found == [(0,)]


async def test_what_sqlite_can_not_answer_is_an_error_of_the_ledger(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        lane = NearLane(connection, ReadLane(connection, path))
        with pytest.raises(LedgerError, match=path.name):
            await lane.run(lambda c: c.execute("SELECT nothing"))
