"""What is put down, asked for and settled."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, closing
from pathlib import Path
from typing import Any

import anyio
import pytest

from bulkmove.entries import Entry, Member, Settled, Span, TargetKey
from bulkmove.errors import LedgerError, single_error
from bulkmove.ledger import SqliteLedger
from bulkmove.ledger.chunks import unpack
from bulkmove.ledger.lane import MAX_WAITING
from bulkmove.model import Counts, State

Opened = Callable[[], AbstractAsyncContextManager[SqliteLedger]]


def pending(source_id: str, part: int = 0, **more: Any) -> Entry:
    return Entry(source_id, part, State.PENDING, body=b'{"of":"%s"}' % source_id.encode(), **more)


def seen(source_id: str) -> Entry:
    return Entry(source_id, 0, State.SEEN, body=b'{"row":"%s"}' % source_id.encode())


def written(source_id: str, chunk: int, part: int = 0, target_id: str | None = None) -> Settled:
    return Settled(Member(source_id, part, chunk), State.WRITTEN, target_id=target_id)


def kept_bodies(path: Path) -> dict[int, list[str]]:
    """The source ids whose bodies each chunk keeps."""
    with closing(sqlite3.connect(path)) as connection:
        return {
            chunk: [kept.source_id for kept in unpack(blob)]
            for chunk, blob in connection.execute("SELECT id, bodies FROM chunks ORDER BY id")
        }


async def add(ledger: SqliteLedger, *entries: Entry, **settings: Any) -> int:
    chunk = ledger.reserve_chunk()
    await ledger.add_page("r", entries, chunk=chunk, **settings)
    return chunk


async def test_look_ups_see_what_is_handed_over_and_not_durable_yet(opened: Opened) -> None:
    async with opened() as ledger:
        go = threading.Event()
        await ledger.writer.put(lambda _: go.wait(20), wait=False)
        await add(ledger, pending("a", key="K"), target_list="l")
        known = await ledger.known("r", ["a", "b"])
        found = await ledger.find_keys("l", ["K", "L"])
        go.set()
        assert known == {"a"}
        assert set(found) == {"K"}
        assert found["K"].owner == ("r", "a")


async def test_look_ups_still_see_what_became_durable(opened: Opened) -> None:
    async with opened() as ledger:
        await add(ledger, pending("a", key="K"), target_list="l")
        await ledger.counts("r")
        assert ledger._store.handed_over.known("r", ["a"]) == set()
        assert ledger._store.handed_over.owners("l", ["K"]) == {}
        assert await ledger.known("r", ["a", "b"]) == {"a"}
        assert (await ledger.find_keys("l", ["K"]))["K"].owner == ("r", "a")
    async with opened() as ledger:
        assert await ledger.known("r", ["a", "b"]) == {"a"}
        assert (await ledger.find_keys("l", ["K"]))["K"].owner == ("r", "a")


async def test_known_takes_any_number_of_ids(opened: Opened) -> None:
    async with opened() as ledger:
        ids = [f"id-{n}" for n in range(1234)]
        await add(ledger, *(pending(each) for each in ids))
        await ledger.counts("r")
        assert await ledger.known("r", [*ids, "other"]) == set(ids)
        assert await ledger.known("r", []) == set()


async def test_ids_of_one_route_are_not_known_to_another(opened: Opened) -> None:
    async with opened() as ledger:
        await ledger.save_route("other", "{}")
        await add(ledger, pending("a"))
        assert await ledger.known("other", ["a"]) == set()
        await ledger.counts("r")
        assert await ledger.known("other", ["a"]) == set()


async def test_a_source_id_put_down_twice_is_refused(opened: Opened) -> None:
    with pytest.raises(LedgerError), single_error():  # noqa: PT012  what fails comes out where the ledger is left
        async with opened() as ledger:
            await add(ledger, pending("a"))
            await add(ledger, pending("a"))
            await ledger.counts("r")


async def test_changes_take_effect_in_the_order_of_the_calls(opened: Opened) -> None:
    async with opened() as ledger:
        order: list[int] = []
        for number in range(50):
            await ledger.writer.put(lambda _, n=number: order.append(n), wait=False)  # type: ignore[misc]
        await ledger.counts("r")
        assert order == list(range(50))


async def test_many_changes_share_few_commits(opened: Opened) -> None:
    async with opened() as ledger:
        commits: list[str] = []
        ledger.writer._connection.set_trace_callback(
            lambda text: commits.append(text) if text == "COMMIT" else None
        )
        for number in range(MAX_WAITING):
            await add(ledger, pending(f"id-{number}"))
        assert (await ledger.counts("r")).pending == MAX_WAITING
        assert len(commits) <= MAX_WAITING // 10


async def test_a_question_commits_nothing_where_nothing_waits(opened: Opened) -> None:
    async with opened() as ledger:
        await add(ledger, pending("a"))
        assert (await ledger.counts("r")).pending == 1
        commits: list[str] = []
        ledger.writer._connection.set_trace_callback(commits.append)
        assert (await ledger.counts("r")).pending == 1
        assert commits == []


async def test_a_question_waits_for_what_is_being_committed(opened: Opened) -> None:
    begun, go = threading.Event(), threading.Event()

    def change(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE routes SET expected = 7")
        begun.set()
        go.wait(20)

    async with opened() as ledger, anyio.create_task_group() as tasks:
        await ledger.writer.put(change, wait=False)
        await anyio.to_thread.run_sync(begun.wait)
        tasks.start_soon(anyio.to_thread.run_sync, go.set)
        assert await ledger.ask(lambda c: c.execute("SELECT expected FROM routes").fetchone()) == (7,)


async def test_what_waits_for_the_writer_is_bounded(opened: Opened) -> None:
    async with opened() as ledger:
        most = 0
        for number in range(3 * MAX_WAITING):
            await add(ledger, pending(f"id-{number}"))
            most = max(most, len(ledger.writer._waiting))
        assert most <= MAX_WAITING
        assert (await ledger.counts("r")).pending == 3 * MAX_WAITING


async def test_what_is_cancelled_while_it_waits_for_room_is_not_handed_over(opened: Opened) -> None:
    async with opened() as ledger:
        for number in range(MAX_WAITING):
            ledger.writer._waiting.append(_nothing())
            del number
        with anyio.CancelScope() as scope:
            scope.cancel()
            await add(ledger, pending("late"))
        assert await ledger.known("r", ["late"]) == set()
        ledger.writer._wake.set()
        assert (await ledger.counts("r")).pending == 0


def _nothing() -> Any:
    from bulkmove.ledger.lane import _Waiting  # noqa: PLC0415

    return _Waiting(lambda _: None, None, None)


@pytest.mark.parametrize("error", [sqlite3.OperationalError("no"), LedgerError("no"), UnicodeError("no")])
async def test_a_change_that_fails_fails_all_later_calls(opened: Opened, error: Exception) -> None:
    def fail(_: object) -> None:
        raise error

    failed: list[LedgerError] = []
    with pytest.raises(LedgerError), single_error():  # noqa: PT012  what fails comes out where the ledger is left
        async with opened() as ledger:
            await ledger.writer.put(fail, wait=False)
            with anyio.CancelScope(shield=True):
                for call in (
                    lambda: ledger.counts("r"),
                    lambda: ledger.open_intent("r", []),
                    lambda: add(ledger, pending("a")),
                ):
                    try:
                        await call()
                    except LedgerError as raised:
                        failed.append(raised)
    assert len(failed) == 3


async def test_what_was_acknowledged_before_a_failure_is_kept_and_the_rest_is_not(opened: Opened) -> None:
    with pytest.raises(LedgerError), single_error():  # noqa: PT012  what fails comes out where the ledger is left
        async with opened() as ledger:
            await add(ledger, pending("kept"))
            await ledger.counts("r")
            await add(ledger, pending("with the failing one"))
            await ledger.settle("r", [written("never put down", 99)])
            await ledger.counts("r")
    async with opened() as ledger:
        assert await ledger.known("r", ["kept", "with the failing one"]) == {"kept"}


async def test_handed_over_is_durable_when_the_ledger_is_left(opened: Opened) -> None:
    async with opened() as ledger:
        await add(ledger, pending("a"))
    async with opened() as ledger:
        assert await ledger.known("r", ["a"]) == {"a"}


async def test_handed_over_is_durable_also_when_the_run_is_cancelled(opened: Opened) -> None:
    with anyio.CancelScope() as scope:
        async with opened() as ledger:
            await add(ledger, pending("a"))
            scope.cancel()
            await anyio.sleep_forever()
    async with opened() as ledger:
        assert await ledger.known("r", ["a"]) == {"a"}


@pytest.mark.parametrize(
    ("states", "counted"),
    [
        ([State.SKIPPED], "skipped"),
        ([State.SKIPPED, State.UNCHANGED], "unchanged"),
        ([State.WRITTEN, State.UNCHANGED, State.SKIPPED], "written"),
        ([State.WRITTEN, State.PENDING], "pending"),
        ([State.SEEN], "pending"),
        ([State.REJECTED, State.PENDING], "rejected"),
        ([State.REJECTED, State.UNKNOWN, State.WRITTEN], "unknown"),
    ],
)
async def test_a_record_counts_once_by_its_worst_body(
    opened: Opened, states: list[State], counted: str
) -> None:
    async with opened() as ledger:
        bodies = [Entry("a", part, state, body=b"{}") for part, state in enumerate(states)]
        await add(ledger, *bodies, Entry("other", 0, State.SKIPPED))
        counts = await ledger.counts("r")
        assert counts.read == 2
        expected = {"skipped": 2} if counted == "skipped" else {"skipped": 1, counted: 1}
        assert counts == Counts(**expected)


@pytest.mark.parametrize("state", [State.WRITTEN, State.UNCHANGED, State.REJECTED, State.UNKNOWN])
async def test_an_outcome_is_noted_once(opened: Opened, state: State) -> None:
    with pytest.raises(LedgerError, match="no open record"), single_error():  # noqa: PT012  what fails comes out where the ledger is left
        async with opened() as ledger:
            chunk = await add(ledger, pending("a"), pending("b"))
            await ledger.settle("r", [Settled(Member("a", 0, chunk), state)])
            await ledger.settle("r", [Settled(Member("a", 0, chunk), State.WRITTEN)])
            await ledger.counts("r")


async def test_bodies_are_erased_once_all_of_a_page_is_written(opened: Opened, path: Path) -> None:
    async with opened() as ledger:
        chunk = await add(ledger, pending("a"), pending("b"))
        await ledger.settle("r", [written("a", chunk)])
        await ledger.counts("r")
        assert chunk in kept_bodies(path)
        await ledger.settle("r", [Settled(Member("b", 0, chunk), State.UNCHANGED)])
    assert kept_bodies(path) == {}


async def test_bodies_of_rejected_and_unknown_records_alone_are_kept(opened: Opened, path: Path) -> None:
    async with opened() as ledger:
        chunk = await add(
            ledger,
            *(pending(each) for each in "abcd"),
            Entry("e", 0, State.REJECTED, body=b"{}"),
            Entry("f", 0, State.UNCHANGED),
        )
        await ledger.settle("r", [Settled(Member("b", 0, chunk), State.REJECTED, cause="x")])
        await ledger.settle("r", [Settled(Member("c", 0, chunk), State.UNKNOWN, cause="x")])
        await ledger.settle("r", [written("a", chunk), written("d", chunk)])
    assert kept_bodies(path) == {chunk: ["b", "c", "e"]}


async def test_next_pending_gives_open_bodies_alone_in_the_order_of_their_mapping(opened: Opened) -> None:
    async with opened() as ledger:
        first = await add(ledger, pending("b"), pending("a"), pending("c", target_id="7"))
        second = await add(ledger, pending("d", key="K"))
        await ledger.settle("r", [written("a", first)])
        found = await ledger.next_pending("r", 0)
        assert found is not None
        assert found[0] == first
        assert [(i.member, i.target_id, i.encoded, i.body) for i in found[1]] == [
            (Member("b", 0, first), None, b'{"of":"b"}', {"of": "b"}),
            (Member("c", 0, first), "7", b'{"of":"c"}', {"of": "c"}),
        ]
        found = await ledger.next_pending("r", first)
        assert found is not None
        assert found[0] == second
        assert found[1][0].key == "K"
        assert await ledger.next_pending("r", second) is None


async def test_chunks_of_a_later_run_come_after_those_that_are_open(opened: Opened) -> None:
    async with opened() as ledger:
        first = await add(ledger, pending("a"))
    async with opened() as ledger:
        assert ledger.reserve_chunk() > first


async def test_a_body_comes_back_byte_for_byte(opened: Opened) -> None:
    body = '{"name":"Ștefan \\n \\u0000","price":12345678901234567.89,"x":[1.0,-0.0,1e400]}'.encode()
    async with opened() as ledger:
        await add(ledger, Entry("a", 0, State.PENDING, body=body))
    async with opened() as ledger:
        found = await ledger.next_pending("r", 0)
        assert found is not None
        assert found[1][0].encoded == body


async def test_a_page_and_how_far_its_span_is_are_put_down_together(opened: Opened) -> None:
    span = Span(id=1, lower=None, upper=100, reached=50, is_done=False, evidence=0)
    async with opened() as ledger:
        await ledger.save_spans("r", [Span(1, None, 100, None, is_done=False, evidence=0)])
    with pytest.raises(LedgerError), single_error():  # noqa: PT012  what fails comes out where the ledger is left
        async with opened() as ledger:
            await add(ledger, pending("a"), pending("a"), span=span)
            await ledger.counts("r")
    async with opened() as ledger:
        assert (await ledger.progress("r")).spans[0].reached is None
        await add(ledger, pending("a"), span=span)
        await ledger.counts("r")
        assert (await ledger.progress("r")).spans == [span]


async def test_a_span_that_was_split_stays_short_when_an_older_page_comes_in(opened: Opened) -> None:
    async with opened() as ledger:
        await ledger.save_spans("r", [Span(1, None, 100, 10, is_done=False, evidence=0)])
        await ledger.save_spans("r", [Span(1, None, 60, 10, is_done=False, evidence=0), Span(2, 60, 100, None, is_done=False, evidence=0)])  # fmt: skip
        await add(ledger, pending("a"), span=Span(1, None, 100, 20, is_done=False, evidence=0))
        await ledger.counts("r")
        spans = (await ledger.progress("r")).spans
        assert [(s.id, s.upper, s.reached) for s in spans] == [(1, 60, 20), (2, 100, None)]


async def test_marks_add_up(opened: Opened) -> None:
    async with opened() as ledger:
        await ledger.mark("r", cutoff=77)
        await ledger.mark("r", is_read=True)
    async with opened() as ledger:
        progress = await ledger.progress("r")
        assert (progress.cutoff, progress.is_read, progress.is_finished) == (77, True, False)
        await ledger.mark("r", is_finished=True)
        assert (await ledger.progress("r")).is_finished


# Rows kept as they were read.


async def test_stored_rows_are_mapped_in_parts_and_the_rest_stays(opened: Opened, path: Path) -> None:
    async with opened() as ledger:
        raw = await add(ledger, *(seen(each) for each in "abcd"), is_raw=True)
        found = await ledger.next_raw("r", 0)
        assert found is not None
        assert [(row.source_id, row.body) for row in found[1]][:2] == [
            ("a", b'{"row":"a"}'),
            ("b", b'{"row":"b"}'),
        ]
        await add(ledger, pending("a"), pending("a", 1), Entry("b", 0, State.SKIPPED), was_raw_chunk=raw)
        assert await ledger.counts("r") == Counts(pending=3, skipped=1)
    async with opened() as ledger:
        found = await ledger.next_raw("r", 0)
        assert found is not None
        assert [row.source_id for row in found[1]] == ["c", "d"]
        await ledger.settle("r", [Settled(Member("c", 0, raw), State.SKIPPED, cause="gone-at-source")])
        found = await ledger.next_raw("r", 0)
        assert found is not None
        assert [row.source_id for row in found[1]] == ["d"]
        await add(ledger, pending("d"), was_raw_chunk=raw)
        assert await ledger.next_raw("r", 0) is None
        assert await ledger.counts("r") == Counts(pending=2, skipped=2)
    assert raw not in kept_bodies(path)


async def test_rows_are_not_mapped_twice(opened: Opened) -> None:
    with pytest.raises(LedgerError, match="as they were read"), single_error():  # noqa: PT012  what fails comes out where the ledger is left
        async with opened() as ledger:
            raw = await add(ledger, seen("a"), seen("b"), is_raw=True)
            await add(ledger, pending("a"), was_raw_chunk=raw)
            await add(ledger, pending("a"), was_raw_chunk=raw)
            await ledger.counts("r")


async def test_stored_rows_are_no_bodies_to_be_sent(opened: Opened) -> None:
    async with opened() as ledger:
        await add(ledger, seen("a"), is_raw=True)
        assert await ledger.next_pending("r", 0) is None


# The target's list.


def row_of(key: str, target_id: str) -> TargetKey:
    return TargetKey(key, target_id, 1, "{}", None)


async def test_a_key_of_two_rows_counts_both_and_one_of_a_row_shown_twice_counts_once(opened: Opened) -> None:
    async with opened() as ledger:
        await ledger.add_keys("l", [row_of("K", "1"), row_of("L", "2")])
        await ledger.add_keys("l", [row_of("K", "3"), row_of("L", "2")])
        await ledger.close_keys("l")
        found = await ledger.find_keys("l", ["K", "L", "M"])
        assert {key: (k.rows, k.target_id) for key, k in found.items()} == {"K": (2, "1"), "L": (1, "2")}
        assert (await ledger.list_state("l")).is_read


async def test_a_reading_of_keys_that_did_not_end_is_forgotten_but_not_what_is_claimed(
    opened: Opened,
) -> None:
    async with opened() as ledger:
        await ledger.add_keys("l", [row_of("K", "1")])
        await add(ledger, pending("a", key="L"), target_list="l")
    async with opened() as ledger:
        assert not (await ledger.list_state("l")).is_read
        await ledger.drop_keys("l")
        assert set(await ledger.find_keys("l", ["K", "L"])) == {"L"}


async def test_a_claim_keeps_what_is_known_of_the_row(opened: Opened) -> None:
    async with opened() as ledger:
        await ledger.add_keys("l", [row_of("K", "1")])
        await ledger.close_keys("l")
        await add(ledger, pending("a", key="K", target_id="1"), target_list="l")
        for _ in ("handed over", "durable"):
            key = (await ledger.find_keys("l", ["K"]))["K"]
            assert (key.rows, key.target_id, key.owner) == (1, "1", ("r", "a"))
            await ledger.counts("r")


async def test_a_body_that_is_unchanged_claims_its_key_too(opened: Opened) -> None:
    async with opened() as ledger:
        await add(ledger, Entry("b", 0, State.UNCHANGED, key="L"), target_list="l")
        for _ in ("handed over", "durable"):
            found = await ledger.find_keys("l", ["K", "L"])
            assert {key: each.owner for key, each in found.items()} == {"L": ("r", "b")}
            await ledger.counts("r")


@pytest.mark.parametrize("is_atomic", [True, False])
async def test_whether_a_list_is_atomic_is_remembered(opened: Opened, is_atomic: bool) -> None:  # noqa: FBT001
    async with opened() as ledger:
        assert (await ledger.list_state("l")).is_atomic is None
        await ledger.set_atomic("l", is_atomic=is_atomic)
    async with opened() as ledger:
        assert (await ledger.list_state("l")).is_atomic is is_atomic


async def test_target_ids_are_those_of_written_bodies_in_their_order(opened: Opened) -> None:
    async with opened() as ledger:
        chunk = await add(ledger, pending("a"), pending("a", 1), pending("a", 2), pending("b"))
        await ledger.settle(
            "r",
            [
                written("a", chunk, 1, "20"),
                written("a", chunk, 0, "10"),
                Settled(Member("a", 2, chunk), State.UNKNOWN, target_id="30"),
            ],
        )
        await ledger.counts("r")
        assert ledger.target_ids("r", "a") == ("10", "20")
        assert ledger.target_ids("r", "b") == ()
        with pytest.raises(KeyError):
            ledger.target_ids("no such route", "a")


async def test_a_split_does_not_note_pages_that_were_never_put_down(opened: Opened) -> None:
    """The reader knows of a page that a limit cut off; what it says when it splits is not what is kept."""
    async with opened() as ledger:
        await ledger.save_spans("r", [Span(1, None, 100, 10, is_done=False, evidence=0)])
        await ledger.save_spans("r", [Span(1, None, 60, 40, is_done=False, evidence=0), Span(2, 59, 100, 59, is_done=False, evidence=0)])  # fmt: skip
        spans = (await ledger.progress("r")).spans
        assert [(s.id, s.upper, s.reached) for s in spans] == [(1, 60, 10), (2, 100, 59)]


async def test_an_unfinished_reading_is_forgotten_as_a_whole(opened: Opened) -> None:
    async with opened() as ledger:
        seen = [Entry("a", 0, State.SEEN, body=b"{}"), Entry("b", 0, State.SEEN, body=b"{}")]
        await ledger.add_page("r", seen, chunk=ledger.reserve_chunk(), is_raw=True)
        await add(ledger, pending("c"))
        await ledger.drop_seen("r")
        assert await ledger.known("r", ["a", "b", "c"]) == {"c"}
        assert await ledger.next_raw("r", 0) is None


@pytest.mark.parametrize(
    "put_down",
    [
        lambda ledger: ledger.add_keys("l", [row_of("K", "1")]),
        lambda ledger: ledger.befores("r", "l").note_list([("1", {"v": 1})]),
        lambda ledger: ledger.sweep("r", "l").note([("K", "1")]),
        lambda ledger: ledger.unconfirmed("r").confirm(["1"]),
        lambda ledger: ledger.unconfirmed("r").note_shown([("1", "v")]),
    ],
    ids=["keys", "rows before", "sweep", "confirmed", "shown"],
)
async def test_pages_of_a_list_that_is_read_do_not_pile_up_before_a_slow_disk(
    opened: Opened, put_down: Callable[[SqliteLedger], Awaitable[None]]
) -> None:
    done = anyio.Event()

    async def put(ledger: SqliteLedger) -> None:
        await put_down(ledger)
        done.set()

    with single_error():
        async with opened() as ledger, anyio.create_task_group() as tasks:
            go = threading.Event()
            await ledger.writer.put(lambda _: go.wait(20), wait=False)
            tasks.start_soon(put, ledger)
            await anyio.wait_all_tasks_blocked()
            was_done = done.is_set()
            go.set()
            await done.wait()
    assert not was_done
