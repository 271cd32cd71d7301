"""What a list counts and shows at the end of a reading, held against what was read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bulkmove.entries import Span
from bulkmove.extract.beyond import span_beyond
from bulkmove.extract.dated import DatedIds
from bulkmove.extract.differing import MOST_PAGES, MOST_REQUESTS, Difference, difference, stretches
from bulkmove.extract.testing import T0, Habits, MovingList, Row, make_rows
from bulkmove.model import Page, PageQuery, Record


def shop(habits: Habits, *, groups: int = 300) -> MovingList:
    return MovingList(habits, make_rows(5, groups=groups, gap_s=9, most=4))


async def compared(
    source: MovingList, *, change: list[str] | None = None, late: list[Row] | None = None
) -> Difference:
    """All rows were read; then some go and some come."""
    async with DatedIds() as read:
        await read.add([Record(row.id, row.key, None, {}) for row in source.rows])
        source.rows = [row for row in source.rows if row.id not in (change or [])] + (late or [])
        return await difference(source, read, [(None, source.cutoff)])


INCLUSIVE = Habits(page_limit=20, is_after_inclusive=True, is_before_inclusive=True)
EXCLUSIVE = Habits(page_limit=20)


@pytest.mark.parametrize("habits", [INCLUSIVE, EXCLUSIVE], ids=["inclusive", "exclusive"])
async def test_a_list_at_rest_takes_one_request(habits: Habits) -> None:
    source = shop(habits)
    assert await compared(source) == Difference(read=len(source.rows), counted=len(source.rows))
    assert source.requests == 1


@pytest.mark.parametrize("habits", [INCLUSIVE, EXCLUSIVE], ids=["inclusive", "exclusive"])
async def test_rows_that_left_are_named_and_rows_that_came_are_shown(habits: Habits) -> None:
    source = shop(habits)
    lost = [source.rows[4].id, source.rows[5].id, source.rows[400].id]
    late = [Row("late", (source.rows[200].key or 0) + 1)]
    found = await compared(source, change=lost, late=late)
    assert found.gone == set(lost)
    assert [row.id for row in found.late] == ["late"]
    assert found.is_told
    assert not found.unshown
    assert source.requests < 40


async def test_a_row_that_is_dated_anew_is_not_gone() -> None:
    source = shop(EXCLUSIVE)
    moved = source.rows[50]
    found = await compared(source, change=[moved.id], late=[Row(moved.id, (source.rows[500].key or 0) + 1)])
    assert not found.gone


async def test_rows_that_are_counted_and_never_shown_are_counted() -> None:
    source = MovingList(EXCLUSIVE, [Row(f"row-{number}", T0 + 7 * number) for number in range(300)])
    hidden = source.rows[77]
    async with DatedIds() as read:
        await read.add([Record(row.id, row.key, None, {}) for row in source.rows if row is not hidden])
        hidden.is_hidden = True
        found = await difference(source, read, [(None, source.cutoff)])
    assert (found.unshown, found.gone, found.late, found.is_told) == (1, set(), [], True)


class _Whole(MovingList):
    """Each page is said to be all there is, whatever it lacks."""

    async def fetch(self, query: PageQuery) -> Page:
        page = await super().fetch(query)
        return replace(page, total=len(page.records) if query.limit > 1 else page.total, has_next=False)


async def test_a_row_that_a_page_lacks_is_not_gone_where_pages_leave_rows_out() -> None:
    source = _Whole(Habits(page_limit=20, drops=0.3), make_rows(5, groups=8, gap_s=9, most=2))
    async with DatedIds() as read:
        await read.add([Record(row.id, row.key, None, {}) for row in source.rows])
        source.rows += [Row(f"late-{number}", (source.rows[4].key or 0) + 1) for number in range(5)]
        found = await difference(source, read, [(None, source.cutoff)], leaves_rows_out=True)
    assert (found.gone, found.unshown, found.is_told) == (set(), 0, False)
    assert {row.id[:5] for row in found.late if row.id is not None} == {"late-"}


async def test_a_list_that_is_not_counted_is_not_compared() -> None:
    source = shop(Habits(page_limit=20, totals="absent"))
    found = await compared(source, change=[source.rows[3].id])
    assert found.gone == set()
    assert source.requests == 1


async def test_more_differences_than_requests_are_told_as_a_number() -> None:
    source = shop(EXCLUSIVE, groups=3000)
    lost = [row.id for row in source.rows[::9]]
    found = await compared(source, change=lost)
    assert found.gone < set(lost)
    assert not found.is_told
    assert found.read - found.counted == len(lost)
    assert source.requests <= MOST_REQUESTS + MOST_PAGES


def span(number: int, lower: int | None, upper: int, reached: int | None) -> Span:
    return Span(number, lower, upper, reached, reached is not None and reached >= upper, 0)


def test_what_a_reading_goes_on_from_is_what_it_will_have_read() -> None:
    assert stretches([span(0, None, 50, None), span(1, 49, 101, 49)], cutoff=100) == [(None, 100)]
    spans = [span(0, None, 50, 50), span(1, 49, 101, 70), span(2, 100, 201, 201), span(3, 200, 999, 300)]
    assert stretches(spans, cutoff=800) == [(70, 100), (300, 800)]
    assert stretches([span(0, 10, 20, 10)], cutoff=5) == []


@pytest.mark.parametrize("habits", [INCLUSIVE, EXCLUSIVE], ids=["inclusive", "exclusive"])
@pytest.mark.parametrize("ahead_s", [1, 2, 59, 60, 61, 3599, 86_400, 10**9])
async def test_rows_dated_ahead_of_the_clock_get_a_span(habits: Habits, ahead_s: int) -> None:
    rows = [Row("a", T0 - 5), Row("now", T0), Row("b", T0 + 1), Row("c", T0 + ahead_s)]
    source = MovingList(habits, rows)
    beyond = await span_beyond(source, now=T0, number=7)
    assert beyond is not None
    assert (beyond.id, beyond.lower, beyond.upper, beyond.reached) == (7, T0 + 1, T0 + ahead_s + 1, T0 + 1)
    assert source.requests <= 1 + 2 * max(6, ahead_s.bit_length())


@pytest.mark.parametrize("habits", [INCLUSIVE, EXCLUSIVE], ids=["inclusive", "exclusive"])
async def test_where_no_row_is_dated_ahead_one_request_tells(habits: Habits) -> None:
    source = MovingList(habits, [Row("a", T0 - 5), Row("now", T0)])
    assert await span_beyond(source, now=T0, number=1) is None
    assert source.requests == 1


async def test_the_user_s_own_last_date_bounds_what_is_dated_ahead() -> None:
    rows = [Row("now", T0), Row("b", T0 + 500), Row("c", T0 + 5000)]
    bounded = MovingList(Habits(last_key=T0 + 1000), rows)
    found = await span_beyond(bounded, now=T0, number=0)
    assert found is not None
    assert found.upper == T0 + 1001
    past = MovingList(Habits(last_key=T0 - 10), rows)
    assert await span_beyond(past, now=T0, number=0) is None
    assert past.requests == 0
