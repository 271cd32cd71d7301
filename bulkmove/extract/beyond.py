"""Rows that are dated later than the moment it is: the host's clock is behind, or somebody dated them ahead."""

from __future__ import annotations

from bulkmove.entries import Span
from bulkmove.extract import cover
from bulkmove.model import PageQuery
from bulkmove.protocols import Source

_FIRST_STEP_S = 60
_END_OF_TIME = 250_000_000_000  # dates beyond can't be named


async def span_beyond(source: Source, *, now: int, number: int) -> Span | None:
    """A span over the rows that are dated after `now` at this moment, to the last of them; None where there is none.

    Takes one request where there is none, else some 20 of a row each. Rows of the second `now` itself, and what is
    dated after the span's end meanwhile, belong to a later pass.
    """
    listing = source.listing
    if listing.last_key is not None and listing.last_key <= now:
        return None
    if not await _is_any_after(source, now):
        return None
    newest = await _newest(source, now)
    upper = (newest if listing.last_key is None else min(newest, listing.last_key)) + 1
    lower = now + 1 if listing.first_key is None else max(now + 1, listing.first_key)
    return Span(number, lower, upper, reached=lower, is_done=False, evidence=0) if lower < upper else None


async def _newest(source: Source, low: int) -> int:
    """The last second that holds a row, by ever longer steps and then by halves; there is a row after `low`."""
    step = _FIRST_STEP_S
    while low + step < _END_OF_TIME and await _is_any_after(source, low + step):
        low, step = low + step, step * 2
    high = low + step
    while high - low > 1:
        middle = (low + high) // 2
        if await _is_any_after(source, middle):
            low = middle
        else:
            high = middle
    return high


async def _is_any_after(source: Source, second: int) -> bool:
    """Asked for a page, since the host may send rows of the second itself, in any order."""
    query = PageQuery(limit=source.listing.page_limit, after=second)
    page = await source.fetch(query)
    keys = cover.dated_keys(page.records)
    if not keys or not cover.is_within(keys, query):
        return False  # that the filter takes no effect is named when the list is read
    return page.has_next is True or keys[-1] > second
