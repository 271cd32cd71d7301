"""Failures chosen, grouped and named; records near one that is not there; what a purge erases."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, closing
from pathlib import Path

import pytest

from bulkmove.entries import Entry, Member, Settled
from bulkmove.errors import LedgerError
from bulkmove.ledger import SqliteLedger, failing, purging
from bulkmove.ledger.failing import Selection
from bulkmove.ledger.file import connect
from bulkmove.ledger.looking import looked_at
from bulkmove.ledger.story import story
from bulkmove.model import State

Opened = Callable[[], AbstractAsyncContextManager[SqliteLedger]]
MAIL = "ana.popescu@exemplu.ro"


async def fill(ledger: SqliteLedger) -> None:
    """Records 10 to 19: the even ones are written, the odd ones failed, 19 is open."""
    chunk = ledger.reserve_chunk()
    ids = [str(number) for number in range(10, 20)]
    entries = [
        Entry(each, 0, State.PENDING, body=b'{"mail":"' + MAIL.encode() + b'"}', key=each) for each in ids
    ]
    entries[1] = entries[1]._replace(
        state=State.REJECTED, body=None, key=None, cause="mapper", message=MAIL, record=b"{}"
    )
    await ledger.add_page("r", entries, chunk=chunk, target_list="l")
    settled = [
        Settled(
            Member(each, 0, chunk),
            State.WRITTEN if int(each) % 2 == 0 else State.REJECTED,
            cause="refused",
            answer=MAIL,
        )
        for each in ids
        if each not in {"11", "13", "19"}
    ]
    settled.append(Settled(Member("13", 0, chunk), State.UNKNOWN, cause="differs", message=MAIL))
    await ledger.settle("r", settled)
    await ledger.counts("r")


@pytest.fixture
async def filled(opened: Opened, path: Path) -> Path:
    async with opened() as ledger:
        await fill(ledger)
    return path


@pytest.mark.parametrize(
    ("selection", "ids"),
    [
        (Selection(), ["11", "13", "15", "17"]),
        (Selection(causes=("refused",)), ["15", "17"]),
        (Selection(causes=("refused", "differs")), ["13", "15", "17"]),
        (Selection(ids=("17", "11", "12")), ["11", "17"]),
        (Selection(routes=("r",), ids=("17",), causes=("differs",)), []),
        (Selection(routes=("other",)), []),
    ],
)
def test_failures_are_chosen_by_route_cause_and_id(
    filled: Path, selection: Selection, ids: list[str]
) -> None:
    with looked_at(filled) as connection:
        assert connection is not None
        assert [failure.source_id for failure in failing.failures(connection, selection)] == ids
        assert [detail.failure.source_id for detail in failing.details(connection, selection)] == ids
        assert sum(group.records for group in failing.groups(connection, selection)) == len(ids)


def test_groups_count_records_and_name_one_of_them(filled: Path) -> None:
    with looked_at(filled) as connection:
        assert connection is not None
        assert [tuple(group) for group in failing.groups(connection)] == [
            ("r", "rejected", "refused", 2, "15"),
            ("r", "unknown", "differs", 1, "13"),
            ("r", "rejected", "mapper", 1, "11"),
        ]


def test_details_hold_what_is_kept(filled: Path) -> None:
    with looked_at(filled) as connection:
        assert connection is not None
        found = {detail.failure.source_id: detail for detail in failing.details(connection)}
    assert (found["11"].record, found["11"].mapped) == (b"{}", None)
    assert (found["15"].record, found["15"].answer) == (None, MAIL)
    assert MAIL.encode() in (found["13"].mapped or b"")


@pytest.mark.parametrize(
    ("typed", "near"),
    [
        ("1O", ["10"]),
        ("110", ["10", "11"]),
        ("1", ["10", "11"]),
        ("21", ["11", "12"]),
        (" 12", ["12"]),
        ("zz", ["18", "19"]),
    ],
)
def test_an_id_that_is_not_there_has_its_nearest(filled: Path, typed: str, near: list[str]) -> None:
    with looked_at(filled) as connection:
        assert connection is not None
        assert set(near) <= set(failing.near(connection, (), typed))


def read(path: Path) -> bytes:
    wal = path.with_name(path.name + "-wal")
    return path.read_bytes() + (wal.read_bytes() if wal.exists() else b"")


def test_a_purge_erases_what_is_settled_out_of_the_file_and_keeps_what_is_open(filled: Path) -> None:
    assert MAIL.encode() in read(filled)
    with closing(connect(filled)) as connection:
        assert purging.erasable(connection, None, messages=True) == purging.Erasable(
            bodies=8, records=1, answers=7, messages=2, unknown=1,
            bytes=purging.erasable(connection, None, messages=True).bytes,
        )  # fmt: skip
        assert purging.erasable(connection, "other", messages=True).is_nothing
        purging.purge(connection, None, messages=True)
        assert purging.erasable(connection, None, messages=True).is_nothing
        open_one, settled = story(connection, "r", "19"), story(connection, "r", "15")
    assert MAIL.encode() not in read(filled)
    assert open_one is not None
    assert settled is not None
    assert MAIL.encode() in (open_one.bodies[0].body or b"")
    assert (settled.bodies[0].body, settled.bodies[0].cause, settled.bodies[0].answer) == (
        None,
        "refused",
        None,
    )


def test_a_purge_says_when_somebody_still_reads_what_it_erased(filled: Path) -> None:
    with closing(connect(filled, read_only=True)) as reader, closing(connect(filled)) as connection:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM answers").fetchone()
        connection.execute("PRAGMA busy_timeout = 0")
        with pytest.raises(LedgerError, match="another program reads"):
            purging.purge(connection, None, messages=True)


async def test_what_is_left_after_a_purge_adds_up(opened: Opened, filled: Path) -> None:
    with closing(connect(filled)) as connection:
        purging.purge(connection, None, messages=True)
    async with opened() as ledger:
        await ledger.check_balance("r", whole=True)
        assert await ledger.revive_unknown("r") == 0, "what it was is not known any more"
        found = await ledger.next_pending("r", 0)
        assert found is not None
        assert [item.member.source_id for item in found[1]] == ["19"]


def test_a_ledger_of_an_older_bulkmove_is_brought_up_to_date_to_be_asked(tmp_path: Path) -> None:
    path = tmp_path / "old.ledger.db"
    first = (Path(__file__).parents[3] / "bulkmove" / "ledger" / "schema" / "0001_first.sql").read_text(
        "utf-8"
    )
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"{first}; PRAGMA user_version = 1;")
        connection.execute("INSERT INTO runs VALUES (1, 5.0, 6.0, 7.0, 'here', 0)")
        connection.execute("INSERT INTO routes (id, name, fingerprint) VALUES (1, 'r', '{}')")
        connection.execute(
            "INSERT INTO records (route, source_id, body, state, target_id, run) VALUES (1, '7', 0, 2, '70', 1)"
        )
        connection.commit()
    with looked_at(path, is_newest=True) as looked:
        assert looked is not None
        found = story(looked, "r", "7")
    assert found is not None
    assert [page.id for page in found.pages] == [-1]
    assert found.bodies[0].target_id == "70"


async def test_a_purge_leaves_nothing_in_pages_that_were_given_up_before(opened: Opened, path: Path) -> None:
    """Bodies of what was written were deleted by a run; where SQLite does not overwrite them, they stay in the file."""
    async with opened() as ledger:
        bodies = [hashlib.sha256(bytes([number])).hexdigest().encode() for number in range(100)]
        entries = [Entry(str(n), 0, State.PENDING, body=b'"' + body + b'"') for n, body in enumerate(bodies)]
        await ledger.add_page("r", entries, chunk=ledger.reserve_chunk())
        await ledger.counts("r")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        (blob,) = connection.execute("SELECT bodies FROM chunks").fetchone()
        connection.execute("PRAGMA secure_delete = OFF").fetchone()
        connection.execute("DELETE FROM chunks")
        connection.execute("UPDATE records SET state = 2, chunk = NULL")
    piece = blob[2000:2040]
    assert piece in read(path)
    with closing(connect(path)) as connection:
        purging.purge(connection, None, messages=False)
    assert piece not in read(path)
