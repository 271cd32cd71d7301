"""Reading one second that holds a page of rows or more, in passes. What this yields is evidence, not proof.

Rows of one second come in any order, another one at each request, so pages of them prove nothing. They are read
again and again until all rows that the passes saw together are as many as the list has places; and then anew, until
that comes to the same rows. Where the order is stable that takes two passes.

Pages are asked for side by side: those of the first pass as soon as its first page told how many rows there are, those of
the next passes all together, as many as rows in random order probably take.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from bulkmove.errors import BadAnswerError, UnprovenError
from bulkmove.extract.ahead import Ahead, reading_ahead
from bulkmove.extract.facts import ListFacts
from bulkmove.extract.offsets import TRIES, OffsetWalk, RepeatWatch
from bulkmove.extract.tally import Tally
from bulkmove.model import Page, PageQuery, Record
from bulkmove.protocols import Source

HandOn = Callable[[Sequence[Record]], Awaitable[None]]


async def read_second(source: Source, second: int, *, limit: int, facts: ListFacts, hand_on: HandOn) -> int:
    """Read the rows of `second`; `hand_on` gets those not seen before. Returns how many places that second has.

    Both neighbouring seconds bound the filter, so that it does not matter whether bounds are inclusive. Raises
    UnprovenError, naming the second, where the passes do not settle, BadAnswerError where offsets take no effect.
    """
    places: int | None = None
    share = 0.0  # of all rows, what one pass shows
    union = 1  # the number of the union that is being gathered
    async with Tally() as tally, reading_ahead(source, limit=limit) as ahead:
        for _ in range(TRIES):
            one = _Pass(source, second, facts=facts, tally=tally, ahead=ahead)
            await one.read(union, limit=limit, hand_on=hand_on)
            seen = await tally.count(union)
            if one.places is None or places not in {None, one.places} or seen > one.places:
                # Something moved: what was gathered may hold rows that are gone. Two on, so that it agrees with none.
                places, union = one.places, union + 2
                ahead.drop()
                continue
            places = one.places
            share = share or seen / max(1, places)
            if seen == places:
                if await tally.agree(union):
                    return one.rows
                union, seen = union + 1, 0
                ahead.drop()  # it may show what stood before: one union begins when the other has ended
            if not ahead.is_expecting:
                ahead.expect(one.asked * passes_left(places - seen, share))
    raise UnprovenError(
        f"second {second} (since 1970) holds a page of rows or more, and {TRIES} passes over it did not agree"
    )


@dataclass
class _Pass:
    """One pass over a second. `places`: how many named rows the list held; None where it changed meanwhile."""

    source: Source
    second: int
    facts: ListFacts
    tally: Tally
    ahead: Ahead
    asked: list[PageQuery] = field(default_factory=list)
    places: int | None = None
    rows: int = 0

    @property
    def query(self) -> PageQuery:
        """The filter, of which one row is asked for."""
        return PageQuery(limit=1, after=self.second - 1, before=self.second + 1)

    async def read(self, union: int, *, limit: int, hand_on: HandOn) -> None:
        can_overlap = self.source.listing.can_overlap
        walk = OffsetWalk(self.facts, limit=limit, overlap=0, is_numbered=not can_overlap, fills_last=True)
        watch = RepeatWatch()
        totals: set[int | None] = set()
        nameless = 0
        while not walk.is_over:
            query = replace(self.query, offset=walk.offset, limit=walk.limit)
            page = await self.ahead.fetch(query)
            self.asked.append(query)
            again = walk.slots - walk.offset
            is_stuck = watch.is_stuck(page.records, must_differ=walk.offset != 0)
            walk.take(page)
            if query.offset == 0 and not self.ahead.is_expecting and self.facts.is_total_honest:
                self.ahead.expect(
                    replace(query, offset=offset, limit=walk.limit)
                    for offset in _rest(page, is_numbered=not can_overlap)
                )
            totals.add(page.total)
            nameless += sum(record.id is None for record in page.records)
            self.rows += sum(record.key == self.second for record in page.records[max(0, again) :])
            await self._hand_on(union, page, hand_on)
            # In random order a pass still sees more than half of all rows; places without rows have no end.
            if is_stuck or walk.slots > 3 * (await self.tally.size() + nameless) + 10 * limit:
                raise BadAnswerError(f"offsets take no effect in second {self.second} (since 1970)")
        self.places = self._count_places(walk, totals, nameless)

    async def _hand_on(self, union: int, page: Page, hand_on: HandOn) -> None:
        new = await self.tally.add(union, [record.id for record in page.records if record.id is not None])
        fresh = [record for record in page.records if record.id is None or record.id in new]
        if fresh:
            await hand_on(fresh)

    def _count_places(self, walk: OffsetWalk, totals: set[int | None], nameless: int) -> int | None:
        if walk.has_hole:
            return None
        if not self.facts.is_total_honest:
            return walk.slots - nameless
        if len(totals) != 1:
            return None
        return max(walk.slots, totals.pop() or 0) - nameless


def _rest(first: Page, *, is_numbered: bool) -> Iterator[int]:
    """Where the pages after the first begin, as far as that shows: as long as it, and the last one full."""
    length, total, offset = len(first.records), first.total or 0, 0
    while length and (left := total - offset - length) > 0:
        offset += length if is_numbered else min(length, left)
        yield offset


def passes_left(missed: int, share: float) -> int:
    """How many more passes probably show the rest, where each shows this share of it."""
    if missed <= 1 or not 0.0 < share < 1.0:
        return 1
    return int(max(1.0, min(TRIES, math.log(missed) / -math.log1p(-share))))
