"""Where a first reading of a sorted list begins, and into how many spans it is cut."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bulkmove.entries import Span
from bulkmove.errors import BadAnswerError
from bulkmove.extract.cover import dated_keys
from bulkmove.extract.spans import first_spans
from bulkmove.model import Page, PageQuery
from bulkmove.protocols import Source

PAGES_A_SPAN = 2  # a span of fewer pages is not worth a request of its own


async def plan_spans(
    source: Source,
    *,
    cutoff: int,
    count: int,
    look: Page | None = None,
    expect: Callable[[Sequence[Span]], None] | None = None,
) -> list[Span]:
    """At most `count` spans over all rows with a key up to `cutoff`, that second included.

    Takes two requests: one for the first row, unless the caller has it (`look`: the list's first page, as it was shown
    a moment ago, of all rows), and, where there is to be more than one span, one that asks for that row's second alone.
    BadAnswerError where the filter leaves the row out: spans read by such a filter would lose rows between them. Where
    the list tells how many rows it holds, a short one gets fewer spans. An empty list gets one span to read, as proof
    that it is empty; none where the user's own filter begins after `cutoff`. `expect` is told the spans before the
    filter is checked: what is read ahead of that counts for nothing where BadAnswerError is raised.
    """
    listing = source.listing
    upper = (cutoff if listing.last_key is None else min(cutoff, listing.last_key)) + 1
    lower = listing.first_key
    if lower is not None and lower >= upper:
        return []
    is_bounded = lower is not None or listing.last_key is not None
    if look is not None and not is_bounded and look.records and look.records[0].key is not None:
        page = look
    else:
        page = await _first_page(source, lower, upper)
    keys = dated_keys(page.records)
    first = min(max(keys[0], lower or keys[0]), upper - 1) if keys else upper - 1
    if page.total is not None:
        count = min(count, page.total // (PAGES_A_SPAN * listing.page_limit))
    spans = first_spans(first, upper=upper, count=max(1, count), lower=lower)
    if count > 1:
        if expect is not None:
            expect(spans)
        await _check_filter(source, page, bounds=(lower, upper))
    return spans


async def _first_page(source: Source, lower: int | None, upper: int) -> Page:
    after = None if lower is None else lower - 1
    page = await source.fetch(PageQuery(limit=1, after=after, before=upper))
    if page.records and not dated_keys(page.records) and after is None:
        # Rows without a date are sorted first: ask for the first one that has one.
        page = await source.fetch(PageQuery(limit=1, after=0, before=upper))
    return page


async def _check_filter(source: Source, page: Page, *, bounds: tuple[int | None, int]) -> None:
    """Ask for the second of the first row alone: the row has to come, unless it is gone."""
    keys = dated_keys(page.records)
    if not keys:
        return
    alone = await source.fetch(
        PageQuery(limit=source.listing.page_limit, after=keys[0] - 1, before=keys[0] + 1)
    )
    if alone.records or alone.has_next or alone.total:
        return  # a row that is counted is not left out by the filter
    again = await _first_page(source, *bounds)
    if [(row.id, row.key) for row in again.records] == [(row.id, row.key) for row in page.records]:
        raise BadAnswerError(
            f"the filter by date leaves out a row of second {keys[0]} (since 1970) when asked for that second alone: "
            "is it coarser than a second, or in another time zone?"
        )
