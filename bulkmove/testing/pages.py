"""Pages and outcomes, as the suite of ledgers puts them down."""

from __future__ import annotations

from collections.abc import Sequence

from bulkmove.entries import Entry, Intent, Item, Member, Settled
from bulkmove.model import State
from bulkmove.protocols import Ledger
from bulkmove.testing.trials import ROUTE


def body_of(source_id: str, part: int = 0) -> bytes:
    return b'{"of":"%s","part":%d}' % (source_id.encode(), part)


async def put(
    ledger: Ledger, ids: Sequence[str], *, route: str = ROUTE, parts: int = 1, chunk: int | None = None
) -> int:
    """A page of these records, each of so many bodies that are to be written; its chunk."""
    number = ledger.reserve_chunk() if chunk is None else chunk
    entries = [
        Entry(source_id, part, State.PENDING, body=body_of(source_id, part), key=f"k-{source_id}-{part}")
        for source_id in ids
        for part in range(parts)
    ]
    await ledger.add_page(route, entries, chunk=number)
    return number


def members(chunk: int, *ids: str) -> list[Member]:
    return [Member(source_id, 0, chunk) for source_id in ids]


async def settled_as(
    ledger: Ledger,
    chunk: int,
    state: State,
    *ids: str,
    parts: Sequence[int] = (0,),
    target_id: str | None = None,
    intent: int | None = None,
) -> None:
    outcomes = [
        Settled(Member(source_id, part, chunk), state, target_id=target_id, cause="a cause", message="why")
        for source_id in ids
        for part in parts
    ]
    await ledger.settle(ROUTE, outcomes, intent=intent)


async def pending(ledger: Ledger, route: str = ROUTE) -> list[tuple[int, list[Item]]]:
    """All chunks with open bodies, in the order in which they are taken up."""
    chunks: list[tuple[int, list[Item]]] = []
    while (found := await ledger.next_pending(route, chunks[-1][0] if chunks else 0)) is not None:
        chunks.append(found)
    return chunks


async def open_ids(ledger: Ledger) -> list[str]:
    return [item.member.source_id for _, items in await pending(ledger) for item in items]


async def the_intent(ledger: Ledger) -> Intent | None:
    """The one that is in doubt; None where none is, or more than one."""
    intents = await ledger.intents(ROUTE)
    return intents[0] if len(intents) == 1 else None
