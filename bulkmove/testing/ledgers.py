"""What every Ledger promises: each change in its order, each outcome once, each body kept until it has one."""

from __future__ import annotations

from collections.abc import Sequence

from bulkmove.entries import Entry
from bulkmove.model import Counts, State
from bulkmove.protocols import Ledger
from bulkmove.testing import ledger_keeping, ledger_lists, ledger_looking, ledger_writes
from bulkmove.testing.pages import body_of, pending, put, settled_as
from bulkmove.testing.running import Check, NotKeptError
from bulkmove.testing.trials import OTHER_ROUTE, ROUTE, LedgerTrial

_NAMES = ("skipped", "unchanged", "written", "pending", "pending", "rejected", "unknown")


def ledger_checks() -> list[Check[LedgerTrial]]:
    """All checks of a Ledger. What a crash leaves is looked at where the trial shows it."""
    return [
        what_was_put_down_comes_back,
        pending_bodies_come_in_the_order_of_their_mapping,
        what_was_handed_over_is_seen_at_once,
        routes_are_kept_apart,
        chunk_numbers_rise,
        a_record_counts_by_its_worst_body,
        written_counts_bodies,
        target_ids_come_in_the_order_of_the_bodies,
        steps_of_a_route_stay_as_they_are,
        *ledger_writes.CHECKS,
        *ledger_lists.CHECKS,
        *ledger_looking.CHECKS,
        *ledger_keeping.CHECKS,
    ]


async def what_was_put_down_comes_back(trial: LedgerTrial) -> None:
    """Byte by byte, with the row that it updates and the key that it claims."""
    async with trial.open() as ledger:
        text = '{"name":"Ș „ă” \\n","price":12.340}'.encode()
        chunk = ledger.reserve_chunk()
        entries = [
            Entry("a", 0, State.PENDING, body=text, key="k-1"),
            Entry("a", 1, State.PENDING, body=b"{}", target_id="t-1"),
            Entry("b", 0, State.SKIPPED, cause="mapper"),
        ]
        await ledger.add_page(ROUTE, entries, chunk=chunk)
        found = await ledger.next_pending(ROUTE, 0)
        if found is None:
            raise NotKeptError("a page with open bodies was put down, and next_pending finds none")
        shown = [(item.member, item.target_id, item.key, item.encoded) for item in found[1]]
        if found[0] != chunk or shown != [
            (("a", 0, chunk), None, "k-1", text),
            (("a", 1, chunk), "t-1", None, b"{}"),
        ]:
            raise NotKeptError(f"what was put down came back as {shown}")
        if found[1][0].body != {"name": "Ș „ă” \n", "price": 12.34} or found[1][0].attempts:
            raise NotKeptError("a body's JSON is not what its bytes say, or it has attempts before its first")


async def pending_bodies_come_in_the_order_of_their_mapping(trial: LedgerTrial) -> None:
    async with trial.open() as ledger:
        chunks = [await put(ledger, [f"{name}{number}" for name in "zab"]) for number in range(3)]
        await settled_as(ledger, chunks[1], State.WRITTEN, "z1", "a1", "b1")
        found = [(chunk, [item.member.source_id for item in items]) for chunk, items in await pending(ledger)]
        if found != [(chunks[0], ["z0", "a0", "b0"]), (chunks[2], ["z2", "a2", "b2"])]:
            raise NotKeptError(f"three pages were put down, one is settled; open are {found}")


async def what_was_handed_over_is_seen_at_once(trial: LedgerTrial) -> None:
    async with trial.open() as ledger:
        for number in range(20):
            await put(ledger, [f"a{number}", f"b{number}"])
            known = await ledger.known(ROUTE, [f"a{number}", f"b{number}", "none", "a0"])
            if known != {f"a{number}", f"b{number}", "a0"}:
                raise NotKeptError(f"records that were handed over are not all known: {sorted(known)}")
            if (read := (await ledger.counts(ROUTE)).read) != 2 * (number + 1):
                raise NotKeptError(f"{2 * (number + 1)} records were handed over, {read} are counted")


async def routes_are_kept_apart(trial: LedgerTrial) -> None:
    async with trial.open() as ledger:
        chunk = await put(ledger, ["a"])
        await put(ledger, ["a", "b"], route=OTHER_ROUTE)
        await settled_as(ledger, chunk, State.WRITTEN, "a")
        if await ledger.known(ROUTE, ["a", "b"]) != {"a"}:
            raise NotKeptError("a record of one route is known on another")
        counts = (await ledger.counts(ROUTE), await ledger.counts(OTHER_ROUTE))
        if counts != (Counts(written=1), Counts(pending=2)):
            raise NotKeptError(f"of a record of each of two routes, one was settled: {counts}")


async def chunk_numbers_rise(trial: LedgerTrial) -> None:
    """Also over a restart: chunks are taken up in the order in which they were mapped."""
    async with trial.open() as ledger:
        chunks = [ledger.reserve_chunk() for _ in range(3)]
        await put(ledger, ["a"], chunk=chunks[2])
    async with trial.open() as ledger:
        later = ledger.reserve_chunk()
    if sorted(set(chunks)) != chunks or chunks[0] < 1 or later <= chunks[2]:
        raise NotKeptError(f"chunks were numbered {chunks}, and {later} after a restart")


async def a_record_counts_by_its_worst_body(trial: LedgerTrial) -> None:
    async with trial.open() as ledger:
        expected: dict[str, int] = {}
        for worse in State:
            for better in State:
                if worse >= better and State.SEEN not in {worse, better}:
                    await _put_two(ledger, better, worse)
                    expected[_NAMES[worse]] = expected.get(_NAMES[worse], 0) + 1
        if (counts := await ledger.counts(ROUTE)) != Counts(**expected):
            raise NotKeptError(f"records of two bodies each count as {counts}, not {Counts(**expected)}")


async def _put_two(ledger: Ledger, better: State, worse: State) -> None:
    name = f"{better.name}-{worse.name}"
    chunk = ledger.reserve_chunk()
    entries = [
        Entry(name, part, state, body=body_of(name) if state is State.PENDING else None)
        for part, state in enumerate((worse, better))
    ]
    await ledger.add_page(ROUTE, entries, chunk=chunk)


async def written_counts_bodies(trial: LedgerTrial) -> None:
    async with trial.open() as ledger:
        chunk = await put(ledger, ["a", "b"], parts=3)
        await settled_as(ledger, chunk, State.WRITTEN, "a", parts=(0, 1, 2))
        await settled_as(ledger, chunk, State.WRITTEN, "b", parts=(0,))
        if (written := await ledger.written(ROUTE)) != 4:
            raise NotKeptError(f"4 bodies of 2 records were written, and {written} are told")


async def target_ids_come_in_the_order_of_the_bodies(trial: LedgerTrial) -> None:
    async with trial.open() as ledger:
        chunk = await put(ledger, ["a"], parts=4)
        for part, state, target_id in (
            (2, State.UNCHANGED, "t-2"),
            (1, State.REJECTED, "t-1"),
            (0, State.WRITTEN, "t-0"),
        ):
            await settled_as(ledger, chunk, state, "a", parts=(part,), target_id=target_id)
        await ledger.counts(
            ROUTE
        )  # what was handed over is durable behind it, as behind any change that waits
        found: Sequence[str] = ledger.target_ids(ROUTE, "a")
        if found != ("t-0", "t-2") or ledger.target_ids(ROUTE, "none") != ():
            raise NotKeptError(
                f"its first and third body stand on the target as t-0 and t-2; told are {found}"
            )


async def steps_of_a_route_stay_as_they_are(trial: LedgerTrial) -> None:
    """Until another is noted: what is None in a mark says nothing."""
    async with trial.open() as ledger:
        before = await ledger.progress(ROUTE)
        await ledger.mark(ROUTE, cutoff=5, expected=7)
        await ledger.mark(ROUTE, is_read=True)
        await ledger.mark(ROUTE, is_finished=True)
        await ledger.mark(ROUTE, is_finished=False)
        after = await ledger.progress(ROUTE)
    if (before.cutoff, before.expected, before.is_read, before.is_finished) != (None, None, False, False):
        raise NotKeptError("a route that was never begun has progress")
    if (after.cutoff, after.expected, after.is_read, after.is_finished) != (5, 7, True, False):
        raise NotKeptError(f"marked step by step, the route's progress is {after}")
