"""One batch to its target: intent, send, outcome. Nothing that was sent is sent again before the target was read."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from bulkmove import clock
from bulkmove.entries import Item, Joined, Member, Refusal, Sent, Settled
from bulkmove.errors import (
    BulkmoveError,
    CredentialsError,
    HostUnavailableError,
    InDoubtError,
    RequestFailedError,
)
from bulkmove.load.batching import Batch, SizeLimit, Told, size_of, within
from bulkmove.load.first import FirstAlone
from bulkmove.load.gate import ListGate
from bulkmove.load.held import HeldRows
from bulkmove.model import BatchRule, Shape, State, Verdict, WriteItem, WriteResult
from bulkmove.protocols import Ledger, Target
from bulkmove.transport.attempts import Attempt, noted_attempts


@dataclass(frozen=True, slots=True)
class Lane:
    """What all deliveries of one route share.

    `is_atomic` asks what is known of the list by now; `on_settled` is told every outcome that an answer gave;
    `is_stopping` asks whether what is not on its way yet shall stay where it is; `settle_s` is how long the host
    may still work on an attempt that it gave no answer to; `size` is what is known of the requests that it takes;
    `held` are the rows that something may land on yet.
    `confirms`: changes of many rows at once are kept until each row was seen to hold its own. `keep_before` is handed
    items before they go anywhere, to keep the rows that they change. `on_joined`: see `batching.Told`.
    """

    route: str
    target: Target
    target_list: str
    ledger: Ledger
    gate: ListGate
    is_atomic: Callable[[], bool | None]
    on_settled: Callable[[Sequence[Settled]], None]
    is_stopping: Callable[[], bool] = lambda: False
    settle_s: float = 0.0
    size: SizeLimit = field(default_factory=SizeLimit)
    held: HeldRows = field(default_factory=HeldRows)
    first: FirstAlone = field(default_factory=FirstAlone)
    confirms: bool = False
    keep_before: Callable[[Sequence[Item]], Awaitable[None]] | None = None
    on_joined: Told | None = None

    def rule(self, batch: Batch) -> BatchRule:
        return self.target.rules[batch.action]


class Delivered(NamedTuple):
    """The members that stay open, and when an attempt was sent that the host may still be working on."""

    left: list[Member]
    unsettled_at: float | None


@dataclass(slots=True)
class Sorted:
    """The answer to one batch, by what follows from it. `is_named`: what is held is so for others that are named."""

    settled: list[Settled] = field(default_factory=list)
    held: list[Item] = field(default_factory=list)
    doubtful: list[Item] = field(default_factory=list)
    oversized: list[Item] = field(default_factory=list)
    is_named: bool = True


async def deliver(batch: Batch, lane: Lane) -> Delivered:
    """Send a batch and note what became of it.

    Afterwards each body is settled, or in doubt under a durable intent, or free to go again because it is
    surely not applied. Raises what ends the route: HostUnavailableError, FatalError, ConfigError, LedgerError.
    """
    async with lane.gate.writing():
        if not lane.rule(batch).is_repeatable:
            return Delivered(await _deliver(batch, lane), None)
        async with lane.first.held(lane.target, lane.ledger, lane.route):
            with noted_attempts() as attempts:
                left = await _deliver(batch, lane)
        return Delivered(left, max((each.sent_at for each in attempts if each.is_unsettled), default=None))


async def _deliver(batch: Batch, lane: Lane) -> list[Member]:
    """As one request, or as several where the host is known to refuse one so large."""
    rule = lane.rule(batch)
    left: list[Member] = []
    for items in within(batch.items, rule.shape, lane.size):
        part = Batch(batch.action, items)
        left += await (_deliver_repeatable if rule.is_repeatable else _deliver_once)(part, lane)
    return left


async def _deliver_repeatable(batch: Batch, lane: Lane) -> list[Member]:
    members = [item.member for item in batch.items]
    await lane.ledger.make_durable(members)
    with noted_attempts() as attempts:
        try:
            answer = await sort_answer(batch, await write_items(batch, lane), attempts, lane)
        except (RequestFailedError, InDoubtError):
            sent = sent_of(lane.ledger.reserve_request(), batch, attempts)
            await lane.ledger.count_attempt(lane.route, members, sent=sent)
            return members
    sent = sent_of(lane.ledger.reserve_request(), batch, attempts)
    if any(each.is_unsettled for each in attempts):
        # A later run shall know that an attempt may land after the one that settled these.
        await lane.ledger.count_attempt(lane.route, members)
    await _settle(lane, answer.settled, sent=sent, joined=joined_of(batch, lane))
    left = [item.member for item in answer.doubtful]
    if left:
        # Sent again, it would be answered the same way: only the list tells.
        intent = await lane.ledger.open_intent(lane.route, left)
        await lane.ledger.park(lane.route, left, intent=intent, sent_at=sent.sent_at, sent=sent)
    return left + await _again(batch, answer, lane)


async def _deliver_once(batch: Batch, lane: Lane) -> list[Member]:
    members = [item.member for item in batch.items]
    intent = await lane.ledger.open_intent(lane.route, members)
    with noted_attempts() as attempts:
        try:
            answer = await sort_answer(batch, await write_items(batch, lane), attempts, lane)
        except BulkmoveError as error:
            await _note_failed(lane, members, error, intent=intent, sent=sent_of(intent, batch, attempts))
            if isinstance(error, (InDoubtError, RequestFailedError)):
                return members
            raise
    sent = sent_of(intent, batch, attempts)
    is_certain = not answer.held or lane.is_atomic() is True
    if answer.doubtful or not is_certain:
        return await _park(answer, lane, intent=intent, sent=sent)
    await _settle(lane, answer.settled, intent=intent, sent=sent, joined=joined_of(batch, lane))
    return await _again(batch, answer, lane)


async def _note_failed(
    lane: Lane, members: Sequence[Member], error: BulkmoveError, *, intent: int, sent: Sent
) -> None:
    """What a write without a usable answer leaves behind: nothing, or its intent."""
    match error:
        case InDoubtError():
            await lane.ledger.park(lane.route, members, intent=intent, sent_at=error.sent_at, sent=sent)
        case RequestFailedError():
            # A look at the row before its update kept failing; the update itself was never sent.
            await lane.ledger.settle(lane.route, (), intent=intent)
            await lane.ledger.count_attempt(lane.route, members, sent=sent)
        case HostUnavailableError() | CredentialsError():
            # What these say is that the request was refused or never went out: nothing is applied.
            await lane.ledger.settle(lane.route, (), intent=intent)
        case _:
            # A redirect, or an answer of something else than the host: who knows what it did before.
            await lane.ledger.park(lane.route, members, intent=intent, sent_at=clock.now(), sent=sent)


def sent_of(number: int, batch: Batch, attempts: Sequence[Attempt]) -> Sent:
    """The request for the ledger: its last attempt is what was answered; a write may look at rows before it."""
    now = clock.now()
    sent_at, said = (attempts[-1].sent_at, attempts[-1].said) if attempts else (now, "nothing was sent")
    if len(attempts) > 1:
        said = f"{said}, at attempt {len(attempts)}"
    return Sent(number, sent_at, now, len(batch.items), said)


async def _park(answer: Sorted, lane: Lane, *, intent: int, sent: Sent) -> list[Member]:
    """Leave in doubt what the answer did not tell: items it passed over, or good items of a refused array."""
    doubtful = [item.member for item in (*answer.doubtful, *answer.held)]
    refusal: Refusal | None = None if not answer.held else "named" if answer.is_named else "unnamed"
    await lane.ledger.park(
        lane.route,
        doubtful,
        intent=intent,
        sent_at=clock.now(),
        settled=answer.settled,
        refusal=refusal,
        sent=sent,
    )
    lane.on_settled(answer.settled)
    return doubtful


async def _again(batch: Batch, answer: Sorted, lane: Lane) -> list[Member]:
    """Send what was refused for another's sake, in halves where none was named; and what was too large, in parts."""
    left: list[Member] = []
    if answer.held:
        size = len(answer.held) if answer.is_named else math.ceil(len(answer.held) / 2)
        for start in range(0, len(answer.held), size):
            left += await _deliver(Batch(batch.action, answer.held[start : start + size]), lane)
    if answer.oversized:
        left += await _deliver(Batch(batch.action, answer.oversized), lane)
    return left


async def learn_size(items: Sequence[Item], shape: Shape, lane: Lane) -> None:
    """The host refused a request of this size: no larger one is made, in this run and in later ones."""
    lane.size.refused(size_of(items, shape), count=len(items))
    await lane.ledger.set_max_bytes(lane.target_list, lane.size.most_bytes)


async def _settle(
    lane: Lane, settled: Sequence[Settled], *, sent: Sent, joined: Joined | None, intent: int | None = None
) -> None:
    await lane.ledger.settle(lane.route, settled, intent=intent, sent=sent, joined=joined)
    lane.on_settled(settled)


def joined_of(batch: Batch, lane: Lane) -> Joined | None:
    """The change that is to be confirmed, where the answer told nothing of each row."""
    if not lane.confirms or lane.rule(batch).shape != "joined":
        return None
    item = batch.items[0]
    unseen = sorted(item.body.keys() & lane.target.never_returned)
    return Joined(item.encoded, ", ".join(unseen))


async def write_items(batch: Batch, lane: Lane) -> Sequence[WriteResult]:
    return await lane.target.write(
        [WriteItem(item.target_id, item.body, item.encoded, item.attempts) for item in batch.items]
    )


async def sort_answer(
    batch: Batch, results: Sequence[WriteResult], attempts: Sequence[Attempt], lane: Lane
) -> Sorted:
    refusal = attempts[-1].refusal if attempts else None
    answer = Sorted()
    for item, result in zip(batch.items, results, strict=True):
        match result.verdict:
            case Verdict.WRITTEN:
                target_id = result.target_id or item.target_id
                answer.settled.append(
                    Settled(item.member, State.WRITTEN, target_id=target_id, encoded=item.encoded)
                )
            case Verdict.UNCHANGED:
                answer.settled.append(Settled(item.member, State.UNCHANGED, target_id=item.target_id))
            case Verdict.REJECTED:
                answer.settled.append(_rejected(item, result, refusal))
            case Verdict.HELD | Verdict.TOO_LARGE if len(batch.items) == 1:
                # Refused alone, it is refused for its own sake.
                answer.settled.append(_rejected(item, result, refusal))
            case Verdict.HELD:
                answer.held.append(item)
                answer.is_named = answer.is_named and result.cause != "unnamed"
            case Verdict.TOO_LARGE:
                answer.oversized.append(item)
            case Verdict.DOUBT:
                answer.doubtful.append(item)
    answer.is_named = answer.is_named and len(answer.held) < len(batch.items)
    if too_large := [
        item for item, result in zip(batch.items, results, strict=True) if result.verdict is Verdict.TOO_LARGE
    ]:
        await learn_size(too_large, lane.rule(batch).shape, lane)
    return answer


def _rejected(item: Item, result: WriteResult, refusal: str | None) -> Settled:
    cause = result.cause or "refused"
    return Settled(item.member, State.REJECTED, cause=cause, message=result.message, answer=refusal)
