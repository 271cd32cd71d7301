"""What is in doubt, across runs."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, closing
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from bulkmove import clock
from bulkmove.entries import Entry, Member, Settled
from bulkmove.ledger import SqliteLedger
from bulkmove.ledger.aside import may_land_since, put_aside
from bulkmove.ledger.file import connect, migrations, this_machine
from bulkmove.model import Counts, State

Opened = Callable[[], AbstractAsyncContextManager[SqliteLedger]]
# The step of the schema from which on runs note what they sent that may land yet.
_NOTES_WHAT_MAY_LAND = 13
_HERE = this_machine()


async def put_down(ledger: SqliteLedger, *ids: str, target_id: str | None = None) -> list[Member]:
    chunk = ledger.reserve_chunk()
    entries = [Entry(each, 0, State.PENDING, body=b"{}", target_id=target_id) for each in ids]
    await ledger.add_page("r", entries, chunk=chunk)
    return [Member(each, 0, chunk) for each in ids]


async def test_an_intent_is_durable_when_open_intent_returns(opened: Opened, path: Path) -> None:
    async with opened() as ledger:
        members = await put_down(ledger, "a", "b")
        number = await ledger.open_intent("r", members)
        with closing(sqlite3.connect(path)) as other:
            assert other.execute("SELECT id FROM intents").fetchall() == [(number,)]
            assert other.execute("SELECT count(*) FROM records").fetchone() == (2,), "and all before it"
        [intent] = await ledger.intents("r")
        assert list(intent.members) == members


async def test_what_an_ended_run_left_open_is_dated_by_its_last_sign_of_life(
    opened: Opened, path: Path
) -> None:
    async with opened() as ledger:
        await ledger.open_intent("r", await put_down(ledger, "a"))
    later = time.time() + 1000
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE runs SET alive_at = ?", (later,))
    async with opened() as ledger:
        [intent] = await ledger.intents("r")
        assert intent.sent_at >= later


@pytest.mark.parametrize("set_by_s", [-3600.0, 3600.0])
async def test_a_clock_that_is_set_between_two_runs_does_not_make_a_send_older_or_younger(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, set_by_s: float
) -> None:
    async with opened() as ledger:
        members = await put_down(ledger, "a")
        number = await ledger.open_intent("r", members)
        await ledger.park("r", members, intent=number, sent_at=clock.now() - 7)
    monkeypatch.setattr(clock, "UP_SINCE", clock.UP_SINCE + set_by_s)
    async with opened() as ledger:
        [intent] = await ledger.intents("r")
        assert 7 <= clock.now() - intent.sent_at < 60


async def test_what_was_parked_keeps_its_own_time(opened: Opened, path: Path) -> None:
    async with opened() as ledger:
        members = await put_down(ledger, "a")
        number = await ledger.open_intent("r", members)
        await ledger.park("r", members, intent=number, sent_at=1234.5)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE runs SET alive_at = ?", (time.time() + 1000,))
    async with opened() as ledger:
        [intent] = await ledger.intents("r")
        assert intent.sent_at == 1234.5


async def test_every_commit_and_every_second_are_signs_of_life(opened: Opened, path: Path) -> None:
    def alive_at() -> float:
        with closing(sqlite3.connect(path)) as connection:
            found: float = connection.execute("SELECT max(alive_at) FROM runs").fetchone()[0]
            return found

    async with opened() as ledger:
        begun = alive_at()
        await put_down(ledger, "a")
        await ledger.counts("r")
        put = alive_at()
        assert put > begun
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ledger.stay_alive)
            with anyio.fail_after(5):
                while alive_at() == put:  # noqa: ASYNC110  another task or process moves it
                    await anyio.sleep(0.05)
            tasks.cancel_scope.cancel()


async def test_settling_closes_the_intent_and_frees_those_without_an_outcome(opened: Opened) -> None:
    async with opened() as ledger:
        a, b = await put_down(ledger, "a", "b")
        number = await ledger.open_intent("r", [a, b])
        await ledger.settle("r", [Settled(a, State.WRITTEN)], intent=number)
        assert await ledger.intents("r") == []
        found = await ledger.next_pending("r", 0)
        assert found is not None
        assert [item.member for item in found[1]] == [b]


@pytest.mark.parametrize(("refusal", "attempts"), [(None, 1), ("unnamed", 1), ("named", 0)])
async def test_parking_keeps_the_doubtful_and_counts_an_attempt_unless_others_were_to_blame(
    opened: Opened, refusal: object, attempts: int
) -> None:
    async with opened() as ledger:
        a, b = await put_down(ledger, "a", "b")
        number = await ledger.open_intent("r", [a, b])
        outcome = Settled(a, State.REJECTED, cause="bad")
        await ledger.park("r", [b], intent=number, sent_at=50.0, settled=[outcome], refusal=refusal)  # type: ignore[arg-type]
        [intent] = await ledger.intents("r")
        assert (list(intent.members), intent.refusal) == ([b], refusal)
        [item] = await ledger.items("r", [a, b])
        assert (item.member, item.attempts) == (b, attempts)
        assert await ledger.counts("r") == Counts(rejected=1, pending=1)


async def test_attempts_add_up_and_keep_the_time_of_the_first(opened: Opened) -> None:
    async with opened() as ledger:
        members = await put_down(ledger, "a")
        for at in (50.0, 60.0):
            number = await ledger.open_intent("r", members)
            await ledger.park("r", members, intent=number, sent_at=at)
        await ledger.count_attempt("r", members)
        await ledger.counts("r")
        [item] = await ledger.items("r", members)
        assert (item.attempts, item.failed_at) == (3, 50.0)


async def test_attempts_of_an_earlier_run_are_not_held_against_a_record(opened: Opened) -> None:
    async with opened() as ledger:
        members = await put_down(ledger, "a")
        await ledger.count_attempt("r", members)
    async with opened() as ledger:
        [item] = await ledger.items("r", members)
        assert (item.attempts, item.failed_at) == (0, None)


async def test_what_ended_unknown_is_in_doubt_again_with_its_body(opened: Opened) -> None:
    async with opened() as ledger:
        a, b = await put_down(ledger, "a", "b")
        outcome = Settled(a, State.UNKNOWN, cause="differs", message="x")
        await ledger.settle("r", [outcome, Settled(b, State.REJECTED)])
        await ledger.mark("r", is_finished=True)
    async with opened() as ledger:
        assert await ledger.revive_unknown("r") == 1
        assert not (await ledger.progress("r")).is_finished
        [intent] = await ledger.intents("r")
        assert list(intent.members) == [a]
        assert [item.encoded for item in await ledger.items("r", [a])] == [b"{}"]
        assert await ledger.counts("r") == Counts(pending=1, rejected=1)
        await ledger.settle("r", [outcome], intent=intent.id)
        assert await ledger.revive_unknown("r") == 0 or await ledger.counts("r") == Counts(
            pending=1, rejected=1
        )
    async with opened() as ledger:
        await ledger.revive_unknown("r")
        [intent] = await ledger.intents("r")
        await ledger.settle("r", [Settled(a, State.WRITTEN)], intent=intent.id)
        assert await ledger.counts("r") == Counts(written=1, rejected=1)


async def test_nothing_unknown_leaves_a_finished_route_finished(opened: Opened) -> None:
    async with opened() as ledger:
        await ledger.mark("r", is_finished=True)
        assert await ledger.revive_unknown("r") == 0
        assert (await ledger.progress("r")).is_finished


async def test_an_unknown_update_of_a_row_that_was_written_otherwise_stays_unknown(opened: Opened) -> None:
    async with opened() as ledger:
        [a] = await put_down(ledger, "a", target_id="7")
        [b] = await put_down(ledger, "b", target_id="7")
        [c] = await put_down(ledger, "c", target_id="8")
        await ledger.settle(
            "r", [Settled(a, State.UNKNOWN), Settled(b, State.WRITTEN), Settled(c, State.UNKNOWN)]
        )
    async with opened() as ledger:
        assert await ledger.revive_unknown("r") == 1
        [intent] = await ledger.intents("r")
        assert list(intent.members) == [c]


async def test_numbers_of_intents_are_not_used_again_while_they_are_open(opened: Opened) -> None:
    async with opened() as ledger:
        first = await ledger.open_intent("r", await put_down(ledger, "a"))
    async with opened() as ledger:
        second = await ledger.open_intent("r", await put_down(ledger, "b"))
        assert first != second
        assert len(await ledger.intents("r")) == 2


async def test_runs_are_numbered_and_say_how_they_ended(opened: Opened, path: Path) -> None:
    async with opened() as ledger:
        await ledger.end_run(5)
    async with opened():
        pass
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT id, exit_code FROM runs").fetchall() == [(1, 5), (2, None)]


def ended(path: Path, run: int, *, alive_at: float, exit_code: int | None) -> None:
    """Make a run one that ended so."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "UPDATE runs SET alive_at = ?, ended_at = ?, exit_code = ? WHERE id = ?",
            (alive_at, None if exit_code is None else alive_at, exit_code, run),
        )


@pytest.mark.parametrize(
    ("first", "is_unsettled"), [(None, True), (143, True), (5, True), (0, False), (3, False)]
)
async def test_what_a_run_that_was_cut_off_sent_may_land_after_the_next_run_sent_it_again(
    opened: Opened, path: Path, first: int | None, *, is_unsettled: bool
) -> None:
    """Killed twice in a row, within the time that a write takes to settle."""
    now = clock.now()
    async with opened() as ledger:
        await put_down(ledger, "a")
    ended(path, 1, alive_at=now - 20, exit_code=first)
    async with opened() as ledger:
        assert (await ledger.progress("r")).unsettled_at == 0.0, "it sends the same again"
    ended(path, 2, alive_at=now - 10, exit_code=None)
    async with opened() as ledger:
        progress = await ledger.progress("r")
    assert now - 10 <= progress.sent_until < now - 5
    if is_unsettled:
        assert now - 20 <= progress.unsettled_at < now - 15
    else:
        assert progress.unsettled_at == 0.0


async def test_a_run_of_an_earlier_uptime_counts_until_the_first_run_of_this_one(
    opened: Opened, path: Path
) -> None:
    """However long ago that was, it is not counted anew from every run that begins."""
    now = clock.now()
    for each in "abc":
        async with opened() as ledger:
            await put_down(ledger, each)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE runs SET machine = 'another' WHERE id = 1")
        connection.execute("UPDATE runs SET started_at = ? WHERE id = 2", (now - 500,))
    ended(path, 1, alive_at=now + 1000, exit_code=None)
    async with opened() as ledger:
        assert (await ledger.progress("r")).unsettled_at == pytest.approx(now - 500)


async def test_times_of_a_run_are_told_by_the_clock_of_the_one_that_asks(opened: Opened, path: Path) -> None:
    """The time of day was set between the two: uptimes tell by how much."""
    now = clock.now()
    for each in "ab":
        async with opened() as ledger:
            await put_down(ledger, each)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE runs SET unsettled_at = NULL")
        connection.execute(
            "UPDATE runs SET up_since = up_since + 100, alive_at = ?, unsettled_at = ? WHERE id = 1",
            (now + 60, now + 50),
        )
    ended(path, 2, alive_at=now - 10, exit_code=0)
    async with opened() as ledger:
        assert (await ledger.progress("r")).unsettled_at == pytest.approx(now - 38, abs=5)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE runs SET exit_code = 0, was_stopped = 0")
    assert await _told_of_the_one_put_aside(path) == pytest.approx(now - 50)


async def test_what_a_run_sent_again_may_land_yet_whatever_became_of_its_record_since(
    opened: Opened, path: Path
) -> None:
    """A delta puts a record down anew, and a run that is killed then knows nothing of it."""
    now = clock.now()
    async with opened() as ledger:
        [member] = await put_down(ledger, "a", target_id="7")
        await ledger.count_attempt("r", [member])
        await ledger.settle("r", [Settled(member, State.WRITTEN)])
    ended(path, 1, alive_at=now - 10, exit_code=0)
    with closing(sqlite3.connect(path)) as connection, connection:
        assert connection.execute("SELECT unsettled_at >= ? FROM runs", (now,)).fetchone() == (1,)
        connection.execute("UPDATE records SET attempts = 0, failed_at = NULL")
        connection.execute("UPDATE runs SET unsettled_at = ?", (now - 30,))
    for _ in range(2):
        async with opened() as ledger:
            assert (await ledger.progress("r")).unsettled_at == pytest.approx(now - 30, abs=5)
            assert await ledger.may_land_since() >= now - 30 - 5


async def test_a_run_that_was_stopped_may_have_given_up_what_was_on_its_way(
    opened: Opened, path: Path
) -> None:
    now = clock.now()
    async with opened() as ledger:
        await ledger.end_run(0, was_stopped=True)
    ended(path, 1, alive_at=now - 20, exit_code=0)
    async with opened() as ledger:
        assert await ledger.may_land_since() >= now - 20
    ended(path, 2, alive_at=now - 10, exit_code=None)
    async with opened() as ledger:
        assert (await ledger.progress("r")).unsettled_at == pytest.approx(now - 18, abs=5)


async def test_the_last_run_of_an_older_ledger_may_have_sent_what_lands_yet(
    opened: Opened, path: Path
) -> None:
    """It noted nothing of that: it is taken to have sent something up to its last sign of life."""
    now = clock.now()
    older = [(number, step) for number, step in migrations() if number < _NOTES_WHAT_MAY_LAND]
    with closing(connect(path)) as connection:
        for number, step in older:
            connection.executescript(f"BEGIN;{step};PRAGMA user_version = {number};COMMIT;")
        for run, ago_s in ((1, 100), (2, 30)):
            connection.execute(
                "INSERT INTO runs (id, started_at, alive_at, up_since, machine, ended_at, exit_code)"
                " VALUES (?, ?, ?, ?, ?, ?, 0)",
                (run, now - ago_s - 5, now - ago_s, clock.UP_SINCE, _HERE, now - ago_s),
            )
    async with opened() as ledger:
        assert (await ledger.progress("r")).unsettled_at == pytest.approx(now - 28)
        assert await ledger.may_land_since() == pytest.approx(now - 28)


async def _told_of_the_one_put_aside(path: Path) -> float:
    """In a thread, as the command asks."""
    return await to_thread.run_sync(lambda: may_land_since(put_aside(path)))


@pytest.mark.parametrize(
    ("exit_code", "was_stopped", "unsettled_ago_s", "ago_s"),
    [
        (0, False, None, None),
        (3, False, None, None),
        (None, False, None, 18),
        (143, False, None, 18),
        (5, False, None, 18),
        (0, True, None, 18),
        (0, False, 30, 30),
        (None, False, 30, 18),
    ],
)
async def test_of_a_ledger_put_aside_is_told_since_when_what_it_sent_may_land(
    opened: Opened,
    path: Path,
    *,
    exit_code: int | None,
    was_stopped: bool,
    unsettled_ago_s: float | None,
    ago_s: float | None,
) -> None:
    now = clock.now()
    async with opened() as ledger:
        await ledger.end_run(0, was_stopped=was_stopped)
    ended(path, 1, alive_at=now - 20, exit_code=exit_code)
    with closing(sqlite3.connect(path)) as connection, connection:
        at = None if unsettled_ago_s is None else now - unsettled_ago_s
        connection.execute("UPDATE runs SET unsettled_at = ?", (at,))
    told = await _told_of_the_one_put_aside(path)
    assert told == pytest.approx(0.0 if ago_s is None else now - ago_s)


async def test_what_another_machine_sent_from_a_ledger_put_aside_can_not_be_dated(
    opened: Opened, path: Path
) -> None:
    async with opened():
        pass
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE runs SET machine = 'another'")
    assert await _told_of_the_one_put_aside(path) == 0.0
