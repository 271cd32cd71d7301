"""Where a first reading of a sorted list begins, and into how many spans it is cut."""

from __future__ import annotations

from collections.abc import Awaitable

import anyio

from bulkmove.entries import Span
from bulkmove.errors import BadAnswerError, single_error
from bulkmove.extract.cover import dated_keys
from bulkmove.extract.spans import first_spans
from bulkmove.model import Page, PageQuery
from bulkmove.protocols import Source

PAGES_A_SPAN = 2  # a span of fewer pages is not worth a request of its own


async def plan_spans(source: Source, *, cutoff: int, count: int, likely: int | None = None) -> list[Span]:
    """At most `count` spans over all rows with a key up to `cutoff`, that second included.

    Takes two requests: one for the first row, and, where there is to be more than one span, one that asks for that
    row's second alone. BadAnswerError where the filter leaves the row out: spans read by such a filter would lose
    rows between them. Where the list tells how many rows it holds, a short one gets fewer spans. An empty list gets
    one span to read, as proof that it is empty; none where the user's own filter begins after `cutoff`. `likely`: the
    first row's second, where the caller has seen it: then the two requests go side by side.
    """
    listing = source.listing
    upper = (cutoff if listing.last_key is None else min(cutoff, listing.last_key)) + 1
    lower = listing.first_key
    if lower is not None and lower >= upper:
        return []
    page, beside = await _beside(_first_page(source, lower, upper), source, likely if count > 1 else None)
    keys = dated_keys(page.records)
    first = min(max(keys[0], lower or keys[0]), upper - 1) if keys else upper - 1
    if page.total is not None:
        count = min(count, page.total // (PAGES_A_SPAN * listing.page_limit))
    if count > 1:
        await _check_filter(source, page, beside if keys[:1] == [likely] else None, bounds=(lower, upper))
    return first_spans(first, upper=upper, count=max(1, count), lower=lower)


async def _first_page(source: Source, lower: int | None, upper: int) -> Page:
    after = None if lower is None else lower - 1
    page = await source.fetch(PageQuery(limit=1, after=after, before=upper))
    if page.records and not dated_keys(page.records) and after is None:
        # Rows without a date are sorted first: ask for the first one that has one.
        page = await source.fetch(PageQuery(limit=1, after=0, before=upper))
    return page


async def _beside(first: Awaitable[Page], source: Source, second: int | None) -> tuple[Page, Page | None]:
    """The first page, and the page of a second alone, asked for side by side."""
    alone: Page | None = None

    async def ask(second: int) -> None:
        nonlocal alone
        alone = await _second_alone(source, second)

    with single_error():
        async with anyio.create_task_group() as tasks:
            if second is not None:
                tasks.start_soon(ask, second, name="asking for the first second")
            page = await first
    return page, alone


async def _second_alone(source: Source, second: int) -> Page:
    return await source.fetch(PageQuery(limit=source.listing.page_limit, after=second - 1, before=second + 1))


async def _check_filter(
    source: Source, page: Page, alone: Page | None, *, bounds: tuple[int | None, int]
) -> None:
    """Ask for the second of the first row alone, where that is not done: the row has to come, unless it is gone."""
    keys = dated_keys(page.records)
    if not keys:
        return
    alone = alone or await _second_alone(source, keys[0])
    if alone.records or alone.has_next or alone.total:
        return  # a row that is counted is not left out by the filter
    again = await _first_page(source, *bounds)
    if [(row.id, row.key) for row in again.records] == [(row.id, row.key) for row in page.records]:
        raise BadAnswerError(
            f"the filter by date leaves out a row of second {keys[0]} (since 1970) when asked for that second alone: "
            "is it coarser than a second, or in another time zone?"
        )
