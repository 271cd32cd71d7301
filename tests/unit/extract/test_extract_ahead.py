"""Pages that are asked for ahead: in order, no more at once than is said, and what fails is raised where it is wanted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bulkmove.errors import RequestFailedError
from bulkmove.extract.ahead import MOST_PAGES, MOST_ROWS, reading_ahead
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
