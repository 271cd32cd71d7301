"""The file: private, locked, refused where it is not ours, and what is left of it when the disk is full."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from bulkmove.errors import LedgerError, LedgerLockedError, LedgerRefusedError, single_error
from bulkmove.ledger import open_ledger
from bulkmove.ledger.file import is_locked, lock_path, locked


async def open_and_close(path: Path) -> None:
    with single_error():
        async with open_ledger(path) as ledger:
            await ledger.begin_run()


async def test_the_ledger_and_all_beside_it_are_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.ledger.db"
    before = os.umask(0)
    try:
        async with open_ledger(path) as ledger:
            await ledger.begin_run()
            modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}  # noqa: ASYNC240  nothing else is on the loop
    finally:
        os.umask(before)
    assert modes == {path.name + end: 0o600 for end in ("", "-wal", "-shm", ".lock")}


async def test_a_ledger_that_others_could_read_is_made_private(tmp_path: Path) -> None:
    path = tmp_path / "a.ledger.db"
    await open_and_close(path)
    path.chmod(0o644)
    await open_and_close(path)
    assert path.stat().st_mode & 0o777 == 0o600


async def test_a_held_ledger_is_refused_with_the_process_that_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "a.ledger.db"
    async with open_ledger(path):
        assert is_locked(path)
        with pytest.raises(LedgerLockedError, match=f"process {os.getpid()}"):
            await open_and_close(path)
    assert not is_locked(path)
    await open_and_close(path)


_HOLD = """
import sys, time
from pathlib import Path
from bulkmove.ledger.file import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    path = tmp_path / "a.ledger.db"
    with subprocess.Popen([sys.executable, "-c", _HOLD, str(path)], stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"held\n"
            with pytest.raises(LedgerLockedError, match=f"process {holder.pid}"), locked(path):
                pass
        finally:
            holder.send_signal(signal.SIGKILL)
        holder.wait(10)
    with locked(path):
        assert lock_path(path).read_text("ascii") == str(os.getpid())


async def test_a_newer_ledger_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.ledger.db"
    await open_and_close(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(LedgerRefusedError, match="newer"):
        await open_and_close(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (99,)


@pytest.mark.parametrize("content", [b"name,price\n" * 500, b"\0" * 5000])
async def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "prices.csv"
    path.write_bytes(content)
    with pytest.raises(LedgerError, match=r"prices\.csv.*is not a bulkmove ledger"):
        await open_and_close(path)
    assert path.read_bytes() == content
    assert os.listdir(tmp_path) == ["prices.csv"], "a lock was left beside it"  # noqa: PTH208  iterdir would block, for the linter


@pytest.mark.parametrize("version", [0, 1])
async def test_the_database_of_another_program_is_refused_and_nothing_is_added_to_it(
    tmp_path: Path, version: int
) -> None:
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"CREATE TABLE customers (id); PRAGMA user_version = {version}")
    with pytest.raises(LedgerRefusedError, match="not a bulkmove ledger"):
        await open_and_close(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("customers",)]


async def test_a_place_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"nowhere.*--ledger"):
        await open_and_close(tmp_path / "nowhere" / "a.ledger.db")


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="permissions of POSIX")
def test_a_read_only_directory_is_named(tmp_path: Path) -> None:
    """In a process of its own: root, which tests may run as, would write there all the same."""
    folder = tmp_path / "fixed"
    folder.mkdir()
    tmp_path.parent.parent.chmod(0o755)
    tmp_path.parent.chmod(0o755)
    tmp_path.chmod(0o755)
    folder.chmod(0o555)
    code = """
import os, sys, anyio
from pathlib import Path
from bulkmove.errors import LedgerError
from bulkmove.ledger import open_ledger
async def main():
    if os.geteuid() == 0:
        os.setgid(65534)
        os.setuid(65534)
    async with open_ledger(Path(sys.argv[1])): pass
try:
    anyio.run(main)
except LedgerError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder / "a.ledger.db")], capture_output=True, text=True, check=True, timeout=30
    )  # fmt: skip
    assert "a.ledger.db" in done.stdout
    assert "can't be written" in done.stdout


_FILL = """
import resource, signal, sys, anyio
from pathlib import Path
from bulkmove.entries import Entry
from bulkmove.errors import LedgerError, single_error
from bulkmove.ledger import open_ledger
from bulkmove.model import State

resource.setrlimit(resource.RLIMIT_FSIZE, (900_000, 900_000))

async def main():
    async with open_ledger(Path(sys.argv[1])) as ledger:
        await ledger.begin_run()
        await ledger.save_route("r", "{}")
        for number in range(100_000):
            chunk = ledger.reserve_chunk()
            await ledger.add_page("r", [Entry(f"{number}-{n}", 0, State.SKIPPED, message="x" * 50) for n in range(20)], chunk=chunk)
            await ledger.counts("r")
            print(number, flush=True)

try:
    with single_error():
        anyio.run(main)
except LedgerError as error:
    print(error)
"""


async def test_a_full_disk_ends_the_run_by_name_and_loses_nothing_that_was_acknowledged(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.ledger.db"
    done = subprocess.run(  # noqa: ASYNC221  nothing else is on the loop
        [sys.executable, "-c", _FILL, str(path)], capture_output=True, text=True, check=True, timeout=50
    )
    *acknowledged, message = done.stdout.splitlines()
    assert str(path) in message
    assert len(acknowledged) > 10
    async with open_ledger(path) as ledger:
        await ledger.begin_run()
        ids = [f"{number}-{n}" for number in acknowledged for n in range(20)]
        assert await ledger.known("r", ids) == set(ids)


async def test_a_full_database_is_told_in_words(tmp_path: Path) -> None:
    path = tmp_path / "a.ledger.db"
    with pytest.raises(LedgerError, match=r"a\.ledger\.db: the disk is full"), single_error():  # noqa: PT012  what fails comes out where the ledger is left
        async with open_ledger(path) as ledger:
            await ledger.begin_run()
            ledger.writer._connection.execute("PRAGMA max_page_count = 30")
            for number in range(200):
                await ledger.save_route(f"{number}" * 200, "x" * 2000)
    await open_and_close(path)
