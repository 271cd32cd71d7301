"""What a Ledger promises of writes: an intent until each of its bodies has an outcome, and each outcome once."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from bulkmove.entries import Member, Settled
from bulkmove.errors import LedgerError, single_error
from bulkmove.model import Counts, State
from bulkmove.protocols import Ledger
from bulkmove.testing.pages import body_of, members, open_ids, put, settled_as, the_intent
from bulkmove.testing.running import NotKeptError
from bulkmove.testing.trials import ROUTE, LedgerTrial


async def an_intent_is_there_until_it_is_settled(trial: LedgerTrial) -> None:
    """Its members without an outcome are free to go again."""
    async with trial.open() as ledger:
        chunk = await put(ledger, ["a", "b", "c"])
        before = time.time()
        intent = await ledger.open_intent(ROUTE, members(chunk, "a", "b"))
        found = await the_intent(ledger)
        if found is None or (found.id, list(found.members)) != (intent, members(chunk, "a", "b")):
            raise NotKeptError(f"an intent was opened; told are {found}")
        if not before - 1 <= found.sent_at <= time.time() + 5:
            raise NotKeptError("an intent of this run tells another time than its own")
        await settled_as(ledger, chunk, State.WRITTEN, "a", intent=intent)
        if await ledger.intents(ROUTE) or await open_ids(ledger) != ["b", "c"]:
            raise NotKeptError(
                "an intent was settled: it is there, or its other member is not free to go again"
            )


async def an_outcome_is_noted_once(trial: LedgerTrial) -> None:
    async def twice(ledger: Ledger, chunk: int) -> None:
        await settled_as(ledger, chunk, State.WRITTEN, "a")
        await settled_as(ledger, chunk, State.REJECTED, "a")

    await _must_fail(trial, twice, "a second outcome of one body was noted")
    async with trial.open() as ledger:
        if (await ledger.counts(ROUTE)).rejected:
            raise NotKeptError("a second outcome took the place of the first")


async def an_outcome_of_what_was_never_put_down_fails(trial: LedgerTrial) -> None:
    async def odd(ledger: Ledger, chunk: int) -> None:
        await settled_as(ledger, chunk, State.WRITTEN, "none")

    await _must_fail(trial, odd, "an outcome of a body that is not there was noted")


async def after_a_failure_nothing_is_noted_any_more(trial: LedgerTrial) -> None:
    """No intent can be opened, so that nothing more is sent."""

    async def go_on(ledger: Ledger, chunk: int) -> None:
        try:
            await settled_as(ledger, chunk, State.WRITTEN, "none")
            await ledger.counts(ROUTE)
        except LedgerError:
            await ledger.open_intent(ROUTE, members(chunk, "a"))
            raise NotKeptError("after a change that failed, an intent could be opened") from None

    await _must_fail(trial, go_on, "an outcome of a body that is not there was noted")


async def what_was_parked_is_in_doubt_and_the_rest_is_not(trial: LedgerTrial) -> None:
    async with trial.open() as ledger:
        chunk = await put(ledger, ["a", "b", "c"])
        intent = await ledger.open_intent(ROUTE, members(chunk, "a", "b", "c"))
        told = [Settled(Member("a", 0, chunk), State.WRITTEN, target_id="t-a")]
        await ledger.park(
            ROUTE, members(chunk, "b"), intent=intent, sent_at=77.0, settled=told, refusal="unnamed"
        )
        found = await the_intent(ledger)
        if found is None or (found.id, found.sent_at, found.refusal, list(found.members)) != (
            intent,
            77.0,
            "unnamed",
            members(chunk, "b"),
        ):
            raise NotKeptError(f"one of three was parked, at 77, refused without a name; told is {found}")
        if await ledger.counts(ROUTE) != Counts(written=1, pending=2) or await open_ids(ledger) != ["b", "c"]:
            raise NotKeptError("what was settled beside what was parked is not settled, or the rest not open")


async def attempts_are_counted_where_a_record_may_be_to_blame(trial: LedgerTrial) -> None:
    """Good items of a batch whose bad ones were named are not: they are parked with refusal "named"."""
    async with trial.open() as ledger:
        chunk = await put(ledger, ["a", "b", "c", "d"])
        await ledger.count_attempt(ROUTE, members(chunk, "a"))
        await ledger.count_attempt(ROUTE, members(chunk, "a"))
        intent = await ledger.open_intent(ROUTE, members(chunk, "b"))
        await ledger.park(ROUTE, members(chunk, "b"), intent=intent, sent_at=5.0)
        intent = await ledger.open_intent(ROUTE, members(chunk, "c"))
        await ledger.park(ROUTE, members(chunk, "c"), intent=intent, sent_at=5.0, refusal="named")
        await ledger.counts(ROUTE)
        items = await ledger.items(ROUTE, members(chunk, "a", "b", "c", "d"))
        attempts = {item.member.source_id: (item.attempts, item.failed_at is not None) for item in items}
        if attempts != {"a": (2, True), "b": (1, True), "c": (0, False), "d": (0, False)}:
            raise NotKeptError(f"of four bodies one failed twice and one once; told are {attempts}")


async def items_are_the_open_bodies_that_are_named(trial: LedgerTrial) -> None:
    async with trial.open() as ledger:
        chunk = await put(ledger, ["a", "b", "c"])
        other = await put(ledger, ["d"])
        await settled_as(ledger, chunk, State.WRITTEN, "b")
        await ledger.counts(ROUTE)
        found = await ledger.items(ROUTE, [*members(chunk, "a", "b"), *members(other, "d")])
        shown = [(item.member.source_id, item.encoded) for item in found]
        if shown != [("a", body_of("a")), ("d", body_of("d"))]:
            raise NotKeptError(f"of the three that were named one is settled; told are {shown}")


async def what_is_unknown_can_be_looked_at_again(trial: LedgerTrial) -> None:
    """Its body was kept, it is in doubt at once, and its route is not finished any more."""
    async with trial.open() as ledger:
        chunk = await put(ledger, ["a", "b", "c"])
        await settled_as(ledger, chunk, State.UNKNOWN, "a", "b")
        await settled_as(ledger, chunk, State.REJECTED, "c")
        await ledger.mark(ROUTE, is_finished=True)
    async with trial.open() as ledger:
        if (count := await ledger.revive_unknown(ROUTE)) != 2:
            raise NotKeptError(f"2 bodies were unknown, {count} are put in doubt again")
        found = await the_intent(ledger)
        if found is None or found.sent_at > 1.0 or sorted(found.members) != members(chunk, "a", "b"):
            raise NotKeptError(f"what was unknown is in doubt, sent long ago; told is {found}")
        items = await ledger.items(ROUTE, found.members)
        if [item.encoded for item in items] != [body_of("a"), body_of("b")]:
            raise NotKeptError("the bodies of what was unknown are not there any more")
        if await ledger.counts(ROUTE) != Counts(pending=2, rejected=1):
            raise NotKeptError("what was unknown is not counted as pending again")
        if (await ledger.progress(ROUTE)).is_finished or await ledger.revive_unknown(ROUTE):
            raise NotKeptError("a route with open bodies is finished, or they are unknown still")


async def requests_have_numbers_of_their_own(trial: LedgerTrial) -> None:
    """Those of intents among them; also over a restart with one open."""
    async with trial.open() as ledger:
        chunk = await put(ledger, ["a", "b"])
        numbers = [ledger.reserve_request(), await ledger.open_intent(ROUTE, members(chunk, "a"))]
        numbers += [ledger.reserve_request(), await ledger.open_intent(ROUTE, members(chunk, "b"))]
    async with trial.open() as ledger:
        numbers.append(ledger.reserve_request())
    if sorted(set(numbers)) != numbers:
        raise NotKeptError(f"requests were numbered {numbers}")


CHECKS = (
    an_intent_is_there_until_it_is_settled,
    an_outcome_is_noted_once,
    an_outcome_of_what_was_never_put_down_fails,
    after_a_failure_nothing_is_noted_any_more,
    what_was_parked_is_in_doubt_and_the_rest_is_not,
    attempts_are_counted_where_a_record_may_be_to_blame,
    items_are_the_open_bodies_that_are_named,
    what_is_unknown_can_be_looked_at_again,
    requests_have_numbers_of_their_own,
)


async def _must_fail(trial: LedgerTrial, change: Callable[[Ledger, int], Awaitable[None]], said: str) -> None:
    """LedgerError, at the latest when the ledger is closed."""
    try:
        with single_error():
            async with trial.open() as ledger:
                chunk = await put(ledger, ["a"])
                await ledger.counts(ROUTE)
                await change(ledger, chunk)
                await ledger.counts(ROUTE)
    except LedgerError:
        return
    raise NotKeptError(said)
