"""Spans read side by side: what it costs, how work is shared, and how it ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import anyio
import anyio.lowlevel
import pytest
from anyio import to_thread

from bulkmove.entries import Span
from bulkmove.errors import BadAnswerError, RequestFailedError, UnprovenError
from bulkmove.extract import KeysetResult, ReadPage, first_spans, plan_spans, read_keyset
from bulkmove.extract.short import SAME_ANSWERS
from bulkmove.extract.testing import T0, Habits, MovingList, QuietList, Row, make_rows
from bulkmove.model import Page, PageQuery
from tests.simulation.clock import Clock, VirtualLoop

LIMIT = 20
_T = TypeVar("_T")


def _even_rows(count: int) -> list[Row]:
    return [Row(f"row-{number}", T0 + 7 * number) for number in range(count)]


@dataclass
class _Notes:
    pages: list[ReadPage] = field(default_factory=list)
    splits: list[tuple[Span, Span]] = field(default_factory=list)

    async def sink(self, page: ReadPage) -> None:
        self.pages.append(page)

    async def on_split(self, shortened: Span, new: Span) -> None:
        self.splits.append((shortened, new))

    @property
    def ids(self) -> set[str | None]:
        return {record.id for page in self.pages for record in page.records}


def _in_virtual_time(work: Callable[[], Awaitable[_T]]) -> _T:
    """However busy the machine is."""
    return anyio.run(work, backend_options={"loop_factory": partial(VirtualLoop, Clock())})


async def _read(
    source: MovingList, notes: _Notes, *, spans: int = 8, workers: Callable[[], int] = lambda: 8
) -> KeysetResult:
    planned = await plan_spans(source, cutoff=source.cutoff, count=spans)
    return await read_keyset(
        source,
        planned,
        limit=source.habits.page_limit,
        workers=workers,
        sink=notes.sink,
        on_split=notes.on_split,
    )


@pytest.mark.parametrize("habits", [
    Habits(page_limit=LIMIT),
    Habits(page_limit=LIMIT, totals="absent"),
    Habits(page_limit=LIMIT, totals="unfiltered"),
    Habits(page_limit=LIMIT, totals="absent", says_next=False),
    Habits(page_limit=1000, clamp=LIMIT),
], ids=["as documented", "no totals", "totals that ignore the filter", "bare arrays", "clamped"])  # fmt: skip
@pytest.mark.parametrize("spans", [1, 4, 16])
async def test_a_list_at_rest_takes_few_more_requests_than_it_has_pages(habits: Habits, spans: int) -> None:
    source, notes = QuietList(habits, _even_rows(6000)), _Notes()
    result = await _read(source, notes, spans=spans)
    assert len(notes.ids) == 6000
    assert not result.evidence
    # Each page but the first repeats a row, and a span ends with a page of its own. A count that is wrong is not
    # believed once it was so a few times, until when each reader asks for the page that seems short again.
    doubted = 8 * SAME_ANSWERS if habits.totals == "unfiltered" else 0
    assert source.requests <= 6000 / (LIMIT - 1) * 1.01 + 2 * max(spans, 8) + 4 + doubted


async def test_a_short_list_is_read_in_three_requests() -> None:
    source, notes = QuietList(Habits(page_limit=100), _even_rows(30)), _Notes()
    await _read(source, notes)
    assert len(notes.ids) == 30
    assert source.requests == 3


async def test_an_empty_list_is_proven_empty() -> None:
    source, notes = QuietList(Habits(), []), _Notes()
    result = await _read(source, notes)
    assert [span.is_done for span in result.spans] == [True]
    assert source.requests == 2


@pytest.mark.parametrize("shape", ["even", "one span", "most rows in a burst"])
def test_workers_stay_busy_to_the_end(shape: str) -> None:
    """The time taken is near the requests' own, shared evenly, and few requests are made for nothing."""
    _in_virtual_time(partial(_workers_stay_busy, shape))


async def _workers_stay_busy(shape: str) -> None:
    latency_s, workers = 0.02, 8
    rows = _even_rows(4000)
    if shape == "most rows in a burst":
        rows = [
            Row(row.id, T0 + 5000 + (number if number % 5 else number * 1000))
            for number, row in enumerate(rows)
        ]
        rows.sort(key=lambda row: row.key or 0)
    source, notes = QuietList(Habits(page_limit=LIMIT, latency_s=latency_s), rows), _Notes()
    planned = await plan_spans(source, cutoff=source.cutoff, count=1 if shape == "one span" else workers)
    asked, began = source.requests, anyio.current_time()
    await read_keyset(
        source, planned, limit=LIMIT, workers=lambda: workers, sink=notes.sink, on_split=notes.on_split
    )
    took_s, requests = anyio.current_time() - began, source.requests - asked
    assert len(notes.ids) == 4000
    assert source.most_in_flight == workers
    assert requests <= 4000 / LIMIT * 1.35 + 2 * workers
    # Slots of a request that were left empty, over all workers: ramp-up and the tail.
    assert took_s * workers / latency_s <= requests * 1.6 + 4 * workers


async def test_the_number_of_requests_in_flight_follows_what_is_allowed() -> None:
    source, notes = QuietList(Habits(page_limit=LIMIT, latency_s=0.001), _even_rows(4000)), _Notes()
    seen: list[tuple[int, int]] = []

    def allowed() -> int:
        return 6 if source.requests < 60 else 2

    async def sink(page: ReadPage) -> None:
        seen.append((source.requests, source.in_flight))
        await notes.sink(page)

    spans = first_spans(T0, upper=source.cutoff + 1, count=4)
    await read_keyset(source, spans, limit=LIMIT, workers=allowed, sink=sink, on_split=notes.on_split)
    assert len(notes.ids) == 4000
    assert source.most_in_flight == 6
    assert max(in_flight for requests, in_flight in seen if requests > 80) <= 2


@pytest.mark.parametrize(("workers", "splits"), [(20, 1), (3, 0)])
async def test_a_short_rest_is_split_where_the_host_would_else_have_nothing_to_do(
    workers: int, splits: int
) -> None:
    source, notes = QuietList(Habits(page_limit=LIMIT), _even_rows(5 * LIMIT)), _Notes()
    await _read(source, notes, spans=1, workers=lambda: workers)
    assert len(notes.ids) == 5 * LIMIT
    assert min(1, len(notes.splits)) == splits


async def test_a_span_is_stored_as_split_before_its_new_half_is_read() -> None:
    source, notes = QuietList(Habits(page_limit=LIMIT, latency_s=0.001), _even_rows(2000)), _Notes()
    known: dict[int, Span] = {}

    async def on_split(shortened: Span, new: Span) -> None:
        await anyio.sleep(0.003)
        assert new.id not in known
        known[shortened.id], known[new.id] = shortened, new
        notes.splits.append((shortened, new))

    async def sink(page: ReadPage) -> None:
        before = known.get(page.span.id)
        assert before is None or page.span.upper == before.upper, "progress that forgets a split"
        await anyio.sleep(0.001)
        known[page.span.id] = page.span

    spans = first_spans(T0, upper=source.cutoff + 1, count=1)
    known[0] = spans[0]
    await read_keyset(source, spans, limit=LIMIT, workers=lambda: 5, sink=sink, on_split=on_split)
    assert notes.splits
    assert all(span.is_done for span in known.values())


async def test_progress_is_handed_on_in_order_for_each_span() -> None:
    source, notes = QuietList(Habits(page_limit=LIMIT, latency_s=0.001), _even_rows(2000)), _Notes()
    await _read(source, notes)
    last: dict[int, int] = {}
    for page in notes.pages:
        assert page.span.reached is not None
        assert page.span.reached >= last.get(page.span.id, 0)
        last[page.span.id] = page.span.reached


@pytest.mark.parametrize("is_inclusive", [True, False], ids=["inclusive", "exclusive"])
@pytest.mark.parametrize("can_overlap", [True, False], ids=["offsets", "numbered"])
async def test_hundreds_of_rows_in_one_second_are_read_on_evidence(
    *,
    is_inclusive: bool,
    can_overlap: bool,
) -> None:
    rows = make_rows(1, groups=20, crowds=(300,))
    habits = Habits(
        page_limit=LIMIT,
        is_after_inclusive=is_inclusive,
        is_before_inclusive=is_inclusive,
        can_overlap=can_overlap,
        says_next=can_overlap,
    )
    source, notes = MovingList(habits, rows, 1), _Notes()
    result = await _read(source, notes)
    assert notes.ids == source.stood()
    crowd = max({row.key for row in rows}, key=lambda key: sum(row.key == key for row in rows))
    assert crowd in result.evidence
    assert sum(span.evidence for span in result.spans) >= len(result.evidence) >= 1


@pytest.mark.parametrize("can_overlap", [True, False], ids=["offsets", "numbered"])
@pytest.mark.parametrize("has_stable_ties", [True, False], ids=["in order", "shuffled"])
def test_pages_of_a_full_second_are_asked_for_side_by_side(
    *,
    can_overlap: bool,
    has_stable_ties: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Few answers are waited for in turn, and that takes hardly more requests than one at a time."""

    async def at_once(work: Callable[..., Any], *args: Any, **_: object) -> Any:
        await anyio.lowlevel.checkpoint()
        return work(*args)

    monkeypatch.setattr(to_thread, "run_sync", at_once)  # virtual time waits for no thread
    rows = [Row(f"row-{number}", T0) for number in range(10 * LIMIT - 5)]
    habits = Habits(
        page_limit=LIMIT, latency_s=0.005, has_stable_ties=has_stable_ties, can_overlap=can_overlap
    )

    async def read_all() -> tuple[int, int]:
        """Answers waited for in turn, and requests."""
        began, requests = anyio.current_time(), 0
        for seed in range(5):
            source, notes = MovingList(habits, rows, seed), _Notes()
            await _read(source, notes)
            assert notes.ids == source.stood()
            requests += source.requests
        return round((anyio.current_time() - began) / habits.latency_s), requests

    rounds, requests = _in_virtual_time(read_all)
    monkeypatch.setattr("bulkmove.extract.ahead.MOST_PAGES", 1)
    _, one_by_one = _in_virtual_time(read_all)
    assert rounds <= 5 * (7 if has_stable_ties else 18) < requests
    assert requests <= 1.1 * one_by_one


class _CountsOneLess(MovingList):
    """Its count, and what it says of a page that follows, leave a row out of each filter that holds many."""

    def _answer(self, query: PageQuery) -> Page:
        page = super()._answer(query)
        counted = (page.total or 0) - ((page.total or 0) > 10 * LIMIT)
        return replace(page, total=counted, has_next=query.offset + len(page.records) < counted)


async def test_a_second_is_not_taken_for_read_on_the_word_of_the_host_s_count() -> None:
    """Which of its rows it leaves out differs with each request."""
    for seed in range(10):
        source = _CountsOneLess(
            Habits(page_limit=LIMIT), [Row(f"row-{n}", T0) for n in range(10 * LIMIT + 1)], seed
        )
        with pytest.raises(UnprovenError, match="did not agree"):
            await _read(source, _Notes())


async def test_what_the_user_did_not_ask_for_is_dropped() -> None:
    habits = Habits(page_limit=LIMIT, first_key=T0 + 70, last_key=T0 + 700, shows_undated=True)
    habits.is_after_inclusive = habits.is_before_inclusive = True
    source, notes = MovingList(habits, _even_rows(500)), _Notes()
    result = await _read(source, notes)
    assert notes.ids == {f"row-{number}" for number in range(10, 101)}
    assert (result.spans[0].lower, result.spans[-1].upper) == (T0 + 70, T0 + 701)


async def test_rows_without_a_date_are_passed_on() -> None:
    rows = [Row(f"bare-{number}", None) for number in range(50)] + _even_rows(100)
    source, notes = (
        MovingList(Habits(page_limit=LIMIT, shows_undated=True, has_stable_ties=True), rows),
        _Notes(),
    )
    await _read(source, notes)
    assert notes.ids == {row.id for row in rows}


@pytest.mark.parametrize(
    ("habits", "named"),
    [
        (Habits(page_limit=LIMIT, ignores=frozenset({"after"})), "filter"),
        (Habits(page_limit=LIMIT, ignores=frozenset({"before"})), "filter"),
        (Habits(page_limit=LIMIT, ignores=frozenset({"sort"})), "not sorted"),
        (Habits(page_limit=LIMIT, filter_grain_s=86400), "filter"),
    ],
    ids=["lower bound", "upper bound", "sort", "a filter by day"],
)
async def test_a_host_that_ignores_what_it_is_asked_is_named(habits: Habits, named: str) -> None:
    with pytest.raises(BadAnswerError, match=named):
        await _read(MovingList(habits, _even_rows(1000)), _Notes())


async def test_a_filter_by_the_minute_is_named_by_the_cursor_alone() -> None:
    source, notes = MovingList(Habits(page_limit=LIMIT, filter_grain_s=60), _even_rows(1000)), _Notes()
    with pytest.raises(BadAnswerError, match="coarser than a second"):
        await _read(source, notes, spans=1, workers=lambda: 1)


async def test_an_offset_that_takes_no_effect_in_a_second_is_named() -> None:
    rows = [Row(f"row-{number}", T0) for number in range(100)]
    source = MovingList(Habits(page_limit=LIMIT, ignores=frozenset({"offset"}), has_stable_ties=True), rows)
    with pytest.raises(BadAnswerError, match="offsets take no effect in second"):
        await _read(source, _Notes())


class _HollowList(QuietList):
    """Answers an empty page wherever one row should be, and says that more follows."""

    async def fetch(self, query: PageQuery) -> Page:
        page = await super().fetch(query)
        if any(record.id == "row-43" for record in page.records):
            return Page((), None, has_next=True)
        return page


async def test_a_span_that_can_not_be_proven_is_named_and_the_others_are_read() -> None:
    source, notes = _HollowList(Habits(page_limit=LIMIT), _even_rows(400)), _Notes()
    spans = first_spans(T0, upper=T0 + 2800, count=4)
    with pytest.raises(UnprovenError, match="could not be proven read after 40 tries"):
        await read_keyset(
            source, spans, limit=LIMIT, workers=lambda: 1, sink=notes.sink, on_split=notes.on_split
        )
    done = {page.span.id for page in notes.pages if page.span.is_done}
    assert {1, 2, 3} <= done
    assert 0 not in done


class _FailingList(QuietList):
    async def fetch(self, query: PageQuery) -> Page:
        if self.requests >= 20:
            raise RequestFailedError("the host answers 500")
        return await super().fetch(query)


async def test_an_error_of_the_source_is_raised_as_it_is() -> None:
    source = _FailingList(Habits(page_limit=LIMIT, latency_s=0.001), _even_rows(2000))
    with pytest.raises(RequestFailedError, match="500"):
        await _read(source, _Notes())


async def test_done_spans_are_not_read_again_and_their_numbers_not_given_anew() -> None:
    source, notes = QuietList(Habits(page_limit=LIMIT, latency_s=0.001), _even_rows(1000)), _Notes()
    half = T0 + 3500
    spans = [
        Span(4, None, half + 1, reached=half + 1, is_done=True, evidence=0),
        Span(2, half, source.cutoff + 1, reached=half, is_done=False, evidence=0),
    ]
    result = await read_keyset(
        source, spans, limit=LIMIT, workers=lambda: 3, sink=notes.sink, on_split=notes.on_split
    )
    assert all((record.key or 0) >= half for page in notes.pages for record in page.records)
    assert {new.id for _, new in notes.splits} == set(range(5, 5 + len(notes.splits)))
    assert len(result.spans) == 2 + len(notes.splits)
