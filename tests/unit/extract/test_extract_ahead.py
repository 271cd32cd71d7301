"""Pages that are asked for ahead: in order, no more at once than is said, and what fails is raised where it is wanted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import anyio
import pytest

from bulkmove.entries import Span
from bulkmove.errors import RequestFailedError, single_error
from bulkmove.extract.ahead import MOST_PAGES, MOST_ROWS, FirstPages, reading_ahead
from bulkmove.extract.testing import T0, Habits, QuietList, Row
from bulkmove.model import Page, PageQuery

FIRST = PageQuery(limit=10)
QUERIES = [replace(FIRST, offset=offset) for offset in range(0, 400, 10)]


def source_of() -> QuietList:
    rows = [Row(f"row-{number}", T0 + number) for number in range(400)]
    return QuietList(Habits(page_limit=10, latency_s=0.001), rows)


async def test_expected_pages_come_side_by_side_and_in_order() -> None:
    source, shown = source_of(), []
    async with reading_ahead(source, limit=10) as ahead:
        ahead.expect(QUERIES)
        for query in QUERIES:
            shown += [record.id for record in (await ahead.fetch(query)).records]
    assert shown == [f"row-{number}" for number in range(400)]
    assert (source.requests, source.most_in_flight) == (len(QUERIES), MOST_PAGES)


@pytest.mark.parametrize(("limit", "most"), [(100, MOST_PAGES), (1000, MOST_ROWS // 1000), (10_000, 1)])
async def test_of_long_pages_fewer_are_asked_for_at_once(limit: int, most: int) -> None:
    source = source_of()
    async with reading_ahead(source, limit=limit) as ahead:
        queries = [PageQuery(limit=limit, offset=number * limit) for number in range(12)]
        ahead.expect(queries)
        for query in queries:
            await ahead.fetch(query)
    assert source.most_in_flight == most


async def test_where_another_page_is_wanted_no_more_of_the_expected_ones_are_asked_for() -> None:
    source = source_of()
    async with reading_ahead(source, limit=10) as ahead:
        ahead.expect(QUERIES)
        await ahead.fetch(QUERIES[0])
        other = await ahead.fetch(replace(FIRST, offset=395))
        assert not ahead.is_expecting
    assert [record.id for record in other.records] == [f"row-{number}" for number in range(395, 400)]
    assert source.requests <= MOST_PAGES + 2


class _FailingList(QuietList):
    async def fetch(self, query: PageQuery) -> Page:
        page = await super().fetch(query)
        if query.offset == 30:
            raise RequestFailedError("the fourth page does not come")
        return page


async def test_what_fails_ahead_is_raised_where_it_is_wanted() -> None:
    source, shown = _FailingList(Habits(page_limit=10), source_of().rows), 0

    async def read() -> None:
        nonlocal shown
        async with reading_ahead(source, limit=10) as ahead:
            ahead.expect(QUERIES)
            for query in QUERIES:
                shown += len((await ahead.fetch(query)).records)

    with pytest.raises(RequestFailedError, match="fourth page"):  # as it is, and in no group
        await read()
    assert shown == 30
    assert source.in_flight == 0


SPANS = [
    Span(number, lower, lower + 101, reached=lower, is_done=False, evidence=0)
    for number, lower in enumerate(range(T0, T0 + 400, 100))
]


@asynccontextmanager
async def first_pages(source: QuietList) -> AsyncIterator[FirstPages]:
    with single_error():
        async with anyio.create_task_group() as tasks:
            ahead = FirstPages(source, tasks)
            yield ahead
            ahead.drop()


def first_query(span: Span) -> PageQuery:
    assert span.lower is not None
    return PageQuery(limit=10, after=span.lower - 1, before=span.upper)


async def test_the_first_pages_of_spans_are_asked_for_at_once_and_handed_out_once_each() -> None:
    source = source_of()
    async with first_pages(source) as ahead:
        ahead.expect(SPANS)
        await anyio.sleep(0.05)
        assert (source.requests, source.most_in_flight) == (4, 4)
        for span in reversed(SPANS):
            page = await ahead.fetch(first_query(span))
            assert page.records[0].key == span.lower
        assert source.requests == 4
        await ahead.fetch(first_query(SPANS[0]))
        assert source.requests == 5


async def test_any_other_page_comes_from_the_source_itself() -> None:
    source = source_of()
    async with first_pages(source) as ahead:
        ahead.expect(SPANS[:1])
        page = await ahead.fetch(first_query(SPANS[1]))
    assert page.records[0].key == SPANS[1].lower
    assert source.in_flight == 0


async def test_what_fails_of_the_first_pages_is_raised_where_it_is_wanted_and_else_by_nobody() -> None:
    class Refusing(QuietList):
        async def fetch(self, query: PageQuery) -> Page:
            await super().fetch(query)
            raise RequestFailedError("it does not come")

    source = Refusing(Habits(page_limit=10), source_of().rows)

    async def read() -> None:
        async with first_pages(source) as ahead:
            ahead.expect(SPANS)
            await ahead.fetch(first_query(SPANS[0]))

    async with first_pages(source) as ahead:
        ahead.expect(SPANS)
        await anyio.sleep(0.05)
    with pytest.raises(RequestFailedError, match="does not come"):  # as it is, and in no group
        await read()


async def test_first_pages_that_nobody_wants_any_more_are_not_waited_for() -> None:
    source = QuietList(Habits(page_limit=10, latency_s=60), source_of().rows)
    with anyio.fail_after(5):
        async with first_pages(source) as ahead:
            ahead.expect(SPANS)
            await anyio.sleep(0.01)
    assert source.in_flight == 0
