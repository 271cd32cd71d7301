"""What a Ledger promises of lists: how far one is read, rows kept as they were read, and the keys of a target's."""

from __future__ import annotations

from bulkmove.entries import Entry, Span, TargetKey
from bulkmove.errors import LedgerError, single_error
from bulkmove.model import Counts, State
from bulkmove.protocols import Ledger
from bulkmove.testing.pages import body_of, pending
from bulkmove.testing.running import NotKeptError
from bulkmove.testing.trials import LIST, ROUTE, LedgerTrial


async def spans_are_read_with_their_pages(trial: LedgerTrial) -> None:
    """How far a span is read is noted with the page that it brought, and nowhere else."""
    span = Span(id=1, lower=0, upper=100, reached=None, is_done=False, evidence=0)
    read = Span(id=1, lower=0, upper=100, reached=40, is_done=False, evidence=2)
    async with trial.open() as ledger:
        await ledger.save_spans(ROUTE, [span])
        await _page(ledger, "a", read)
        await ledger.save_spans(ROUTE, [Span(1, 0, 100, 99, is_done=True, evidence=0)])
    async with trial.open() as ledger:
        if list((await ledger.progress(ROUTE)).spans) != [read]:
            raise NotKeptError(f"a page read the span to 40; told is {(await ledger.progress(ROUTE)).spans}")


async def spans_only_shrink(trial: LedgerTrial) -> None:
    """A page of a span that was split may come in after the split."""
    async with trial.open() as ledger:
        await ledger.save_spans(ROUTE, [Span(1, None, 100, None, is_done=False, evidence=0)])
        await ledger.save_spans(
            ROUTE,
            [
                Span(1, None, 50, None, is_done=False, evidence=0),
                Span(2, 50, 100, None, is_done=False, evidence=0),
            ],
        )
        await _page(ledger, "a", Span(1, None, 100, 30, is_done=False, evidence=0))
        await ledger.save_spans(ROUTE, [Span(1, None, 90, None, is_done=False, evidence=0)])
        spans = [(each.id, each.upper, each.reached) for each in (await ledger.progress(ROUTE)).spans]
    if spans != [(1, 50, 30), (2, 100, None)]:
        raise NotKeptError(f"a span was split at 50, then read to 30; told are {spans}")


async def a_page_is_put_down_whole_or_not_at_all(trial: LedgerTrial) -> None:
    """With its keys and the progress of its span."""
    async with trial.open() as ledger:
        await ledger.save_spans(ROUTE, [Span(1, None, 100, None, is_done=False, evidence=0)])
        await _page(ledger, "a", None)
        await ledger.counts(ROUTE)
    try:
        with single_error():
            async with trial.open() as ledger:
                await _page(ledger, "b", Span(1, None, 100, 60, is_done=False, evidence=0), "a")
                await ledger.counts(ROUTE)
    except LedgerError:
        pass
    else:
        raise NotKeptError("a record was put down twice")
    async with trial.open() as ledger:
        if await ledger.known(ROUTE, ["a", "b"]) != {"a"} or await ledger.find_keys(LIST, ["k-b"]):
            raise NotKeptError("a page that could not be put down left a record or a key behind")
        if (await ledger.progress(ROUTE)).spans[0].reached is not None:
            raise NotKeptError("a page that could not be put down left its span's progress behind")


async def rows_are_kept_as_they_were_read_until_they_are_mapped(trial: LedgerTrial) -> None:
    async with trial.open() as ledger:
        raw = await _raw_page(ledger, "a", "b")
        await _raw_page(ledger, "c")
        if await ledger.counts(ROUTE) != Counts(pending=3) or await pending(ledger):
            raise NotKeptError("rows that were only read are not pending, or are taken for bodies")
        found = await ledger.next_raw(ROUTE, 0)
        if found is None or (found[0], [(row.source_id, row.body) for row in found[1]]) != (
            raw,
            [("a", body_of("a")), ("b", body_of("b"))],
        ):
            raise NotKeptError(f"two rows were kept as they were read; told are {found}")
        chunk = ledger.reserve_chunk()
        entries = [
            Entry("a", 0, State.PENDING, body=b"{}"),
            Entry("a", 1, State.PENDING, body=b"{}"),
            Entry("b", 0, State.SKIPPED),
        ]
        await ledger.add_page(ROUTE, entries, chunk=chunk, was_raw_chunk=raw)
        if await ledger.counts(ROUTE) != Counts(pending=2, skipped=1):
            raise NotKeptError("rows that were mapped are not replaced by what they became")
        left = await ledger.next_raw(ROUTE, 0)
        if left is None or [row.source_id for row in left[1]] != ["c"]:
            raise NotKeptError(f"of three rows two are mapped; left to be mapped are {left}")


async def a_reading_that_did_not_end_is_forgotten(trial: LedgerTrial) -> None:
    async with trial.open() as ledger:
        await _raw_page(ledger, "a", "b")
        await ledger.drop_seen(ROUTE)
        if await ledger.counts(ROUTE) != Counts() or await ledger.next_raw(ROUTE, 0) is not None:
            raise NotKeptError("rows of a reading that was dropped are there still")
        if await ledger.known(ROUTE, ["a", "b"]):
            raise NotKeptError(
                "rows of a reading that was dropped are known still: they would not be read again"
            )


async def a_key_belongs_to_whoever_claims_it_first(trial: LedgerTrial) -> None:
    async with trial.open() as ledger:
        await _page(ledger, "a", None)
        seen = (await ledger.find_keys(LIST, ["k-a", "none"])).get("k-a")
        if seen is None or (seen.owner, seen.rows, seen.target_id) != ((ROUTE, "a"), 0, None):
            raise NotKeptError(f"record a claims its key, which no row of the list holds; told is {seen}")
        chunk = ledger.reserve_chunk()
        await ledger.add_page(
            ROUTE, [Entry("b", 0, State.PENDING, body=b"{}", key="k-a")], chunk=chunk, target_list=LIST
        )
        await ledger.counts(ROUTE)
    async with trial.open() as ledger:
        found = await ledger.find_keys(LIST, ["k-a"])
        if found["k-a"].owner != (ROUTE, "a"):
            raise NotKeptError(f"a key that record a claimed is owned by {found['k-a'].owner}")


async def keys_of_the_list_are_counted_by_their_rows(trial: LedgerTrial) -> None:
    """A row that is shown twice counts once."""
    async with trial.open() as ledger:
        rows = [("x", "t-1"), ("y", "t-2"), ("x", "t-1"), ("y", "t-3")]
        for key, target_id in rows:
            await ledger.add_keys(LIST, [TargetKey(key, target_id, 1, '{"a":"b"}', None)])
        await _page(ledger, "a", None, key="x")
        await ledger.counts(ROUTE)
        found = await ledger.find_keys(LIST, ["x", "y", "z"])
        shown = {key: (each.rows, each.owner) for key, each in found.items()}
        if shown != {"x": (1, (ROUTE, "a")), "y": (2, None)}:
            raise NotKeptError(f"one row holds x, which record a claims, and two hold y; told are {shown}")
        if (found["x"].target_id, found["x"].fields) != ("t-1", '{"a":"b"}'):
            raise NotKeptError("the row that holds a key is not told as it was read")


async def keys_are_read_anew_until_they_were_read_whole(trial: LedgerTrial) -> None:
    async with trial.open() as ledger:
        await ledger.add_keys(LIST, [TargetKey("x", "t-1", 1, None, None)])
        await ledger.drop_keys(LIST)
        await ledger.counts(ROUTE)
        if await ledger.find_keys(LIST, ["x"]) or (await ledger.list_state(LIST)).is_read:
            raise NotKeptError("a reading of keys that did not end is there still, or counts as whole")
        await ledger.add_keys(LIST, [TargetKey("x", "t-1", 1, None, None)])
        await ledger.close_keys(LIST)
    async with trial.open() as ledger:
        if not (await ledger.list_state(LIST)).is_read or "x" not in await ledger.find_keys(LIST, ["x"]):
            raise NotKeptError("a list that was read whole is to be read again")


async def whether_a_list_is_atomic_is_kept(trial: LedgerTrial) -> None:
    async with trial.open() as ledger:
        before = (await ledger.list_state(LIST)).is_atomic
        await ledger.set_atomic(LIST, is_atomic=False)
    async with trial.open() as ledger:
        after = (await ledger.list_state(LIST)).is_atomic
    if (before, after) != (None, False):
        raise NotKeptError(
            f"whether a list is atomic was not known, then told to be False: {before}, {after}"
        )


CHECKS = (
    spans_are_read_with_their_pages,
    spans_only_shrink,
    a_page_is_put_down_whole_or_not_at_all,
    rows_are_kept_as_they_were_read_until_they_are_mapped,
    a_reading_that_did_not_end_is_forgotten,
    a_key_belongs_to_whoever_claims_it_first,
    keys_of_the_list_are_counted_by_their_rows,
    keys_are_read_anew_until_they_were_read_whole,
    whether_a_list_is_atomic_is_kept,
)


async def _page(ledger: Ledger, *ids_and_span: str | Span | None, key: str | None = None) -> None:
    """A page of these records, which claim a key each, and its span."""
    ids = [each for each in ids_and_span if isinstance(each, str)]
    span = next((each for each in ids_and_span if isinstance(each, Span)), None)
    entries = [
        Entry(source_id, 0, State.PENDING, body=body_of(source_id), key=key or f"k-{source_id}")
        for source_id in ids
    ]
    await ledger.add_page(ROUTE, entries, chunk=ledger.reserve_chunk(), span=span, target_list=LIST)


async def _raw_page(ledger: Ledger, *ids: str) -> int:
    chunk = ledger.reserve_chunk()
    entries = [Entry(source_id, 0, State.SEEN, body=body_of(source_id)) for source_id in ids]
    await ledger.add_page(ROUTE, entries, chunk=chunk, is_raw=True)
    return chunk
