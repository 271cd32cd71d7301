"""A piece of bodies that were divided by field, to its target: a body is settled when its last piece was answered.

Nothing needs an intent: each piece is a change of absolute values. Cut off between two of them, a body stays pending, and
is sent again, whole or divided anew.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

from bulkmove.entries import Item, Member, Sent, Settled
from bulkmove.errors import InDoubtError, RequestFailedError
from bulkmove.load.batching import Batch, within
from bulkmove.load.delivery import Delivered, Lane, joined_of, sent_of, sort_answer, write_items
from bulkmove.load.division import Division
from bulkmove.model import State
from bulkmove.transport.attempts import Attempt, noted_attempts


async def deliver_piece(batch: Batch, division: Division, lane: Lane) -> Delivered:
    """Send a piece, note what came of it, and settle the bodies of which it was the last.

    Raises what `deliver` raises; the bodies stay pending then.
    """
    async with lane.gate.writing():
        with noted_attempts() as attempts:
            left = await _send(batch.items, division, lane)
    return Delivered(left, max((each.sent_at for each in attempts if each.is_unsettled), default=None))


async def _send(pieces: Sequence[Item], division: Division, lane: Lane) -> list[Member]:
    """The bodies that have no piece left and stay open."""
    left: list[Member] = []
    for items in within(pieces, "joined", lane.size):
        going_on, left_out = division.going_on(items)
        left += await _end(left_out, None, division, lane)
        if going_on:
            left += await _send_one(going_on, division, lane)
    return left


async def _send_one(items: Sequence[Item], division: Division, lane: Lane) -> list[Member]:
    """One request; where it was refused, as many as it takes to find the piece that is to blame."""
    batch, members = Batch("update", items), [item.member for item in items]
    await lane.ledger.make_durable(members)
    with noted_attempts() as attempts:
        try:
            answer = await sort_answer(batch, await write_items(batch, lane), attempts, lane)
        except (RequestFailedError, InDoubtError):
            division.fail(items)
            sent = _sent(batch, attempts, lane)
            await lane.ledger.count_attempt(lane.route, members, sent=sent)
            return await _end(items, None, division, lane)
    sent = _sent(batch, attempts, lane)
    division.note(items, answer.settled, sent)
    division.fail(answer.doubtful)
    if any(each.is_unsettled for each in attempts):
        # An attempt may land after the one that settled these, on top of a piece that follows: they go again later.
        await lane.ledger.count_attempt(lane.route, members)
        division.fail(items)
    if answer.doubtful:
        doubtful = [item.member for item in answer.doubtful]
        await lane.ledger.count_attempt(lane.route, doubtful, sent=sent)
    again = {item.member for item in (*answer.held, *answer.oversized)}
    ended = [item for item in items if item.member not in again]
    left = await _end(ended, sent, division, lane, told=answer.settled)
    if answer.held:
        size = len(answer.held) if answer.is_named else math.ceil(len(answer.held) / 2)
        for start in range(0, len(answer.held), size):
            left += await _send(answer.held[start : start + size], division, lane)
    if answer.oversized:
        left += await _send(answer.oversized, division, lane)
    return left


def _sent(batch: Batch, attempts: Sequence[Attempt], lane: Lane) -> Sent:
    """The request for the ledger, with the fields that it carried."""
    sent = sent_of(lane.ledger.reserve_request(), batch, attempts)
    return sent._replace(said=f"{sent.said}, for {', '.join(sorted(map(str, batch.items[0].body)))} alone")


async def _end(
    pieces: Sequence[Item],
    sent: Sent | None,
    division: Division,
    lane: Lane,
    *,
    told: Sequence[Settled] = (),
) -> list[Member]:
    """Settle the bodies of which these pieces were the last; those that stay open.

    `sent`: the request that they went with, `told` what it told of them.
    """
    # At once: the last of a body's pieces is the one that settles it.
    ended = division.end(pieces)
    written = {each.member for each in told if each.state is not State.REJECTED}
    bodies = [item for item in ended if not division.is_open(item.member)]
    written -= {item.member for item in bodies if division.refusal(item.member) is None}
    if sent is not None and written:
        await lane.ledger.note_piece(lane.route, list(written), sent=sent, encoded=pieces[0].encoded)
    if bodies:
        await _settle(bodies, sent, division, lane)
    return [item.member for item in ended if division.is_open(item.member)]


async def _settle(bodies: Sequence[Item], sent: Sent | None, division: Division, lane: Lane) -> None:
    """Note the outcomes of bodies all of whose pieces were answered; those of equal ones together."""
    together: dict[tuple[bytes, Sent | None], list[Item]] = defaultdict(list)
    for item in bodies:
        refused = division.refused_by(item.member)
        together[item.encoded, sent if refused is None else refused].append(item)
    for (_, by), items in together.items():
        settled = [
            division.refusal(item.member)
            or Settled(item.member, State.WRITTEN, target_id=item.target_id, encoded=item.encoded)
            for item in items
        ]
        joined = joined_of(Batch("update", items), lane)
        joined = None if joined is None else joined._replace(is_divided=True)
        await lane.ledger.settle(lane.route, settled, sent=by, joined=joined)
        lane.on_settled(settled)
