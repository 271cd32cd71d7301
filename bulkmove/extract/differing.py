"""What a sorted list counts and shows at the end of a reading, held against what was read: differences by name.

The list is counted; where it counts otherwise than was read, halves are counted, down to a page that is fetched and
compared id by id. What can't be told within a few dozen requests is told as a number, never as a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bulkmove.entries import Span
from bulkmove.extract.dated import DatedIds
from bulkmove.model import Page, PageQuery, Record
from bulkmove.protocols import Source

MOST_REQUESTS = 60
MOST_PAGES = 5  # of a stretch that no free second divides


@dataclass
class Difference:
    """`read`, `counted`: how many rows were read, and how many the list counts now.

    `gone`: ids that were read and are not where they were. `late`: rows that were not there when their page was read.
    `unshown`: how many rows the list counts and does not show. `is_told`: nothing else differs.
    """

    read: int = 0
    counted: int = 0
    gone: set[str] = field(default_factory=set)
    late: list[Record] = field(default_factory=list)
    unshown: int = 0
    is_told: bool = True


def stretches(spans: Sequence[Span], *, cutoff: int) -> list[tuple[int | None, int]]:
    """What a reading that goes on from `spans` will have read whole, as seconds, both included; None: from the first row."""
    found: list[tuple[int | None, int]] = []
    for span in sorted(spans, key=lambda span: (span.lower is not None, span.lower or 0)):
        low, high = span.reached, min(span.upper - 1, cutoff)
        if span.is_done or (low is not None and low > high):
            continue
        if found and low is not None and low <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            found.append((low, high))
    return found


async def difference(
    source: Source, read: DatedIds, parts: Sequence[tuple[int | None, int]], *, leaves_rows_out: bool = False
) -> Difference:
    """What differs in the parts (see `stretches`). Takes one request for each where nothing does.

    Nothing is gone for a page that lacks it where the host `leaves_rows_out` of its pages, others each time.
    """
    look = _Look(source, read, leaves_rows_out=leaves_rows_out)
    first = await read.first()
    for low, high in parts:
        if first is None:
            break
        # A bound that no row has is the same, whether the host includes it or not.
        after = first - 1 if low is None else await read.free(low, step=1)
        before = await read.free(high + 1, step=-1)
        if after < before:
            await look.into(after, before, is_part=True)
    look.found.gone -= look.seen
    return look.found


class _Look:
    def __init__(self, source: Source, read: DatedIds, *, leaves_rows_out: bool) -> None:
        self.found = Difference()
        self._leaves_rows_out = leaves_rows_out
        self.seen: set[str] = set()  # ids that the pages which were fetched show
        self._source = source
        self._read = read
        self._limit = source.listing.page_limit
        self._requests = 0

    async def into(self, after: int, before: int, *, is_part: bool = False) -> None:
        """Look at the rows between two seconds, as closely as it takes."""
        if self._requests >= MOST_REQUESTS and not is_part:
            self.found.is_told = False
            return
        read = await self._read.count(after, before)
        counted = (await self._fetch(after, before, limit=1)).total
        if is_part:
            self.found.read += read
            self.found.counted += read if counted is None else counted
        if counted is None or counted == read:
            return
        await self._read.look_closer()
        most = max(read, counted)
        if most >= self._limit and (middle := await self._read.middle(after, before)) is not None:
            await self.into(after, middle)
            await self.into(middle, before)
        elif most < MOST_PAGES * self._limit:
            await self._compare(after, before)
        else:
            self.found.is_told = False

    async def _compare(self, after: int, before: int) -> None:
        rows: dict[str, Record] = {}
        pages = places = 0
        page = None
        while page is None or (page.has_next and page.records and pages < MOST_PAGES):
            page = await self._fetch(after, before, limit=self._limit, offset=places)
            rows.update((row.id, row) for row in page.records if row.id is not None and row.key is not None)
            pages, places = pages + 1, places + len(page.records)
        unshown = max(0, (page.total or 0) - places)
        missing = await self._read.ids(after, before) - rows.keys()
        self.seen |= rows.keys()
        known = await self._read.known(sorted(rows))
        self.found.late += [row for name, row in rows.items() if name not in known]
        # Rows of one second come in any order, so that a page may lack what another shows; and a row that is counted
        # and not shown may be one that was read.
        is_torn = page.has_next or (pages > 1 and len(rows) < (page.total or 0)) or (unshown and missing)
        if is_torn or self._leaves_rows_out:
            self.found.is_told = False
            return
        self.found.gone |= missing
        self.found.unshown += unshown

    async def _fetch(self, after: int, before: int, *, limit: int, offset: int = 0) -> Page:
        self._requests += 1
        return await self._source.fetch(PageQuery(limit=limit, offset=offset, after=after, before=before))
