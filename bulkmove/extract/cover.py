"""The cover: how far a sorted list has been proven read, from what its pages show and nothing else.

Keys are whole seconds since the epoch. A page is a contiguous slice of the list as it stood at one moment, sorted
by key, so it holds every row whose key lies strictly between its first and its last key. Rows of one second come
in any order, so the two edge seconds themselves are not proven. `reached` sums up what chained pages prove: every
row with a key below it, that stood throughout, has been read. It holds whatever was inserted, deleted or
reordered between the pages, by whatever offsets they were fetched, and however many rows a page held.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bulkmove.model import PageQuery, Record


@dataclass(frozen=True, slots=True)
class Proof:
    """One page holds every row with lower < key < upper. None: unbounded on that side."""

    lower: int | None
    upper: int | None


def dated_keys(records: Sequence[Record]) -> list[int]:
    """The keys that the rows show, in the page's order. Rows without one prove nothing."""
    return [record.key for record in records if record.key is not None]


def is_ascending(keys: Sequence[int]) -> bool:
    return list(keys) == sorted(keys)


def is_within(keys: Sequence[int], query: PageQuery) -> bool:
    """Whether every key meets the filter. A second past either bound is let pass: hosts round."""
    if not keys:
        return True
    low = query.after is None or min(keys) >= query.after - 1
    return low and (query.before is None or max(keys) <= query.before + 1)


def prove(
    records: Sequence[Record], query: PageQuery, *, is_end: bool, is_start: bool = False
) -> Proof | None:
    """What a sorted page proves; None where it shows no key.

    At offset 0 the filter itself is the lower edge. `is_start`: the page begins with the rows without a key that
    the host sorts before all others. `is_end`: it was shown that nothing follows.
    """
    keys = dated_keys(records)
    if not keys and not is_end:
        return None
    upper = None if is_end else keys[-1]
    if query.offset == 0:
        return Proof(query.after, upper)
    if is_start:
        return Proof(None, upper)
    return Proof(keys[0], upper) if keys else None


def chains(proof: Proof, reached: int | None) -> bool:
    """Whether no row can lie between what has been read and what the page proves.

    The lower edge's own second is not proven by the page, so it has to lie below `reached`.
    """
    return proof.lower is None or (reached is not None and proof.lower < reached)


def advance(reached: int | None, proof: Proof, *, upper: int) -> int:
    """`reached` after a page that chains, within a span that ends before `upper`."""
    edge = upper if proof.upper is None else min(proof.upper, upper)
    return edge if reached is None else max(reached, edge)


def leading(records: Sequence[Record], reached: int | None) -> int:
    """How many rows stand on a page before the first row that is not read yet."""
    for count, record in enumerate(records):
        if record.key is not None and (reached is None or record.key >= reached):
            return count
    return len(records)
