"""What was written and what stood there before: kept with the outcome, or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, closing
from functools import partial
from pathlib import Path

from bulkmove.entries import Entry, Member, Settled
from bulkmove.ledger import SqliteLedger, keeping, purging
from bulkmove.ledger.file import connect
from bulkmove.model import JsonObject, State

Opened = Callable[[], AbstractAsyncContextManager[SqliteLedger]]


async def put(ledger: SqliteLedger, *names: tuple[str, int], target_id: str | None = None) -> int:
    chunk = ledger.reserve_chunk()
    entries = [
        Entry(s, part, State.PENDING, body=b'{"of":"%s-%d"}' % (s.encode(), part), target_id=target_id)
        for s, part in names
    ]
    await ledger.add_page("r", entries, chunk=chunk)
    return chunk


def written(source_id: str, chunk: int, part: int = 0, *, encoded: bytes | None = None) -> Settled:
    return Settled(Member(source_id, part, chunk), State.WRITTEN, target_id=f"t-{source_id}", encoded=encoded)


async def bodies(ledger: SqliteLedger, *source_ids: str) -> dict[tuple[str, int], JsonObject]:
    route = ledger.number_of("r")
    return await ledger.ask(partial(keeping.written_bodies, route=route, source_ids=source_ids))


async def befores(ledger: SqliteLedger, *target_ids: str) -> dict[str, JsonObject]:
    route = ledger.number_of("r")
    return await ledger.ask(partial(keeping.befores, route=route, target_ids=target_ids))


async def test_bodies_are_kept_as_they_were_written_and_a_later_one_replaces_them(opened: Opened) -> None:
    async with opened() as ledger:
        await ledger.begin_keeping("r", is_own_list=False, rows=False)
        chunk = await put(ledger, ("a", 0), ("a", 1), ("b", 0))
        refused = Settled(Member("b", 0, chunk), State.REJECTED, cause="refused", encoded=b"{}")
        await ledger.settle("r", [written("a", chunk), written("a", chunk, 1), refused])
        assert await bodies(ledger, "a", "b") == {("a", 0): {"of": "a-0"}, ("a", 1): {"of": "a-1"}}
        other = await put(ledger, ("c", 0))
        await ledger.settle("r", [written("c", other, encoded=b'{"of":"what was sent"}')])
        assert await bodies(ledger, "c") == {("c", 0): {"of": "what was sent"}}


async def test_nothing_is_kept_of_a_route_that_keeps_nothing(opened: Opened, path: Path) -> None:
    async with opened() as ledger:
        chunk = await put(ledger, ("a", 0))
        await ledger.settle("r", [written("a", chunk, encoded=b"{}")])
        assert await bodies(ledger, "a") == {}
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM written").fetchone() == (0,)


async def test_a_body_is_kept_where_the_rest_of_its_request_stays_in_doubt(opened: Opened) -> None:
    async with opened() as ledger:
        await ledger.begin_keeping("r", is_own_list=False, rows=False)
        chunk = await put(ledger, ("a", 0), ("b", 0))
        members = [Member("a", 0, chunk), Member("b", 0, chunk)]
        intent = await ledger.open_intent("r", members)
        await ledger.park("r", members[1:], intent=intent, sent_at=0.0, settled=[written("a", chunk)])
        assert await bodies(ledger, "a", "b") == {("a", 0): {"of": "a-0"}}


async def test_a_body_that_made_its_row_is_told_from_one_that_changed_it(opened: Opened) -> None:
    async with opened() as ledger:
        made = await put(ledger, ("a", 0))
        changed = await put(ledger, ("b", 0), target_id="t-b")
        await ledger.settle("r", [written("a", made), written("b", changed)])
        question = partial(keeping.created_rows, route=ledger.number_of("r"), source_ids=["a", "b"])
        assert await ledger.ask(question) == {("a", 0)}


async def test_of_a_row_the_first_look_is_kept(opened: Opened) -> None:
    async with opened() as ledger:
        kept = ledger.befores("r", "l")
        assert await kept.missing({"1": ("a", 0), "2": ("b", 0)}) == ["1", "2"]
        await kept.keep([("1", {"v": "before"}), ("3", {"v": float("nan"), "bad": {1, 2}})])
        await kept.keep([("1", {"v": "ours"})])
        assert await kept.missing({"1": ("a", 0), "2": ("b", 0)}) == ["2"]
        assert await befores(ledger, "1", "2", "3") == {"1": {"v": "before"}}


async def test_a_row_that_its_own_body_made_did_not_stand_there_before(opened: Opened) -> None:
    async with opened() as ledger:
        chunk = await put(ledger, ("a", 0))
        await ledger.settle("r", [written("a", chunk)])
        missing = await ledger.befores("r", "l").missing({"t-a": ("a", 0), "t-b": ("b", 0)})
        assert missing == ["t-b"]


async def test_rows_of_a_whole_list_are_taken_as_they_are_needed_and_forgotten_at_the_end(
    opened: Opened, path: Path
) -> None:
    async with opened() as ledger:
        kept = ledger.befores("r", "l")
        assert not await kept.has_list()
        await kept.begin_list()
        await kept.note_list([("1", {"v": 1}), ("2", {"v": 2})])
        await kept.end_list()
        assert await kept.has_list()
        await kept.take_from_list(["2", "9"])
        assert await befores(ledger, "1", "2") == {"2": {"v": 2}}
        await ledger.end_run(5)
        assert await kept.has_list()
        await ledger.mark("r", is_finished=True)
        await ledger.end_run(0)
        assert not await kept.has_list()
        assert await befores(ledger, "2") == {"2": {"v": 2}}
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM rows_read").fetchone() == (0,)


async def test_rows_are_kept_from_the_first_write_on_or_not_at_all(opened: Opened) -> None:
    async with opened() as ledger:
        await ledger.save_route("late", "{}")
        assert await ledger.begin_keeping("r", is_own_list=False, rows=True)
        chunk = await put(ledger, ("a", 0))
        await ledger.settle("r", [written("a", chunk)])
        assert await ledger.begin_keeping("r", is_own_list=False, rows=True)
        entry = Entry("x", 0, State.PENDING, body=b"{}")
        late = ledger.reserve_chunk()
        await ledger.add_page("late", [entry], chunk=late)
        await ledger.settle("late", [Settled(Member("x", 0, late), State.WRITTEN, target_id="1")])
        assert not await ledger.begin_keeping("late", is_own_list=False, rows=True)


async def test_purge_erases_what_is_kept_but_not_what_a_self_route_wrote(opened: Opened, path: Path) -> None:
    async with opened() as ledger:
        await ledger.save_route("own", "{}")
        await ledger.begin_keeping("r", is_own_list=False, rows=True)
        await ledger.begin_keeping("own", is_own_list=True, rows=False)
        chunk = await put(ledger, ("a", 0), target_id="t-a")
        await ledger.settle("r", [written("a", chunk)])
        own = ledger.reserve_chunk()
        await ledger.add_page("own", [Entry("b", 0, State.PENDING, body=b'{"of":"own"}')], chunk=own)
        await ledger.settle("own", [written("b", own)])
        await ledger.befores("r", "l").keep([("t-a", {"v": "before"})])
        await ledger.mark("r", is_finished=True)
        await ledger.mark("own", is_finished=True)
    with closing(connect(path)) as connection:
        found = purging.erasable(connection, None, messages=False)
        assert (found.written, found.befores) == (1, 1)
        purging.purge(connection, None, messages=False)
        assert keeping.written_bodies(connection, route=1, source_ids=["a"]) == {}
        assert keeping.befores(connection, route=1, target_ids=["t-a"]) == {}
        assert keeping.written_bodies(connection, route=2, source_ids=["b"]) == {("b", 0): {"of": "own"}}
        assert purging.erasable(connection, None, messages=False).is_nothing
        assert purging.erasable(connection, None, messages=False, written=True).written == 1
        purging.purge(connection, None, messages=False, written=True)
        assert keeping.written_bodies(connection, route=2, source_ids=["b"]) == {}
    async with opened() as ledger:
        # What would be read now is no row as it stood before.
        assert await ledger.befores("r", "l").missing({"t-a": ("a", 0)}) == []
