"""Rows without a date: no window of a sorted list holds them, so they are counted apart."""

from __future__ import annotations

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
    every = await source.fetch(PageQuery(limit=1))
    dated = await source.fetch(PageQuery(limit=1, after=EVERY_DATED_ROW))
    return None if every.total is None or dated.total is None else (every.total, dated.total)
