"""Bodies that were written and whose rows' ids are not known: found by their keys, or counted and named."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

import pytest

from bulkmove.entries import Entry, Member, Settled, TargetKey
from bulkmove.ledger import SqliteLedger, sweeping, undoing, unplaced
from bulkmove.ledger.unplaced import Unplaced
from bulkmove.model import State

Opened = Callable[[], AbstractAsyncContextManager[SqliteLedger]]
IDS = {"a": None, "b": None, "c": "3"}


async def put(ledger: SqliteLedger) -> None:
    """Rows were created of a, b and c; row 9 stood there before. Nobody knows the rows of a and b."""
    await ledger.add_keys("l", [TargetKey("key of another", "9", 1, None, None)])
    chunk = ledger.reserve_chunk()
    entries = [Entry(each, 0, State.PENDING, body=b"{}", key=f"key of {each}") for each in IDS]
    await ledger.add_page("r", entries, chunk=chunk, target_list="l")
    settled = [Settled(Member(each, 0, chunk), State.WRITTEN, target_id=row) for each, row in IDS.items()]
    await ledger.settle("r", settled)


async def listed(ledger: SqliteLedger, *shown: tuple[str, str], ids: tuple[str, ...] = ()) -> list[str]:
    """The ids of the rows that an undo works on, where the target's list shows these keys and rows."""
    route, list_id = ledger.number_of("r"), ledger.number_of_list("l")

    def change(connection: sqlite3.Connection) -> None:
        sweeping.begin(connection, route=route)
        sweeping.note(connection, route=route, list_id=list_id, name="r", rows=shown)
        undoing.begin(connection, route=route, name="r", list_id=list_id, ids=ids)

    await ledger.change(change)
    rows = await ledger.ask(partial(undoing.next_rows, route=route, after=0, most=9, steps=None))
    assert all(row.is_created and row.key is not None for row in rows)
    return sorted(row.target_id for row in rows)


async def left(ledger: SqliteLedger, *, ids: tuple[str, ...] = ()) -> list[Unplaced]:
    route, list_id = ledger.number_of("r"), ledger.number_of_list("l")
    first = partial(unplaced.first, route=route, name="r", list_id=list_id, ids=ids, most=9)
    found = await ledger.ask(first)
    assert await ledger.ask(partial(unplaced.count, route=route, ids=ids)) == len(found)
    return found


async def is_any(ledger: SqliteLedger) -> bool:
    return await ledger.ask(partial(unplaced.is_any, route=ledger.number_of("r"), ids=()))


async def test_the_one_row_that_shows_a_key_is_listed_and_a_body_without_one_is_left(opened: Opened) -> None:
    async with opened() as ledger:
        await put(ledger)
        assert await listed(ledger, ("key of a", "1"), ("key of c", "3")) == ["1", "3"]
        assert await left(ledger) == [Unplaced("b", "key of b", None)]
        # What an undo that was cut off listed is looked for again.
        assert await listed(ledger, ("key of a", "1"), ("key of b", "2")) == ["1", "2", "3"]
        assert await is_any(ledger)
        assert await left(ledger) == []
        assert await listed(ledger, ("key of a", "1"), ("key of b", "2"), ids=("b",)) == ["2"]
        assert await left(ledger, ids=("b",)) == []


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (["1", "2"], "several show the key"),
        (["", "1"], "one of several shows no id"),
        ([""], "it shows no id"),
        (["9"], "it stood there before"),
        (["3"], "it is another body's"),
    ],
)
async def test_a_row_that_may_be_another_s_is_not_listed(opened: Opened, rows: list[str], why: str) -> None:
    async with opened() as ledger:
        await put(ledger)
        assert await listed(ledger, *(("key of a", row) for row in rows)) == ["3"], why
        shown = ", ".join(row for row in rows if row) or None
        assert await left(ledger) == [Unplaced("a", "key of a", shown), Unplaced("b", "key of b", None)]


@pytest.mark.parametrize(
    ("state", "cause", "is_there"),
    [
        (State.SKIPPED, "row-left", True),
        (State.REJECTED, "no-target-id", True),
        (State.REJECTED, "none-left", False),
        (State.REJECTED, "refused", False),
        (State.UNKNOWN, "differs", False),
        (State.PENDING, None, False),
    ],
)
async def test_what_became_of_a_body_since_tells_whether_its_row_may_be_there(
    opened: Opened, *, state: State, cause: str | None, is_there: bool
) -> None:
    """One that is open or of unknown fate is told of otherwise."""
    async with opened() as ledger:
        await put(ledger)

        def change(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE records SET state = ?, cause = ? WHERE source_id = 'a'", (state, cause)
            )

        await ledger.change(change)
        assert [each.source_id for each in await left(ledger)] == (["a", "b"] if is_there else ["b"])
