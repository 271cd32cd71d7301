"""A second that holds a page of rows or more: its unions, and counts that are none."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import pytest

from bulkmove.errors import UnprovenError
from bulkmove.extract.facts import ListFacts
from bulkmove.extract.offsets import TRIES
from bulkmove.extract.second import passes_left, read_second
from bulkmove.extract.testing import T0, Habits, MovingList, Row
from bulkmove.model import Listing, Page, PageQuery, Record


class _OneSwap:
    """Ten rows in pages of five; y is replaced by z, once. The second page of the second pass is late."""

    listing = Listing(reading="keyset", page_limit=5)
    shown = ("abcde", "abcde", "fghya", "fbcdz", "abcdy", "fghea", "abcdz", "fghez")

    def __init__(self) -> None:
        self.asked = 0

    async def fetch(self, query: PageQuery) -> Page:
        number, self.asked = self.asked, self.asked + 1
        await anyio.sleep(0.05 if number == 3 else 0.01)
        # What is asked for after the fourth was answered shows the rows of after.
        rows = self.shown[number] if number < len(self.shown) else ("xabcd", "efghz")[number % 2]
        return Page([Record(row, T0, "0", {"id": row}) for row in rows], 10, has_next=query.offset == 0)


async def test_rows_of_two_unions_are_never_asked_for_side_by_side() -> None:
    """Or a row that is replaced once would be in both, in the place of one that stood throughout."""
    source, read = _OneSwap(), set[str | None]()

    async def hand_on(records: Sequence[Record]) -> None:
        read.update(record.id for record in records)

    try:
        await read_second(source, T0, limit=5, facts=ListFacts(), hand_on=hand_on)
    except UnprovenError:
        return
    assert "x" in read


class _BeyondMeasure(MovingList):
    def _total(self, matching: int) -> int:
        del matching
        return 10**18


async def test_a_count_beyond_all_measure_costs_neither_time_nor_memory() -> None:
    source = _BeyondMeasure(Habits(page_limit=100), [Row(f"row-{n}", T0) for n in range(120)])
    read = set[str | None]()

    async def hand_on(records: Sequence[Record]) -> None:
        read.update(record.id for record in records)

    with anyio.fail_after(5):
        await read_second(source, T0, limit=100, facts=ListFacts(), hand_on=hand_on)
    assert len(read) == 120


async def test_numbered_pages_are_expected_as_long_as_the_host_sends_them() -> None:
    source = MovingList(
        Habits(page_limit=10, clamp=5, can_overlap=False, has_stable_ties=True),
        [Row(f"row-{n}", T0) for n in range(100)],
    )

    async def hand_on(records: Sequence[Record]) -> None:
        del records

    await read_second(source, T0, limit=10, facts=ListFacts(), hand_on=hand_on)
    assert source.requests <= 40


@pytest.mark.parametrize("share", [1e-18, 1e-9, 0.5, 1 - 1e-16])
def test_no_more_passes_are_expected_than_are_made(share: float) -> None:
    assert 1 <= passes_left(10**18, share) <= TRIES
