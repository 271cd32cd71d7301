"""Reading one second that holds a page of rows or more, in passes. What this yields is evidence, not proof.

Rows of one second come in any order, another one at each request, so pages of them prove nothing. They are read
again and again until all rows that the passes saw together are as many as the list has places; and then anew, until
that comes to the same rows. Where the order is stable that takes two passes. A list that can be asked for rows by their
ids is asked for those that were seen instead of a second time for all: if each is still there, and no more are counted
than before, no other stood there meanwhile. Not where it is filtered: a row that no filter keeps is still found by its id.

Pages are asked for side by side: those of the first pass as soon as its first page told how many rows there are, those of
the next passes all together, as many as rows in random order probably take.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from bulkmove.errors import BadAnswerError, UnprovenError
from bulkmove.extract.ahead import MOST_PAGES, Ahead, reading_ahead
from bulkmove.extract.facts import ListFacts
from bulkmove.extract.offsets import TRIES, OffsetWalk, RepeatWatch
from bulkmove.extract.pool import Pool
from bulkmove.extract.tally import Tally
from bulkmove.model import Page, PageQuery, Record
from bulkmove.protocols import FindsById, Source

# More than this are not asked for by their ids: they are held in memory for it.
MOST_FOUND = 20_000

HandOn = Callable[[Sequence[Record]], Awaitable[None]]


async def read_second(source: Source, second: int, *, limit: int, facts: ListFacts, hand_on: HandOn) -> int:
    """Read the rows of `second`; `hand_on` gets those not seen before. Returns how many places that second has.

    Both neighbouring seconds bound the filter, so that it does not matter whether bounds are inclusive. Raises
    UnprovenError, naming the second, where the passes do not settle, BadAnswerError where offsets take no effect.
    """
    places: int | None = None
    union = 1  # the number of the union that is being gathered
    async with Tally() as tally, reading_ahead(source) as ahead:
        for number in range(TRIES):
            one = _Pass(source, second, facts=facts, tally=tally, ahead=ahead)
            await one.read(union, limit=limit, hand_on=hand_on)
            seen = await tally.count(union)
            if one.places is None or places not in {None, one.places} or seen > one.places:
                # Something moved: what was gathered may hold rows that are gone. Two on, so that it agrees with none.
                places, union = one.places, union + 2
                ahead.drop()
                continue
            places = one.places
            if seen == places:
                if await (_are_there_alone(one, union) if union == 1 else tally.agree(union)):
                    return one.rows
                union += 1
            if not ahead.is_expecting:
                ahead.expect(one.asked * (1 if number else _passes_left(seen, places)))
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
    has_nameless: bool = False

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
                    replace(query, offset=offset) for offset in _rest(page, is_numbered=not can_overlap)
                )
            totals.add(page.total)
            nameless += sum(record.id is None for record in page.records)
            self.rows += sum(record.key == self.second for record in page.records[max(0, again) :])
            await self._hand_on(union, page, hand_on)
            # In random order a pass still sees more than half of all rows; places without rows have no end.
            if is_stuck or walk.slots > 3 * (await self.tally.size() + nameless) + 10 * limit:
                raise BadAnswerError(f"offsets take no effect in second {self.second} (since 1970)")
        self.has_nameless = nameless > 0
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


def _passes_left(seen: int, places: int) -> int:
    """How many more passes probably show the rest, where each shows as large a share of it as the first did of all."""
    missed = places - seen
    if missed <= 1 or not seen:
        return 1
    return max(1, int(math.log(missed) / -math.log(missed / places)))


async def _are_there_alone(one: _Pass, union: int) -> bool:
    """Whether the rows of a union, as many as the second has places, are all there, and no others."""
    source, tally = one.source, one.tally
    is_counted = one.facts.is_total_honest and not one.has_nameless
    if source.listing.is_filtered or not is_counted or not isinstance(source, FindsById):
        return False
    if await tally.count(union) > MOST_FOUND:
        return False
    ids = await tally.ids(union)
    try:
        keys = await _keys_of(source, ids)
        page = await source.fetch(one.query)
    except BadAnswerError:
        return False  # a host that can't be asked for ids
    if len(keys) < len(ids) or not all(abs(key - one.second) <= 1 for key in keys):
        return False
    return keys.count(one.second) == one.rows and page.total == one.places == len(ids)


async def _keys_of(source: FindsById, ids: Sequence[str]) -> list[int]:
    """The keys of the rows that are there, in no order."""
    keys: list[int] = []
    slices = deque(
        ids[start : start + source.find_at_once] for start in range(0, len(ids), source.find_at_once)
    )

    async def find(asked: Sequence[str]) -> None:
        keys.extend(record.key for record in await source.find(asked) if record.key is not None)

    if slices:
        await find(slices.popleft())  # alone: a host that can't be asked so is asked once
    pool = Pool(
        lambda: MOST_PAGES, lambda: partial(find, slices.popleft()) if slices else None, name="find rows"
    )
    await pool.run()
    return keys
