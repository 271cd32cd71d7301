"""What a Ledger promises to those who look again: what left the source, what is there twice, what was not yet seen."""

from __future__ import annotations

from bulkmove.entries import Entry, Joined, Sent, Settled
from bulkmove.errors import LedgerError
from bulkmove.model import Counts, State
from bulkmove.protocols import Ledger
from bulkmove.testing.pages import body_of, members, open_ids, pending, put, settled_as
from bulkmove.testing.running import NotKeptError
from bulkmove.testing.trials import LIST, ROUTE, LedgerTrial


async def a_ledger_adds_up(trial: LedgerTrial) -> None:
    """And says so where it does not: a finished route has no open body."""
    async with trial.open() as ledger:
        chunk = await put(ledger, ["a", "b"], parts=2)
        await settled_as(ledger, chunk, State.WRITTEN, "a", parts=(0, 1))
        await settled_as(ledger, chunk, State.UNKNOWN, "b", parts=(0,))
        for whole in (False, True):
            await ledger.check_balance(ROUTE, whole=whole)
        await ledger.mark(ROUTE, is_finished=True)
        try:
            await ledger.check_balance(ROUTE, whole=False)
        except LedgerError:
            return
    raise NotKeptError("a route that is finished has an open body, and the ledger says that all adds up")


async def what_left_the_source_is_named(trial: LedgerTrial) -> None:
    """Of a reading that was begun anew: what did not come again. Of one that came to its end: what it names."""
    async with trial.open() as ledger:
        await _raw(ledger, "a", "b", "c")
        await ledger.drop_seen(ROUTE)
        await _raw(ledger, "a", "d")
        if (count := await ledger.skip_gone(ROUTE)) != 2:
            raise NotKeptError(f"two of three rows did not come again, and {count} are skipped")
        if await ledger.counts(ROUTE) != Counts(pending=2, skipped=2):
            raise NotKeptError("rows that did not come again are not counted as skipped")
        await ledger.note_gone(ROUTE, ["x"])
        if await ledger.gone_at_source(ROUTE, 2) != (3, ["b", "c"]):
            raise NotKeptError(
                f"b, c and x left the source; told are {await ledger.gone_at_source(ROUTE, 2)}"
            )
        await ledger.forget_gone(ROUTE)
        if (await ledger.gone_at_source(ROUTE, 2))[0]:
            raise NotKeptError("the names of what left the source were forgotten, and are there")


async def ids_that_were_read_come_in_their_order(trial: LedgerTrial) -> None:
    """A few at a time; rows that have no id of their own are no records of the source that could be looked for."""
    async with trial.open() as ledger:
        await put(ledger, ["c", "a"], parts=2)
        await put(ledger, ["b"])
        nameless = Entry("sha256:0", 0, State.REJECTED, cause="no-id")
        await ledger.add_page(ROUTE, [nameless], chunk=ledger.reserve_chunk())
        told = [await ledger.read_ids(ROUTE, after, 2) for after in ("", "b")]
    if told != [["a", "b"], ["c"]]:
        raise NotKeptError(f"a, b and c were read, and are asked for two at a time; told are {told}")


async def the_most_bytes_of_a_request_are_kept(trial: LedgerTrial) -> None:
    async with trial.open() as ledger:
        before = (await ledger.list_state(LIST)).max_bytes
        await ledger.set_max_bytes(LIST, 500_000)
    async with trial.open() as ledger:
        after = (await ledger.list_state(LIST)).max_bytes
    if (before, after) != (None, 500_000):
        raise NotKeptError(
            f"the most bytes of a request were not known, then 500000; told are {before}, {after}"
        )


async def a_sweep_tells_what_is_there_twice(trial: LedgerTrial) -> None:
    """A row counts once, however often it is shown; where one is left again, its record is written."""
    async with trial.open() as ledger:
        chunk = await _created(ledger, "a", "b")
        await settled_as(ledger, chunk, State.WRITTEN, "a", "b")
        sweep = ledger.sweep(ROUTE, LIST)
        if await sweep.is_due() or not await sweep.has_created():
            raise NotKeptError(
                "no write was in doubt and two created rows: a sweep is due, or has nothing to look at"
            )
        await sweep.begin()
        await sweep.note([("k-a", "t-1"), ("k-b", "t-2"), ("k-a", "t-3"), ("k-b", "t-2"), ("foreign", "t-4")])
        told = dict(await sweep.end("key"))
        if told != {"doubled": 1} or await ledger.counts(ROUTE) != Counts(written=1, unknown=1):
            raise NotKeptError(f"two rows show the key of a, one that of b, twice; told are {told}")
        if not await sweep.is_due():
            raise NotKeptError("a record is doubled, and no further sweep is due")
        await sweep.begin()
        await sweep.note([("k-a", "t-1"), ("k-b", "t-2")])
        await sweep.end("key")
        if await ledger.counts(ROUTE) != Counts(written=2):
            raise NotKeptError("one row shows the key of each record again, and one of them is not written")


async def a_sweep_is_due_where_a_write_was_in_doubt(trial: LedgerTrial) -> None:
    """Also in a later run."""
    async with trial.open() as ledger:
        chunk = await _created(ledger, "a")
        intent = await ledger.open_intent(ROUTE, members(chunk, "a"))
        await ledger.park(ROUTE, members(chunk, "a"), intent=intent, sent_at=5.0)
        await settled_as(ledger, chunk, State.WRITTEN, "a", intent=intent)
        await ledger.counts(ROUTE)
    async with trial.open() as ledger:
        if not await ledger.sweep(ROUTE, LIST).is_due():
            raise NotKeptError("a write was in doubt, and no sweep is due")


async def changes_of_many_rows_are_kept_until_they_are_seen(trial: LedgerTrial) -> None:
    async with trial.open() as ledger:
        chunk = await put(ledger, ["a", "b", "c"])
        sent = Sent(ledger.reserve_request(), 5.0, 6.0, 3, "200")
        outcomes = [
            Settled(member, State.WRITTEN, target_id=f"t-{member.source_id}")
            for member in members(chunk, "a", "b", "c")
        ]
        await ledger.settle(ROUTE, outcomes, sent=sent, joined=Joined(body_of("all"), ""))
        await ledger.counts(ROUTE)
    async with trial.open() as ledger:
        changes = ledger.unconfirmed(ROUTE)
        kept = [(each.target_id, each.source_id, each.body) for each in await changes.following("")]
        if kept != [(f"t-{each}", each, body_of("all")) for each in "abc"] or await changes.count() != 3:
            raise NotKeptError(f"three rows were changed along with each other; kept are {kept}")
        await changes.confirm(["t-a"])
        await ledger.counts(ROUTE)
        again = [each for each in await changes.of_rows(["t-a", "t-b"]) if each.source_id != "c"]
        if [each.source_id for each in again] != ["b"]:
            raise NotKeptError("of two rows one was confirmed, and the other alone is to be looked at")
        await changes.reopen(again)
        bodies = [item.encoded for _, items in await pending(ledger) for item in items]
        if await open_ids(ledger) != ["b"] or bodies != [body_of("all")]:
            raise NotKeptError("a change that was not seen can't be sent again as it was")
        await changes.end()
        if await changes.count():
            raise NotKeptError("all was looked at, and changes are kept still")


CHECKS = (
    a_ledger_adds_up,
    what_left_the_source_is_named,
    ids_that_were_read_come_in_their_order,
    the_most_bytes_of_a_request_are_kept,
    a_sweep_tells_what_is_there_twice,
    a_sweep_is_due_where_a_write_was_in_doubt,
    changes_of_many_rows_are_kept_until_they_are_seen,
)


async def _raw(ledger: Ledger, *ids: str) -> None:
    entries = [Entry(source_id, 0, State.SEEN, body=body_of(source_id)) for source_id in ids]
    await ledger.add_page(ROUTE, entries, chunk=ledger.reserve_chunk(), is_raw=True)


async def _created(ledger: Ledger, *ids: str) -> int:
    """A page of records that are to be created, each with its key."""
    chunk = ledger.reserve_chunk()
    entries = [
        Entry(source_id, 0, State.PENDING, body=body_of(source_id), key=f"k-{source_id}") for source_id in ids
    ]
    await ledger.add_page(ROUTE, entries, chunk=chunk, target_list=LIST)
    return chunk
