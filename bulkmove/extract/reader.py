"""One span being read: its requests, one after the other, and when it can be split."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import anyio

from bulkmove.entries import Span
from bulkmove.extract.facts import ListFacts
from bulkmove.extract.second import read_second
from bulkmove.extract.spans import can_split, split
from bulkmove.extract.walk import Walk, wanted
from bulkmove.model import Page, PageQuery, Record
from bulkmove.protocols import Source

# Each span ends with a page that is not full. A rest shorter than this is read sooner than that page is worth …
PAGES_WORTH_A_SPLIT = 6
# … unless the host has nothing else to do: then the page is free. One of these is on its way already.
PAGES_WORTH_A_FREE_SPLIT = 2


@dataclass(frozen=True, slots=True)
class ReadPage:
    """Rows of a span, with the span's progress once they are kept: store both in one transaction, or neither.

    Rows may come again in a later page; ids tell. There may be none, where only the progress is new.
    """

    records: Sequence[Record]
    span: Span


Sink = Callable[[ReadPage], Awaitable[None]]
OnSplit = Callable[[Span, Span], Awaitable[None]]


class SpanReader:
    """Reads one span to its end. `rows_left` plans how many rows remain, None before the first page told."""

    def __init__(
        self,
        source: Source,
        span: Span,
        *,
        limit: int,
        facts: ListFacts,
        sink: Sink,
        rows_left: float | None = None,
    ) -> None:
        self.rows_left = rows_left
        self.rows = 0
        self.pages = 0
        self.evidence: list[int] = []
        self.is_splitting = False
        self._least_pages = PAGES_WORTH_A_SPLIT
        self._source = source
        self._facts = facts
        self._limit = limit
        self._sink = sink
        self._start = span.reached
        self._walk = Walk(span, limit=limit, facts=facts, is_numbered=not source.listing.can_overlap)
        # Held while progress is stored, by the sink or by a split, so that the two are stored in their order.
        self._storing = anyio.Lock(fast_acquire=True)

    @property
    def span(self) -> Span:
        return self._walk.span

    def can_split(self, *, is_free: bool = False) -> bool:
        """Whether the rest is worth two readers, and nobody is at it. `is_free`: the host would else have less to do."""
        self._least_pages = PAGES_WORTH_A_FREE_SPLIT if is_free else PAGES_WORTH_A_SPLIT
        return not self.is_splitting and self._has_two_parts()

    async def step(self) -> None:
        """One request, or all passes over one second, and the rows and progress that they bring to the sink."""
        if self._walk.second is not None:
            await self._read_second(self._walk.second)
            return
        query = self._walk.query()
        page = await self._source.fetch(query)
        self.pages += 1
        async with self._storing:
            if self._walk.take(query, page):
                self.rows += len(page.records)
                self._plan(query, page)
                await self._hand_on(page.records)

    async def split(self, new_id: int, on_split: OnSplit) -> SpanReader | None:
        """Give half of what remains to a new reader, once `on_split` has stored both; None where too little remains."""
        self.is_splitting = True
        try:
            async with self._storing:
                if not self._has_two_parts():
                    return None
                shortened, new = split(self.span, new_id)
                await on_split(shortened, new)
                self._walk.shorten(shortened)
        finally:
            self.is_splitting = False
        half = self.rows_left = (self.rows_left or 0) / 2
        return SpanReader(
            self._source, new, limit=self._limit, facts=self._facts, sink=self._sink, rows_left=half
        )

    def _has_two_parts(self) -> bool:
        """Pages enough to be worth the page that a new span costs, and a few seconds."""
        if self.rows_left is None or self.rows_left < self._least_pages * max(1, self._facts.longest):
            return False
        return can_split(self.span)

    async def _read_second(self, second: int) -> None:
        rows = await read_second(
            self._source, second, limit=self._limit, facts=self._facts, hand_on=self._hand_on_within
        )
        async with self._storing:
            self._walk.close_second(rows)
            self.evidence.append(second)
            await self._hand_on(())

    async def _hand_on_within(self, records: Sequence[Record]) -> None:
        self.pages += 1
        self.rows += len(records)
        async with self._storing:
            await self._hand_on(records)

    async def _hand_on(self, records: Sequence[Record]) -> None:
        listing = self._source.listing
        await self._sink(ReadPage(wanted(records, listing.first_key, listing.last_key), self.span))

    def _plan(self, query: PageQuery, page: Page) -> None:
        """Estimate the rows that remain: by the host's count of them, else as dense as those read so far."""
        span = self.span
        if span.reached is None or span.is_done:
            self.rows_left = 0 if span.is_done else None
            return
        rest = span.upper - span.reached
        total = self._facts.planned(page)
        if total is not None:
            told = max(0, total - query.offset - len(page.records))
            asked = max(1, (query.before or span.upper) - span.reached)  # a split may have taken part of it
            self.rows_left = told * min(1.0, rest / asked)
            return
        if self._start is None:
            first = next((record.key for record in page.records if record.key is not None), span.reached)
            self._start = first
        self.rows_left = self.rows * rest / max(1, span.reached - self._start)
