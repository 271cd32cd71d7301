"""Two runs on one ledger are impossible, by whatever names they know it, and however close together they begin."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bulkmove.errors import LedgerError, LedgerLockedError
from bulkmove.ledger.file import is_locked, locked

ROUNDS = 20

# Opens the ledgers that it is told, one after the other, and holds each until it is told to let go.
_RUN = """
import sys
from pathlib import Path
import anyio
from bulkmove.errors import LedgerLockedError
from bulkmove.ledger import open_ledger

async def hold(path):
    async with open_ledger(path) as ledger:
        await ledger.begin_run()
        print("held", flush=True)
        sys.stdin.readline()

print("ready", flush=True)
while path := sys.stdin.readline().strip():
    try:
        anyio.run(hold, Path(path))
        print("released", flush=True)
    except LedgerLockedError:
        print("locked", flush=True)
"""


def names_of(folder: Path) -> list[Path]:
    """Names of one ledger that is not there yet."""
    real = folder / "real"
    real.mkdir()
    ledger = real / "a.ledger.db"
    (folder / "linked").symlink_to(real)
    (folder / "link.db").symlink_to(ledger)
    (folder / "link-to-link.db").symlink_to(folder / "link.db")
    return [
        ledger,
        folder / "link.db",
        folder / "link-to-link.db",
        folder / "linked" / "a.ledger.db",
        real / ".." / "real" / "a.ledger.db",
        Path(os.path.relpath(ledger)),
    ]


@contextmanager
def runs(count: int) -> Iterator[list[subprocess.Popen[str]]]:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", _RUN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(count)
    ]
    try:
        for each in started:
            assert said(each) == "ready"
        yield started
    finally:
        for each in started:
            each.kill()
            each.communicate()


def said(run: subprocess.Popen[str]) -> str:
    assert run.stdout is not None
    return run.stdout.readline().strip()


def tell(run: subprocess.Popen[str], line: object) -> None:
    assert run.stdin is not None
    run.stdin.write(f"{line}\n")
    run.stdin.flush()


def test_of_runs_that_begin_together_one_holds_the_ledger(tmp_path: Path) -> None:
    names = names_of(tmp_path)
    with runs(3) as started:
        for number in range(ROUNDS):
            for place, run in enumerate(started):
                tell(run, names[(number + place * (1 + number // 6)) % len(names)])
            answers = [said(run) for run in started]
            assert sorted(answers) == ["held", "locked", "locked"], f"round {number}"
            holder = started[answers.index("held")]
            tell(holder, "let go")
            assert said(holder) == "released"


@pytest.mark.parametrize("other", range(6))
def test_a_held_ledger_is_held_by_all_its_names(tmp_path: Path, other: int) -> None:
    names = names_of(tmp_path)
    with locked(names[0]):
        assert is_locked(names[other])
        with pytest.raises(LedgerLockedError), locked(names[other]):
            pass
    with locked(names[other]):
        assert is_locked(names[0])
    assert not is_locked(names[other])


def test_a_ledger_of_two_hard_links_is_refused(tmp_path: Path) -> None:
    """Their locks, and SQLite's logs, would be two: what one run writes, the other would not see."""
    path, other = tmp_path / "a.ledger.db", tmp_path / "b.ledger.db"
    path.touch()
    os.link(path, other)
    for name in (path, other):
        with pytest.raises(LedgerError, match=r"2 names.*hard link"), locked(name):
            pass
    other.unlink()
    with locked(path):
        pass


def test_looking_whether_a_run_is_going_keeps_none_from_beginning(tmp_path: Path) -> None:
    path = tmp_path / "a.ledger.db"
    with locked(path):
        pass
    code = (
        "import sys; from pathlib import Path; from bulkmove.ledger.file import is_locked\n"
        "print('ready', flush=True)\nwhile True: is_locked(Path(sys.argv[1]))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True
    ) as looking:
        try:
            assert said(looking) == "ready"
            for _ in range(1000):
                with locked(path):
                    pass
        finally:
            looking.kill()
