"""Rows without a date: no window of a sorted list holds them, so they are counted apart."""

from __future__ import annotations

import anyio

from bulkmove.errors import single_error
from bulkmove.model import PageQuery
from bulkmove.protocols import Source

EVERY_DATED_ROW = 0  # a bound that every row with a date meets


async def count_undated(source: Source) -> int:
    """How many rows have no date, by the host's own counts, in four requests of one row.

    0 where the host does not count, where the user's own filter by date leaves such rows out anyway, and where the
    counts moved while they were taken.
    """
    if source.listing.first_key is not None or source.listing.last_key is not None:
        return 0
    counts = [await _difference(source) for _ in range(2)]
    first, second = counts
    return max(0, first[0] - first[1]) if first is not None and first == second else 0


async def _difference(source: Source) -> tuple[int, int] | None:
    """How many rows are counted with and without a date, and with one: asked for side by side."""
    totals: dict[int | None, int | None] = {}

    async def count(after: int | None) -> None:
        totals[after] = (await source.fetch(PageQuery(limit=1, after=after))).total

    with single_error():
        async with anyio.create_task_group() as tasks:
            for after in (None, EVERY_DATED_ROW):
                tasks.start_soon(count, after, name="counting rows")
    every, dated = totals[None], totals[EVERY_DATED_ROW]
    return None if every is None or dated is None else (every, dated)
