"""Rows without a date: no window of a sorted list holds them, so they are counted apart."""

from __future__ import annotations

import anyio

from bulkmove.errors import single_error
from bulkmove.model import PageQuery
from bulkmove.protocols import Source

EVERY_DATED_ROW = 0  # a bound that every row with a date meets


async def count_undated(source: Source) -> int:
    """How many rows have no date, by the host's own counts, in two requests of one row, and two more where there are any.

    0 where the host does not count, where the user's own filter by date leaves such rows out anyway, and where the
    counts moved while they were taken.
    """
    if source.listing.first_key is not None or source.listing.last_key is not None:
        return 0
    first = await _counted(source)
    if first is None or first[0] <= first[1] or await _counted(source) != first:
        return 0
    return first[0] - first[1]


async def _counted(source: Source) -> tuple[int, int] | None:
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
