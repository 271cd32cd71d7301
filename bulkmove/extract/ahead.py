"""Pages that are asked for before they are wanted: some side by side, handed out in their order; and a span's first ones."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import chain

import anyio
from anyio.abc import TaskGroup

from bulkmove.entries import Span
from bulkmove.errors import BulkmoveError, single_error
from bulkmove.extract.facts import ListFacts
from bulkmove.extract.walk import Walk
from bulkmove.model import Listing, Page, PageQuery
from bulkmove.protocols import Source

MOST_PAGES = 10
MOST_ROWS = 3_000
_NOT_YET = Page((), None, has_next=None)


@dataclass(slots=True)
class _Asked:
    query: PageQuery
    answered: anyio.Event = field(default_factory=anyio.Event)
    page: Page = _NOT_YET
    failure: BulkmoveError | None = None
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    async def answer(self, source: Source) -> None:
        with self.scope:
            try:
                self.page = await source.fetch(self.query)
            except BulkmoveError as error:  # raised where the page is wanted
                self.failure = error
            self.answered.set()

    async def wait(self) -> Page:
        """The page; raises what the source raised for it."""
        await self.answered.wait()
        if self.failure is not None:
            raise self.failure
        return self.page


class Ahead:
    """Fetches the pages of one list in the order in which they are wanted, those that are expected ahead of it.

    An expectation that does not come true costs its requests, of which ten at most are under way, and nothing else.
    """

    def __init__(self, source: Source, tasks: TaskGroup, *, at_once: int) -> None:
        self._source = source
        self._tasks = tasks
        self._at_once = at_once
        self._expected: Iterator[PageQuery] = iter(())
        self._asked: deque[_Asked] = deque()

    @property
    def is_expecting(self) -> bool:
        return bool(self._asked)

    def expect(self, queries: Iterable[PageQuery]) -> None:
        """These are wanted next, after those that were expected before. They are gone through as they are asked for."""
        self._expected = chain(self._expected, queries)
        self._ask()

    async def fetch(self, query: PageQuery) -> Page:
        """The page; raises what the source raised for it. Where another one was expected, all expectations are dropped."""
        if not self._asked or self._asked[0].query != query:
            self.drop()
            return await self._source.fetch(query)
        first = self._asked[0]
        await first.answered.wait()
        self._asked.popleft()
        self._ask()
        return await first.wait()

    def drop(self) -> None:
        """What is expected is not wanted any more."""
        self._expected = iter(())
        while self._asked:
            self._asked.popleft().scope.cancel()

    def _ask(self) -> None:
        while len(self._asked) < self._at_once and (query := next(self._expected, None)) is not None:
            asked = _Asked(query)
            self._asked.append(asked)
            self._tasks.start_soon(asked.answer, self._source, name="read ahead")


class FirstPages:
    """A list whose spans' first pages are asked for while it is still being checked that they can be read.

    It is the source itself but for those pages, each of which is handed out once. What is under way keeps `tasks` from
    ending: `drop` it once nobody wants it.
    """

    def __init__(self, source: Source, tasks: TaskGroup) -> None:
        self._source = source
        self._tasks = tasks
        self._asked: dict[PageQuery, _Asked] = {}

    @property
    def listing(self) -> Listing:
        return self._source.listing

    def expect(self, spans: Iterable[Span]) -> None:
        """The first page of each span of this list is wanted next."""
        for span in spans:
            query = Walk(span, limit=self.listing.page_limit, facts=ListFacts()).query()
            if query not in self._asked:
                self._asked[query] = asked = _Asked(query)
                self._tasks.start_soon(asked.answer, self._source, name="read a first page")

    async def fetch(self, query: PageQuery) -> Page:
        """The page; raises what the source raised for it."""
        asked = self._asked.pop(query, None)
        return await (self._source.fetch(query) if asked is None else asked.wait())

    def drop(self) -> None:
        """What is expected is not wanted any more."""
        while self._asked:
            self._asked.popitem()[1].scope.cancel()


@asynccontextmanager
async def reading_ahead(source: Source, *, limit: int) -> AsyncIterator[Ahead]:
    """What reads the list ahead, in pages of so many rows, until the block ends."""
    at_once = max(1, min(MOST_PAGES, MOST_ROWS // limit))
    with single_error():
        async with anyio.create_task_group() as tasks:
            ahead = Ahead(source, tasks, at_once=at_once)
            yield ahead
            ahead.drop()
