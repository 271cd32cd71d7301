"""What a Ledger promises to have kept: after a run that ended, and after one whose machine lost its power."""

from __future__ import annotations

import time
from contextlib import AbstractAsyncContextManager

from bulkmove.entries import Entry, Span
from bulkmove.model import Counts, State
from bulkmove.protocols import Ledger
from bulkmove.testing.pages import body_of, members, open_ids, pending, put, settled_as, the_intent
from bulkmove.testing.running import NotKeptError, not_given
from bulkmove.testing.trials import LIST, ROUTE, LedgerTrial


async def what_was_handed_over_is_kept_when_it_is_closed(trial: LedgerTrial) -> None:
    async with trial.open() as ledger:
        chunk = await put(ledger, ["a", "b"])
        await settled_as(ledger, chunk, State.REJECTED, "a")
    async with trial.open() as ledger:
        if await ledger.counts(ROUTE) != Counts(rejected=1, pending=1) or await open_ids(ledger) != ["b"]:
            raise NotKeptError("what was handed over before the ledger was closed is not all there")


async def an_intent_outlives_its_run(trial: LedgerTrial) -> None:
    """It counts as sent no earlier than its run may have sent it last."""
    async with trial.open() as ledger:
        chunk = await put(ledger, ["a"])
        before = time.time()
        intent = await ledger.open_intent(ROUTE, members(chunk, "a"))
    async with trial.open() as ledger:
        found = await the_intent(ledger)
        if found is None or (found.id, list(found.members)) != (intent, members(chunk, "a")):
            raise NotKeptError(f"an intent was open when its run ended; the next is told {found}")
        if found.sent_at < before:
            raise NotKeptError("an intent that was left open counts as sent before it was opened")
        if [item.encoded for item in await ledger.items(ROUTE, found.members)] != [body_of("a")]:
            raise NotKeptError("the body of a write in doubt is not there any more")


async def what_was_parked_outlives_its_run(trial: LedgerTrial) -> None:
    async with trial.open() as ledger:
        chunk = await put(ledger, ["a"])
        intent = await ledger.open_intent(ROUTE, members(chunk, "a"))
        sent_at = time.time()
        await ledger.park(ROUTE, members(chunk, "a"), intent=intent, sent_at=sent_at, refusal="named")
    async with trial.open() as ledger:
        found = await the_intent(ledger)
        if found is None or (found.id, found.refusal) != (intent, "named") or found.sent_at < sent_at:
            raise NotKeptError(f"a write was parked when its run ended; the next is told {found}")


async def failures_of_an_earlier_run_are_no_record_s_fault(trial: LedgerTrial) -> None:
    """The host may have been down: attempts are counted in each run anew."""
    async with trial.open() as ledger:
        chunk = await put(ledger, ["a"])
        await ledger.count_attempt(ROUTE, members(chunk, "a"))
    async with trial.open() as ledger:
        if [item.attempts for item in await ledger.items(ROUTE, members(chunk, "a"))] != [0]:
            raise NotKeptError("a body has attempts of a run that ended")


async def an_intent_is_durable_when_it_is_open(trial: LedgerTrial) -> None:
    """And with it the body that is about to be sent."""
    async with trial.open() as ledger:
        chunk = await put(ledger, ["a"])
        intent = await ledger.open_intent(ROUTE, members(chunk, "a"))
        async with _after_crash(trial) as later:
            found = await the_intent(later)
            if found is None or (found.id, list(found.members)) != (intent, members(chunk, "a")):
                raise NotKeptError("an intent was open when the power failed, and is not there afterwards")
            if [item.encoded for item in await later.items(ROUTE, found.members)] != [body_of("a")]:
                raise NotKeptError("the body of an open intent is not there after the power failed")


async def a_body_is_durable_when_that_is_asked_for(trial: LedgerTrial) -> None:
    """What needs no intent is not sent before, either."""
    async with trial.open() as ledger:
        chunk = await put(ledger, ["a"])
        await ledger.make_durable(members(chunk, "a"))
        async with _after_crash(trial) as later:
            if await open_ids(later) != ["a"]:
                raise NotKeptError("a body was told to be durable, and is not there after the power failed")


async def changes_are_durable_in_their_order(trial: LedgerTrial) -> None:
    """What was handed over before an intent was opened, is durable when it is."""
    async with trial.open() as ledger:
        first = await put(ledger, ["a", "b"])
        await settled_as(ledger, first, State.WRITTEN, "a")
        chunk = ledger.reserve_chunk()
        await ledger.add_page(
            ROUTE,
            [Entry("c", 0, State.PENDING, body=b"{}", key="k-c")],
            chunk=chunk,
            span=Span(1, None, 9, 5, is_done=False, evidence=0),
            target_list=LIST,
        )
        await ledger.open_intent(ROUTE, members(chunk, "c"))
        async with _after_crash(trial) as later:
            if await later.counts(ROUTE) != Counts(written=1, pending=2):
                raise NotKeptError("an outcome or a page that was handed over before an intent is lost")
            if [each.reached for each in (await later.progress(ROUTE)).spans] != [5]:
                raise NotKeptError("the progress of a page before an intent is lost")
            if "k-c" not in await later.find_keys(LIST, ["k-c"]):
                raise NotKeptError("a key that was claimed before an intent is lost")


async def a_crash_never_takes_one_change_and_leaves_an_earlier(trial: LedgerTrial) -> None:
    """Whatever is there after a crash is what stood at some moment: changes are lost from the last one backwards."""
    async with trial.open() as ledger:
        chunks = [await put(ledger, [f"a{number}"]) for number in range(30)]
        for number, chunk in enumerate(chunks):
            await settled_as(ledger, chunk, State.WRITTEN, f"a{number}")
        async with _after_crash(trial) as later:
            there = sorted(int(each[1:]) for each in await later.known(ROUTE, [f"a{n}" for n in range(30)]))
            is_open = sorted(int(i.member.source_id[1:]) for _, items in await pending(later) for i in items)
            if there != list(range(len(there))):
                raise NotKeptError(f"of thirty pages in a row a crash left {there}")
            written = [number for number in there if number not in is_open]
            if written != list(range(len(written))) or (written and len(there) < len(chunks)):
                raise NotKeptError(f"of thirty outcomes in a row a crash left {written}")


CHECKS = (
    what_was_handed_over_is_kept_when_it_is_closed,
    an_intent_outlives_its_run,
    what_was_parked_outlives_its_run,
    failures_of_an_earlier_run_are_no_record_s_fault,
    an_intent_is_durable_when_it_is_open,
    a_body_is_durable_when_that_is_asked_for,
    changes_are_durable_in_their_order,
    a_crash_never_takes_one_change_and_leaves_an_earlier,
)


def _after_crash(trial: LedgerTrial) -> AbstractAsyncContextManager[Ledger]:
    if trial.after_crash is None:
        not_given("store as a crash leaves it")
    return trial.after_crash()
