"""Where a first reading begins, and how rows without a date are counted."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

import pytest

from bulkmove.entries import Span
from bulkmove.errors import BadAnswerError
from bulkmove.extract import count_undated, plan_spans
from bulkmove.extract.testing import T0, Habits, MovingList, Row, Totals
from bulkmove.model import Page, PageQuery

CUTOFF = T0 + 10_000


def _list(count: int = 1000, habits: Habits | None = None) -> MovingList:
    rows = [Row(f"row-{number}", T0 + 10 * number) for number in range(count)]
    return MovingList(habits or Habits(), rows)


async def test_spans_reach_from_the_first_row_to_the_cutoff_in_two_requests() -> None:
    source = _list()
    spans = await plan_spans(source, cutoff=CUTOFF, count=8)
    assert len(spans) == 8
    assert (spans[0].lower, spans[1].lower, spans[-1].upper) == (None, T0 + 1250, CUTOFF + 1)
    assert source.requests == 2


async def test_a_first_row_that_was_seen_is_not_asked_for_again() -> None:
    source = _list()
    look = await source.fetch(PageQuery(limit=1))
    assert await plan_spans(source, cutoff=CUTOFF, count=8, look=look) == await plan_spans(
        source, cutoff=CUTOFF, count=8
    )
    assert source.requests == 1 + 1 + 2


async def test_a_first_row_that_came_meanwhile_is_within_the_first_span() -> None:
    source = _list()
    look = await source.fetch(PageQuery(limit=1))
    source.rows.insert(0, Row("first", T0 - 15))
    spans = await plan_spans(source, cutoff=CUTOFF, count=8, look=look)
    assert (spans[0].lower, spans[0].reached) == (None, None)


async def test_a_filter_that_leaves_the_seen_row_out_is_told() -> None:
    source = _list(habits=Habits(filter_grain_s=60))
    look = await source.fetch(PageQuery(limit=1))
    with pytest.raises(BadAnswerError, match="coarser than a second"):
        await plan_spans(source, cutoff=CUTOFF, count=8, look=look)


@pytest.mark.parametrize("grain_s", [1, 60])
async def test_spans_are_told_before_the_filter_is_checked_whatever_comes_of_that(grain_s: int) -> None:
    source, told = _list(habits=Habits(filter_grain_s=grain_s)), list[int]()
    look = await source.fetch(PageQuery(limit=1))

    def expect(spans: Sequence[Span]) -> None:
        told.append(len(spans))
        assert source.requests == 1

    with pytest.raises(BadAnswerError) if grain_s > 1 else nullcontext():
        await plan_spans(source, cutoff=CUTOFF, count=8, look=look, expect=expect)
    assert told == [8]


async def test_a_single_span_is_not_told_there_is_nothing_to_check() -> None:
    told = list[int]()
    await plan_spans(_list(15), cutoff=CUTOFF, count=8, expect=lambda spans: told.append(len(spans)))
    assert told == []


async def test_the_users_own_dates_are_asked_for_whatever_was_seen() -> None:
    source = _list(habits=Habits(first_key=T0 + 100, last_key=T0 + 500))
    look = await source.fetch(PageQuery(limit=1))
    spans = await plan_spans(source, cutoff=CUTOFF, count=2, look=look)
    assert (spans[0].lower, spans[-1].upper) == (T0 + 100, T0 + 501)


@pytest.mark.parametrize(("rows", "spans"), [(15, 1), (45, 2), (1000, 8)])
async def test_a_short_list_gets_few_spans(rows: int, spans: int) -> None:
    assert len(await plan_spans(_list(rows), cutoff=CUTOFF, count=8)) == spans


async def test_a_list_that_is_not_counted_gets_all_spans() -> None:
    assert len(await plan_spans(_list(15, Habits(totals="absent")), cutoff=CUTOFF, count=8)) == 8


async def test_an_empty_list_gets_one_span_to_prove_it() -> None:
    spans = await plan_spans(_list(0), cutoff=CUTOFF, count=8)
    assert [(span.lower, span.upper, span.is_done) for span in spans] == [(None, CUTOFF + 1, False)]


async def test_the_users_own_dates_bound_the_spans() -> None:
    source = _list(habits=Habits(first_key=T0 + 100, last_key=T0 + 500))
    spans = await plan_spans(source, cutoff=CUTOFF, count=2)
    assert (spans[0].lower, spans[0].reached, spans[-1].upper) == (T0 + 100, T0 + 100, T0 + 501)
    assert await plan_spans(_list(habits=Habits(first_key=CUTOFF + 1)), cutoff=CUTOFF, count=2) == []


async def test_rows_without_a_date_that_come_first_are_passed_over() -> None:
    source = _list(habits=Habits(shows_undated=True))
    source.rows.insert(0, Row("bare", None))
    spans = await plan_spans(source, cutoff=CUTOFF, count=8)
    assert spans[1].lower == T0 + 1250


async def test_a_filter_coarser_than_a_second_is_refused() -> None:
    source = _list(habits=Habits(filter_grain_s=60))
    source.rows.insert(0, Row("first", T0 - 15))
    with pytest.raises(BadAnswerError, match="coarser than a second"):
        await plan_spans(source, cutoff=CUTOFF, count=8)


class _FleetingList(MovingList):
    """Loses its first row after each fetch."""

    async def fetch(self, query: PageQuery) -> Page:
        page = await super().fetch(query)
        self.rows.pop(0)
        return page


async def test_a_first_row_that_goes_away_is_no_fault_of_the_filter() -> None:
    source = _FleetingList(Habits(), _list().rows)
    assert len(await plan_spans(source, cutoff=CUTOFF, count=8)) == 8
    assert source.requests == 3


@pytest.mark.parametrize(
    ("totals", "bare", "count", "requests"), [("right", 7, 7, 4), ("right", 0, 0, 2), ("absent", 7, 0, 2)]
)
async def test_rows_without_a_date_are_counted_by_difference(
    totals: Totals, bare: int, count: int, requests: int
) -> None:
    """Where there are any they are counted twice, since a list may move between two counts."""
    source = _list(20, Habits(totals=totals))
    source.rows += [Row(f"bare-{number}", None) for number in range(bare)]
    assert await count_undated(source) == count
    assert source.requests == requests


async def test_counts_that_move_tell_nothing_of_rows_without_a_date() -> None:
    source = _list(20, Habits(moves=3.0, kinds=("append",)))
    source.rows += [Row(f"bare-{number}", None) for number in range(7)]
    assert await count_undated(source) == 0


async def test_rows_without_a_date_are_not_counted_where_the_user_asked_for_dates() -> None:
    source = _list(20, Habits(first_key=T0))
    source.rows += [Row("bare", None)]
    assert await count_undated(source) == 0
    assert not source.requests
