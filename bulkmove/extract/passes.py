"""Reading a list that can neither be sorted nor filtered: in passes, until two of them agree. Evidence, not proof.

The pages of a pass overlap by a row, so that a row that slips between two of them shows: the last row of a page has
to be on the next. Numbered pages can't overlap; there only the count and the agreement speak.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

from bulkmove.errors import BadAnswerError, UnprovenError
from bulkmove.exact import name_of_content
from bulkmove.extract.facts import ListFacts
from bulkmove.extract.offsets import OffsetWalk, RepeatWatch
from bulkmove.extract.pool import Job, Pool
from bulkmove.extract.tally import Tally
from bulkmove.model import Page, PageQuery, Record
from bulkmove.protocols import Source

RowSink = Callable[[Sequence[Record]], Awaitable[None]]

SAME_PASSES = 5  # passes in a row that saw the same rows, before a count that says otherwise is given up
LOOKS_BEHIND = 3  # ends behind which more rows were found, before the list's word on its end is given up


@dataclass(frozen=True, slots=True)
class PassesResult:
    """What two agreeing passes saw. `vanished`: rows that earlier passes saw and the last two did not."""

    rows: int
    passes: int
    pages: int
    total: int | None
    vanished: int


async def read_passes(
    source: Source,
    *,
    limit: int,
    concurrency: Callable[[], int],
    sink: RowSink,
    tally: Tally,
    max_passes: int = 40,
    looks_behind: bool = True,
) -> PassesResult:
    """Read the whole list until two passes in a row saw the same ids, as many as the list counts, and nothing moved.

    `sink` gets each row when it is first seen, up to `concurrency()` calls at once; rows without an id are known by
    their content. `tally` is empty, and tells afterwards which of the rows handed on the last pass did not see. An
    empty list that says so is read once. `looks_behind`: where nothing but the list's word shows its end, one request
    more looks behind it. There is no progress to keep: after a restart the reading starts afresh.

    Raises UnprovenError after `max_passes`, and where the list's word does not hold, BadAnswerError where offsets take
    no effect.
    """
    facts = ListFacts()
    doubts = _Doubts()
    pages = 0
    was_whole = False
    planned: int | None = None
    for number in range(1, max_passes + 1):
        one = _Pass(source, number, limit=limit, concurrency=concurrency, sink=sink, tally=tally, facts=facts)
        await one.read(planned)
        planned = one.places
        seen = await tally.count(number)
        is_whole = one.is_whole(seen)
        is_empty = is_whole and seen == 0 and one.total == 0
        is_same = await tally.agree(number)
        if is_whole and (is_empty or (was_whole and is_same)):
            if is_empty or not looks_behind or not await one.is_more_behind():
                pages += one.pages
                vanished = await tally.size() - seen
                return PassesResult(rows=seen, passes=number, pages=pages, total=one.total, vanished=vanished)
            doubts.note_more_behind(seen)
            is_whole = False
        pages += one.pages
        doubts.note(one, seen, is_same=is_same)
        was_whole = is_whole
    raise UnprovenError(
        f"the list kept moving, or leaves rows out: no two of {max_passes} passes over it in a row agreed ({doubts})"
    )


class _Doubts:
    """Why passes do not come to an end: a list whose word on itself never holds is given up before all are made."""

    def __init__(self) -> None:
        self._last = ""
        self._same = 0
        self._more = 0

    def __str__(self) -> str:
        return f"the last one saw {self._last}"

    def note(self, one: _Pass, seen: int, *, is_same: bool) -> None:
        """A pass that did not end the reading. Raises UnprovenError where the count alone is in the way."""
        counts = "changing counts" if one.total is None else f"a count of {one.total}"
        self._last = f"{seen} rows, with {counts if one.has_count else 'no count'}"
        self._same = self._same + 1 if is_same and one.total not in {None, seen} else 0
        if self._same + 1 >= SAME_PASSES:
            raise UnprovenError(
                f"the list counts {one.total} rows, and {SAME_PASSES} passes over it in a row saw the same {seen}"
            )

    def note_more_behind(self, seen: int) -> None:
        self._more += 1
        if self._more >= LOOKS_BEHIND:
            raise UnprovenError(
                f"the list says that it ends after {seen} rows, and shows more behind its end"
            )


class _Pass:
    """One pass. Segments of the list, of a page each where lengths are as planned, are read side by side."""

    def __init__(
        self,
        source: Source,
        number: int,
        *,
        limit: int,
        concurrency: Callable[[], int],
        sink: RowSink,
        tally: Tally,
        facts: ListFacts,
    ) -> None:
        self.pages = 0
        self.places = 0
        self.has_moved = False
        self.is_end_shown = False  # by a page that was not full
        self._page_limit = limit
        self._source = source
        self._number = number
        self._limit = limit
        self._concurrency = concurrency
        self._sink = sink
        self._tally = tally
        self._facts = facts
        self._overlap = 1 if source.listing.can_overlap else 0
        self._totals: set[int | None] = set()
        self._nameless = 0
        self._delivered = 0
        self._end: int | None = None  # where a segment began that found nothing
        self._edges: dict[
            int, str
        ] = {}  # the last row of a segment, or the rows that the next one begins with,
        self._heads: dict[int, frozenset[str]] = {}  # until the other of the two is known
        self._watch = RepeatWatch()

    @property
    def total(self) -> int | None:
        return next(iter(self._totals)) if len(self._totals) == 1 else None

    @property
    def has_count(self) -> bool:
        return self._totals != {None}

    async def is_more_behind(self) -> bool:
        """Whether the list shows rows behind the end that it tells of, which no page has shown by being short."""
        if self.is_end_shown or not self.places:
            return False
        length = self._page_limit
        offset = self.places if self._overlap else -(-self.places // length) * length
        page = await self._source.fetch(PageQuery(limit=length, offset=offset))
        self.pages += 1
        return bool(await self._tally.missing([_name(record) for record in page.records]))

    def is_whole(self, seen: int) -> bool:
        """Whether nothing moved, and as many rows were seen as the list counts."""
        if self.has_moved or len(self._totals) != 1:
            return False
        total = self.places if self.total is None else self.total
        return seen == total or (self._nameless > 0 and self.places == total)

    async def read(self, planned: int | None) -> None:
        """Read from the first page to the shown end. `planned`: how long the list was the last time."""
        first = await self._fetch(0, self._limit)
        rows = len(first.records)
        # Pages of a numbered list are as long as its first: what the host clamped to, or all that there is.
        limit = self._limit if self._overlap or not rows else min(rows, self._limit)
        self._page_limit = limit
        length = planned if first.total is None else first.total
        stride = max(1, rows - self._overlap)
        starts = list(range(0, max(1, (length or 0) - self._overlap), stride)) if rows else [0]
        segments = self._segments(first, starts, limit)
        pool = Pool(self._concurrency, lambda: next(segments, None), name="read a segment")
        await pool.run()

    def _segments(self, first: Page, starts: list[int], limit: int) -> Iterator[Job]:
        for number, (start, stop) in enumerate(pairwise([*starts, None])):
            if start is None or (self._end is not None and start > self._end):
                return
            walk = OffsetWalk(
                self._facts,
                limit=limit,
                start=start,
                stop=stop,
                overlap=self._overlap,
                is_numbered=not self._overlap,
            )
            yield partial(self._read_segment, number, walk, None if number else first)

    async def _read_segment(self, number: int, walk: OffsetWalk, page: Page | None) -> None:
        tail: tuple[int, str] | None = None  # the last row so far and the place after it
        is_head = True
        while not walk.is_over:
            offset = walk.offset
            page = page or await self._fetch(offset, walk.limit)
            walk.take(page)
            names = [_name(record) for record in page.records]
            # Without an overlap no edge is ever noted, for which the head of each page of the list would be kept.
            if is_head and self._overlap:
                self._note_head(number, frozenset(names))
            elif tail is not None and offset < tail[0] and tail[1] not in names:
                self.has_moved = True
            is_head = False
            if names:
                tail = (offset + len(names), names[-1])
            await self._hand_on(page, names)
            page = None
        self._close(number, walk, tail)

    def _close(self, number: int, walk: OffsetWalk, tail: tuple[int, str] | None) -> None:
        self.places = max(self.places, walk.slots)
        self.has_moved |= walk.has_hole
        if walk.is_at_end:
            self._end = walk.slots if self._end is None else min(self._end, walk.slots)
            self.is_end_shown |= walk.is_end_shown
        if self._overlap and tail is not None:
            self._note_edge(number, tail[1])

    def _note_head(self, number: int, names: frozenset[str]) -> None:
        edge = self._edges.pop(number - 1, None)
        if edge is None:
            self._heads[number] = names
        else:
            self.has_moved |= edge not in names

    def _note_edge(self, number: int, edge: str) -> None:
        names = self._heads.pop(number + 1, None)
        if names is None:
            self._edges[number] = edge
        else:
            self.has_moved |= edge not in names

    async def _fetch(self, offset: int, limit: int) -> Page:
        page = _without_repeats(await self._source.fetch(PageQuery(limit=limit, offset=offset)))
        self.pages += 1
        if page.records or page.total is not None or not offset:
            self._totals.add(page.total)  # a numbered page past the end says nothing
        if self._watch.is_stuck(page.records, must_differ=True):
            raise BadAnswerError("the list answers the same page at every offset")
        return page

    async def _hand_on(self, page: Page, names: list[str]) -> None:
        new = await self._tally.add(self._number, names)
        # Not before they are in the tally: many pages may wait for it at once.
        self._delivered += len(names)
        self._nameless += sum(record.id is None for record in page.records)
        fresh = {name: record for name, record in zip(names, page.records, strict=True) if name in new}
        if fresh:
            await self._sink(tuple(fresh.values()))
        # Pages overlap, and in random order a pass sees more than half of all rows; but no list is mostly repeats.
        if self._delivered > 4 * (await self._tally.size() + self._nameless) + 10 * self._limit:
            raise BadAnswerError("the list answers the same rows at every offset")


def _without_repeats(page: Page) -> Page:
    """A row that comes twice in one page, as careless joins have it, takes one place; by its id, where it has one."""
    named = [record.id for record in page.records if record.id is not None]
    if len(set(named)) == len(named):
        return page
    rows = {place if record.id is None else record.id: record for place, record in enumerate(page.records)}
    return replace(page, records=tuple(rows.values()))


def _name(record: Record) -> str:
    """What a row is known by. A row without an id is known by its content, under a name that no id has."""
    if record.id is not None:
        return record.id
    return "\0" + name_of_content(record.data)
