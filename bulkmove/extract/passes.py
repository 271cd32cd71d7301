"""Reading a list that can neither be sorted nor filtered: in passes, until two of them agree. Evidence, not proof.

The pages of a pass overlap by a row, so that a row that slips between two of them shows: the last row of a page has
to be on the next. Numbered pages can't overlap; there only the count and the agreement speak.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
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
) -> PassesResult:
    """Read the whole list until two passes in a row saw the same ids, as many as the list counts, and nothing moved.

    `sink` gets each row when it is first seen, up to `concurrency()` calls at once; rows without an id are known by
    their content. `tally` is empty, and tells afterwards which of the rows handed on the last pass did not see. An
    empty list that says so is read once. There is no progress to keep: after a restart the reading starts afresh.

    Raises UnprovenError after `max_passes`, BadAnswerError where offsets take no effect.
    """
    facts = ListFacts()
    pages = 0
    was_whole = False
    planned: int | None = None
    for number in range(1, max_passes + 1):
        one = _Pass(source, number, limit=limit, concurrency=concurrency, sink=sink, tally=tally, facts=facts)
        await one.read(planned)
        pages += one.pages
        planned = one.places
        seen = await tally.count(number)
        is_whole = one.is_whole(seen)
        is_empty = is_whole and seen == 0 and one.total == 0
        if is_whole and (is_empty or (was_whole and await tally.agree(number))):
            vanished = await tally.size() - seen
            return PassesResult(rows=seen, passes=number, pages=pages, total=one.total, vanished=vanished)
        was_whole = is_whole
    raise UnprovenError(f"the list kept moving: no two of {max_passes} passes over it in a row agreed")


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
            if is_head:
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
        page = await self._source.fetch(PageQuery(limit=limit, offset=offset))
        self.pages += 1
        self._totals.add(page.total)
        if self._watch.is_stuck(page.records, must_differ=True):
            raise BadAnswerError("the list answers the same page at every offset")
        return page

    async def _hand_on(self, page: Page, names: list[str]) -> None:
        self._delivered += len(names)
        self._nameless += sum(record.id is None for record in page.records)
        new = await self._tally.add(self._number, names)
        fresh = {name: record for name, record in zip(names, page.records, strict=True) if name in new}
        if fresh:
            await self._sink(tuple(fresh.values()))
        # Pages overlap, and in random order a pass sees more than half of all rows; but no list is mostly repeats.
        if self._delivered > 4 * (await self._tally.size() + self._nameless) + 10 * self._limit:
            raise BadAnswerError("the list answers the same rows at every offset")


def _name(record: Record) -> str:
    """What a row is known by. A row without an id is known by its content, under a name that no id has."""
    if record.id is not None:
        return record.id
    return "\0" + name_of_content(record.data)
