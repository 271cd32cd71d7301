"""A ledger put aside is whole, in one file, and never in the place of another."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bulkmove.entries import Entry
from bulkmove.errors import LedgerLockedError
from bulkmove.ledger import open_ledger
from bulkmove.ledger.aside import may_land_since, put_aside
from bulkmove.ledger.file import connect, locked, migrations
from bulkmove.model import State


async def left_by_a_kill(directory: Path) -> Path:
    """A ledger whose records stand in SQLite's log alone."""
    path, left = directory / "run" / "a.ledger.db", directory / "a.ledger.db"
    path.parent.mkdir()
    async with open_ledger(path) as ledger:
        await ledger.begin_run()
        await ledger.save_route("r", "{}")
        await ledger.add_page("r", [Entry("a", 0, State.SKIPPED)], chunk=ledger.reserve_chunk())
        await ledger.counts("r")
        for ending in ("", "-wal"):
            shutil.copyfile(path.with_name(path.name + ending), left.with_name(left.name + ending))
    shutil.rmtree(path.parent)
    return left


def names_in(directory: Path) -> set[str]:
    return {file.name for file in directory.iterdir()}


async def test_what_a_killed_run_left_in_the_log_is_put_aside_with_its_file_in_one_step(
    tmp_path: Path,
) -> None:
    """Renamed one after the other, a kill between them would leave a file that lacks its last outcomes and intents."""
    path = await left_by_a_kill(tmp_path)
    aside = put_aside(path)
    assert names_in(tmp_path) == {aside.name, "a.ledger.db.lock"}
    with closing(sqlite3.connect(f"{aside.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        assert connection.execute("SELECT source_id FROM records").fetchall() == [("a",)]


async def test_two_that_are_put_aside_in_one_second_are_both_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.ledger.db"
    aside = set()
    for number in range(3):
        path.write_text(f"not even a ledger: {number}")
        aside.add(put_aside(path))
    assert sorted(file.read_text()[-1] for file in aside) == ["0", "1", "2"]


async def test_a_ledger_that_is_held_is_not_put_aside(tmp_path: Path) -> None:
    path = await left_by_a_kill(tmp_path)
    with locked(path), pytest.raises(LedgerLockedError):
        put_aside(path)
    assert path.exists()


def test_when_something_may_land_is_asked_of_an_older_program_s_ledger_too(tmp_path: Path) -> None:
    path = tmp_path / "a.ledger.db"
    *older, _ = migrations()
    with closing(connect(path)) as connection:
        scripts = "\n".join(script for _, script in older)
        connection.executescript(f"BEGIN;\n{scripts}\nPRAGMA user_version = {older[-1][0]};\nCOMMIT;")
    assert may_land_since(path) == 0.0
