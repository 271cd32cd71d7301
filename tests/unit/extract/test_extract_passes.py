"""A list with neither order nor filter: passes until two agree."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkmove.errors import BadAnswerError, RequestFailedError, UnprovenError
from bulkmove.extract import PassesResult, Tally, read_passes
from bulkmove.extract.testing import T0, Habits, MovingList, Row
from bulkmove.model import Listing, Page, PageQuery, Record

habits_of_hosts = st.builds(
    Habits,
    reading=st.just("passes"),
    page_limit=st.sampled_from((3, 5, 10, 50)),
    clamp=st.sampled_from((None, None, 4, 7)),
    can_overlap=st.booleans(),
    totals=st.sampled_from(("right", "right", "absent")),
    says_next=st.booleans(),
    moves=st.sampled_from((0.0, 0.3, 1.5)),
    moves_until=st.sampled_from((5, 30, 60)),
)


def _rows(count: int) -> list[Row]:
    return [Row(f"row-{number}", T0) for number in range(count)]


async def _read(
    source: MovingList, *, concurrency: Callable[[], int] = lambda: 3, max_passes: int = 40
) -> tuple[PassesResult, list[str | None], set[str]]:
    handed: list[str | None] = []

    async def sink(records: Sequence[Record]) -> None:
        handed.extend(record.id for record in records)

    async with Tally() as tally:
        result = await read_passes(
            source,
            limit=source.habits.page_limit,
            concurrency=concurrency,
            sink=sink,
            tally=tally,
            max_passes=max_passes,
        )
        gone = await tally.missing([one for one in handed if one is not None])
    return result, handed, gone


@settings(max_examples=120, deadline=None)
@given(habits_of_hosts, st.integers(0, 10**6), st.sampled_from((0, 1, 12, 120)), st.sampled_from((1, 4)))
def test_what_agreeing_passes_saw_is_all_that_stood(
    habits: Habits, seed: int, count: int, concurrency: int
) -> None:
    source = MovingList(habits, _rows(count), seed)
    result, handed, gone = anyio.run(lambda: _read(source, concurrency=lambda: concurrency))
    assert source.stood() <= set(handed)
    assert len(handed) == len(set(handed)), "a row was handed on twice"
    assert result.vanished == len(gone)
    if source.requests > habits.moves_until + 3 * (result.pages // result.passes + 2):
        # Both passes that agreed were read after the list came to rest.
        standing = {row.id for row in source.rows}
        assert set(handed) - gone == standing
        assert result.rows == len(standing)


def test_one_pass_alone_loses_rows() -> None:
    """What the agreement is for: the same lists, read once, by pages that don't overlap."""

    async def read_once(source: MovingList) -> set[str | None]:
        seen: set[str | None] = set()
        offset = 0
        while (page := await source.fetch(PageQuery(10, offset=offset))).records:
            seen |= {record.id for record in page.records}
            offset += len(page.records)
        return seen

    async def count_losses(read: Callable[[MovingList], object]) -> int:
        losses = 0
        habits = Habits(
            reading="passes", page_limit=10, kinds=("delete", "insert"), moves=0.7, moves_until=40
        )
        for seed in range(40):
            source = MovingList(replace(habits), _rows(150), seed)
            seen = await read_once(source) if read is read_once else set((await _read(source))[1])
            losses += not source.stood() <= seen
        return losses

    assert anyio.run(count_losses, read_once) >= 30
    assert anyio.run(count_losses, _read) == 0


async def test_a_list_at_rest_takes_two_passes() -> None:
    source = MovingList(Habits(reading="passes", page_limit=50), _rows(1000))
    result, handed, _ = await _read(source)
    assert (result.rows, result.passes, result.total, result.vanished) == (1000, 2, 1000, 0)
    assert len(handed) == 1000
    assert source.requests <= 2 * (1000 / 49 + 1)


@pytest.mark.parametrize(
    ("habits", "requests"),
    [
        (Habits(reading="passes"), 1),
        (Habits(reading="passes", totals="absent"), 2),
        (Habits(reading="passes", totals="absent", says_next=False, can_overlap=False), 2),
    ],
    ids=["counted", "not counted", "bare array"],
)
async def test_an_empty_list_is_read_once_if_it_is_counted(habits: Habits, requests: int) -> None:
    source = MovingList(habits, [])
    result, _, _ = await _read(source)
    assert result.rows == 0
    assert source.requests == requests


async def test_pages_of_a_pass_are_read_side_by_side() -> None:
    latency_s = 0.03
    source = MovingList(Habits(reading="passes", page_limit=20, latency_s=latency_s), _rows(2000))
    began = anyio.current_time()
    await _read(source, concurrency=lambda: 8)
    took_s = anyio.current_time() - began
    assert source.most_in_flight == 8
    # An eighth of what they take one by one, and as much again and more for a machine that is busy otherwise.
    assert took_s <= source.requests * latency_s / 2


async def test_many_pages_that_come_at_once_are_not_taken_for_one_that_comes_again() -> None:
    source = MovingList(Habits(reading="passes", page_limit=20, latency_s=0.01), _rows(2000))
    result, handed, _ = await _read(source, concurrency=lambda: 40)
    assert source.most_in_flight == 40
    assert len(handed) == result.rows == 2000


@pytest.mark.parametrize("can_overlap", [True, False], ids=["offsets", "numbered"])
async def test_a_silent_clamp_is_followed(*, can_overlap: bool) -> None:
    habits = Habits(reading="passes", page_limit=1000, clamp=25, can_overlap=can_overlap)
    source = MovingList(habits, _rows(500))
    result, handed, _ = await _read(source)
    assert len(handed) == result.rows == 500
    assert source.requests <= 2 * (500 / 24 + 2)


async def test_rows_that_went_away_are_reported() -> None:
    habits = Habits(reading="passes", page_limit=10, moves=1.0, moves_until=15, kinds=("delete",))
    source = MovingList(habits, _rows(100), 3)
    result, handed, gone = await _read(source)
    assert result.vanished == len(gone) > 0
    assert gone == set(handed) - {row.id for row in source.rows}


class _NamelessList(MovingList):
    """Every third row has no id; two of them are the same."""

    async def fetch(self, query: PageQuery) -> Page:
        page = await super().fetch(query)
        return replace(page, records=tuple(map(self._strip, page.records)))

    def _strip(self, record: Record) -> Record:
        number = int((record.id or "").removeprefix("row-"))
        if number % 3:
            return record
        return record._replace(id=None, data={"text": max(number, 3)})


async def test_rows_without_an_id_are_known_by_their_content() -> None:
    source = _NamelessList(Habits(reading="passes", page_limit=10), _rows(60))
    result, handed, _ = await _read(source)
    assert handed.count(None) == 19
    assert len(handed) == result.rows == 59


async def test_an_offset_that_takes_no_effect_is_named() -> None:
    habits = Habits(reading="passes", page_limit=10, ignores=frozenset({"offset"}))
    with pytest.raises(BadAnswerError, match="same page at every offset"):
        await _read(MovingList(habits, _rows(100)))


class _ShuffledList(MovingList):
    """Answers ten rows at random, whatever is asked."""

    async def fetch(self, query: PageQuery) -> Page:
        page = await super().fetch(replace(query, limit=100, offset=0))
        return Page(tuple(self.random.sample(list(page.records), 10)), None, has_next=True)


async def test_a_list_without_an_end_is_named() -> None:
    with pytest.raises(BadAnswerError, match="at every offset"):
        await _read(_ShuffledList(Habits(reading="passes", page_limit=100), _rows(100)))


async def test_a_list_that_never_rests_is_named_unproven() -> None:
    source = MovingList(Habits(reading="passes", moves=2.0, kinds=("insert", "delete")), _rows(100))
    with pytest.raises(UnprovenError, match="6 passes"):
        await _read(source, max_passes=6)


async def test_a_count_that_lies_is_never_agreed_with() -> None:
    source = MovingList(Habits(reading="passes", totals="lies"), _rows(50))
    with pytest.raises(UnprovenError):
        await _read(source, max_passes=4)


class _FailingList(MovingList):
    async def fetch(self, query: PageQuery) -> Page:
        if self.requests >= 5:
            raise RequestFailedError("the host answers 500")
        return await super().fetch(query)


async def test_an_error_of_the_source_is_raised_as_it_is() -> None:
    with pytest.raises(RequestFailedError, match="500"):
        await _read(_FailingList(Habits(reading="passes", latency_s=0.001), _rows(200)))


@dataclass(frozen=True, slots=True)
class _MadeUpList:
    """Its rows are made as they are asked for, so that whoever reads it is alone to keep any of them."""

    rows: int
    can_overlap: bool

    @property
    def listing(self) -> Listing:
        return Listing("passes", 200, can_overlap=self.can_overlap)

    async def fetch(self, query: PageQuery) -> Page:
        numbers = range(query.offset, min(query.offset + query.limit, self.rows))
        return Page([Record(f"row-{number}", T0, None, {}) for number in numbers], self.rows, None)


async def _most_bytes_held(source: _MadeUpList) -> int:
    async def sink(_records: Sequence[Record]) -> None:
        """Nothing is kept of them."""

    async with Tally() as tally:
        tracemalloc.start()
        await read_passes(source, limit=200, concurrency=lambda: 3, sink=sink, tally=tally)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return peak


@pytest.mark.parametrize("can_overlap", [True, False], ids=["offsets", "numbered"])
async def test_what_is_held_of_a_list_does_not_grow_with_it(*, can_overlap: bool) -> None:
    few = await _most_bytes_held(_MadeUpList(4_000, can_overlap))
    many = await _most_bytes_held(_MadeUpList(24_000, can_overlap))
    assert many < 2 * few
