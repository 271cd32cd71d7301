"""The ledger checks itself: planted damage is found, at the resume where that is cheap, else at the end; health is not."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path

import pytest

from bulkmove.entries import Entry, Member, Settled
from bulkmove.errors import LedgerError
from bulkmove.ledger import SqliteLedger, open_ledger
from bulkmove.ledger.file import connect, migrations
from bulkmove.model import Counts, State

Opened = Callable[[], AbstractAsyncContextManager[SqliteLedger]]
ALL = Counts(written=4, unchanged=1, skipped=1, rejected=2, unknown=1, pending=3)


@pytest.fixture
def opened(path: Path) -> Opened:
    @asynccontextmanager
    async def open_it() -> AsyncIterator[SqliteLedger]:
        async with open_ledger(path) as ledger:
            await ledger.begin_run()
            await ledger.save_route("other", "{}")
            await ledger.save_route("r", "{}")
            await ledger.save_list("l")
            yield ledger

    return open_it


def pending(*names: str, part: int = 0) -> list[Entry]:
    return [Entry(name, part, State.PENDING, b'{"a":1}', key=f"{name}-{part}") for name in names]


def settled(chunk: int, state: State, *names: str, part: int = 0) -> list[Settled]:
    return [Settled(Member(name, part, chunk), state, target_id=name, cause="c") for name in names]


async def fill(ledger: SqliteLedger) -> None:
    """Records in every state, one of two bodies, a batch in flight, and a row kept as it was read."""
    first, second, raw = ledger.reserve_chunk(), ledger.reserve_chunk(), ledger.reserve_chunk()
    odd = [Entry("u", 0, State.UNCHANGED), Entry("s", 0, State.SKIPPED, cause="mapper")]
    page = [*pending("w1", "w2", "w3", "two"), *pending("two", part=1), *odd, *pending("b1")]
    await ledger.add_page("r", page, chunk=first, target_list="l")
    await ledger.settle("r", settled(first, State.WRITTEN, "w1", "w2", "w3", "two"))
    await ledger.settle("r", settled(first, State.WRITTEN, "two", part=1))
    await ledger.settle("r", settled(first, State.REJECTED, "b1"))
    await ledger.add_page("r", pending("b2", "x", "p1", "p2"), chunk=second, target_list="l")
    await ledger.settle("r", settled(second, State.REJECTED, "b2"))
    await ledger.settle("r", settled(second, State.UNKNOWN, "x"))
    await ledger.open_intent("r", [Member("p1", 0, second)])
    await ledger.add_page("r", [Entry("seen", 0, State.SEEN, b'{"id":"seen"}')], chunk=raw, is_raw=True)
    await ledger.add_page("other", pending("w1", "p1"), chunk=ledger.reserve_chunk(), target_list="l")


async def test_a_ledger_that_nobody_touched_adds_up(opened: Opened) -> None:
    async with opened() as ledger:
        await fill(ledger)
        for whole in (False, True):
            for route in ("r", "other"):
                await ledger.check_balance(route, whole=whole)
        assert await ledger.counts("r") == ALL
    async with opened() as ledger:
        await ledger.check_balance("r", whole=True)
        assert await ledger.counts("r") == ALL


@pytest.mark.parametrize(
    ("damage", "found", "at_resume"),
    [
        ("DELETE FROM records WHERE source_id = 'w2' AND route = 2", "and there are", True),
        ("DELETE FROM records WHERE source_id = 'two' AND body = 1", "and there are", True),
        ("DELETE FROM records WHERE source_id = 'two' AND body = 0", "and there are", True),
        (
            "INSERT INTO records (route, source_id, body, state, run) VALUES (2, 'no page', 0, 2, 1)",
            "and there are",
            True,
        ),
        (
            "DELETE FROM pages WHERE route = 2 AND id = 1",
            "its pages brought 5 records, and there are 12",
            True,
        ),
        ("UPDATE pages SET records = records + 1 WHERE id = 2", "its pages brought 13 records", True),
        (
            "UPDATE records SET state = 2 WHERE source_id = 'p2'",
            "3 bodies have no outcome, and there are 2",
            False,
        ),
        (
            "UPDATE records SET state = 4 WHERE source_id = 'w2'",
            "3 bodies have no outcome, and there are 4",
            False,
        ),
        (
            "UPDATE records SET state = 0 WHERE source_id = 'w2'",
            "5 bodies are written, and there are 4",
            False,
        ),
        ("UPDATE records SET state = 5 WHERE source_id = 'x'", "are unknown, and there are 0", False),
        ("UPDATE records SET chunk = NULL WHERE source_id = 'p2'", "has no outcome, and is not kept", False),
        ("UPDATE records SET chunk = 1 WHERE source_id = 'p2'", "kept page 2 counts 2 open", False),
        (
            "UPDATE chunks SET open = open - 1 WHERE id = 2",
            "1 bodies have no outcome|are kept to be sent",
            True,
        ),
        ("UPDATE chunks SET open = 0 WHERE id = 2", "are kept to be sent", True),
        ("UPDATE chunks SET kept = kept + 1 WHERE id = 1", "kept page 1 counts 0 open and 2 failed", False),
        ("UPDATE chunks SET bodies = x'00' WHERE id = 2", "kept page 2 can't be unpacked", False),
        (
            "UPDATE chunks SET bodies = (SELECT bodies FROM chunks WHERE id = 1) WHERE id = 2",
            "kept page 2 counts",
            False,
        ),
        ("DELETE FROM chunks WHERE id = 2", "are kept to be sent", True),
        (
            "UPDATE records SET state = 2 WHERE source_id = 'p1' AND route = 2",
            "p1 that it names has an outcome",
            True,
        ),
        ("DELETE FROM records WHERE source_id = 'p1' AND route = 2", "p1 that it names has an outcome", True),
        (
            "UPDATE routes SET is_finished = 1 WHERE name = 'r'",
            "it is finished, and 3 bodies have no outcome",
            True,
        ),
        ("UPDATE tallies SET bodies = bodies - 1 WHERE route = 2 AND state = 2", "were put down", True),
    ],
)
async def test_planted_damage_is_found(
    opened: Opened,
    path: Path,
    damage: str,
    found: str,
    at_resume: bool,  # noqa: FBT001  pytest passes it by name
) -> None:
    async with opened() as ledger:
        await fill(ledger)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert connection.execute(damage).rowcount == 1
    async with opened() as ledger:
        if at_resume:
            with pytest.raises(LedgerError, match=found):
                await ledger.check_balance("r", whole=False)
        else:
            await ledger.check_balance("r", whole=False)
        with pytest.raises(LedgerError, match=found) as error:
            await ledger.check_balance("r", whole=True)
        assert str(path) in str(error.value)
        assert "route r does not add up" in str(error.value)
        assert "--fresh" in str(error.value)
        await ledger.check_balance("other", whole=True)


async def test_what_a_run_does_to_open_and_failed_records_keeps_the_balance(opened: Opened) -> None:
    async with opened() as ledger:
        await fill(ledger)
    async with opened() as ledger:
        assert await ledger.revive_unknown("r") == 1
        await ledger.check_balance("r", whole=True)
        assert (await ledger.counts("r")).pending == 4
        (intent,) = [each for each in await ledger.intents("r") if each.members[0].source_id == "x"]
        await ledger.settle("r", settled(2, State.WRITTEN, "x"), intent=intent.id)
        await ledger.check_balance("r", whole=True)
        mapping = Entry("seen", 0, State.PENDING, b"{}", key="seen")
        await ledger.add_page(
            "r", [mapping, *pending("seen", part=1)], chunk=ledger.reserve_chunk(), was_raw_chunk=3
        )
        await ledger.check_balance("r", whole=True)
        assert await ledger.counts("r") == Counts(
            written=5, unchanged=1, skipped=1, rejected=2, unknown=0, pending=3
        )
        assert await ledger.written("r") == 6, "bodies"


async def test_a_record_of_several_bodies_counts_by_its_worst(opened: Opened) -> None:
    async with opened() as ledger:
        chunk = ledger.reserve_chunk()
        page = [each for part in range(3) for each in pending("a", "b", "c", part=part)]
        await ledger.add_page("r", page, chunk=chunk)
        assert await ledger.counts("r") == Counts(pending=3)
        for part in range(3):
            await ledger.settle("r", settled(chunk, State.WRITTEN, "a", part=part))
            await ledger.settle(
                "r", settled(chunk, [State.WRITTEN, State.UNKNOWN, State.REJECTED][part], "b", part=part)
            )
        await ledger.settle("r", settled(chunk, State.REJECTED, "c", part=1))
        assert await ledger.counts("r") == Counts(written=1, unknown=1, rejected=1)
        await ledger.check_balance("r", whole=True)


async def test_rows_that_a_reading_begun_anew_does_not_show_are_skipped_by_name(opened: Opened) -> None:
    rows = [Entry(name, 0, State.SEEN, b"{}") for name in ("a", "b", "c")]
    async with opened() as ledger:
        await ledger.add_page("r", rows, chunk=ledger.reserve_chunk(), is_raw=True)
    async with opened() as ledger:
        await ledger.drop_seen("r")
        await ledger.check_balance("r", whole=True)
        assert await ledger.counts("r") == Counts()
        assert await ledger.gone_at_source("r", 9) == (0, []), "whether they come again is not known yet"
        await ledger.add_page("r", rows[:1], chunk=ledger.reserve_chunk(), is_raw=True)
        assert await ledger.skip_gone("r") == 2
        await ledger.check_balance("r", whole=True)
        assert await ledger.counts("r") == Counts(skipped=2, pending=1)
        assert await ledger.gone_at_source("r", 1) == (2, ["b"])
    async with opened() as ledger:  # read anew once more, and one of them is back
        await ledger.drop_seen("r")
        await ledger.add_page("r", rows[:2], chunk=ledger.reserve_chunk(), is_raw=True)
        assert await ledger.skip_gone("r") == 1
        await ledger.check_balance("r", whole=True)
        assert await ledger.counts("r") == Counts(skipped=1, pending=2)
        assert await ledger.gone_at_source("r", 9) == (1, ["c"])


async def test_a_ledger_begun_before_pages_were_noted_adds_up(path: Path, opened: Opened) -> None:
    with closing(connect(path)) as connection:
        connection.executescript(f"BEGIN;{migrations()[0][1]};PRAGMA user_version = 1;COMMIT;")
        connection.execute(
            "INSERT INTO routes (id, name, fingerprint) VALUES (1, 'other', '{}'), (2, 'r', '{}')"
        )
        connection.executemany(
            "INSERT INTO records (route, source_id, body, state, run) VALUES (2, ?, ?, ?, 1)",
            [("a", 0, 2), ("b", 0, 2), ("b", 1, 5), ("seen", 0, 3)],
        )
        connection.execute("INSERT INTO chunks (id, route, is_raw, open, bodies) VALUES (7, 2, 1, 1, x'00')")
    async with opened() as ledger:
        await ledger.check_balance("r", whole=False)
        assert await ledger.counts("r") == Counts(written=1, rejected=1, pending=1)
        await ledger.drop_seen("r")
        await ledger.check_balance("r", whole=False)
        assert await ledger.counts("r") == Counts(written=1, rejected=1)


async def test_what_is_asked_on_a_resume_walks_the_records_once_at_most(opened: Opened, path: Path) -> None:
    """By SQLite's own steps; a walk takes a few for each record."""
    async with opened() as ledger:
        for start in range(0, 20_000, 500):
            page = [Entry(f"{start + n:06}", 0, State.WRITTEN, target_id="t") for n in range(500)]
            await ledger.add_page("r", page, chunk=ledger.reserve_chunk())
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1000
        return 0

    async with open_ledger(path) as ledger:
        store = ledger._store
        for connection in (store.writer._connection, ledger._look, store.reader._connection):
            connection.set_progress_handler(count, 1000)
        await ledger.begin_run()
        await ledger.check_balance("r", whole=False)
        await ledger.revive_unknown("r")
        await ledger.counts("r")
        await ledger.written("r")
        await ledger.progress("r")
        await ledger.intents("r")
        await ledger.next_pending("r", 0)
        await ledger.next_raw("r", 0)
    assert steps < 6 * 20_000
