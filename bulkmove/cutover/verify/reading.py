"""A list read whole, as a route would, proof and all, in a way that a verification which was killed goes on with.

Of a list that is sorted by a key, what was proven read stays read; any other is read from its beginning again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from bulkmove.cutover.verify import kept
from bulkmove.cutover.verify.working import Working
from bulkmove.entries import Span
from bulkmove.extract.keyset import read_keyset
from bulkmove.extract.plan import plan_spans
from bulkmove.extract.reader import ReadPage
from bulkmove.extract.undated import count_undated
from bulkmove.model import PageQuery, Record
from bulkmove.pipeline.whole import last_key, read_list
from bulkmove.protocols import Derive, Source

# Called in the transaction of a page; and what is handed each page, with a change that is to be part of its own.
Progress = Callable[[sqlite3.Connection], None]
TakePage = Callable[[Sequence[Record], Progress], Awaitable[None]]


async def read_on(
    working: Working,
    name: str,
    source: Source,
    take: TakePage,
    *,
    readers: Callable[[], int],
    derive: Derive | None = None,
) -> int:
    """Read what is left of a list, as `read_list` does; `take` may get a row again. Returns how many rows have no date.

    Raises what `read_list` raises.
    """
    number, is_done, _ = await working.change(lambda c: kept.reading(c, name))
    if is_done:
        return 0
    undated = 0
    if source.listing.reading == "keyset":
        await _read_sorted(working, number, source, take, readers=readers, derive=derive)
        undated = await count_undated(source)
    elif source.listing.reading == "once" and derive is None:
        await _read_once(source, take)
    else:

        async def sink(records: Sequence[Record]) -> None:
            await take(records, _nothing)

        undated = await read_list(source, sink, readers=readers, derive=derive)
    await working.change(lambda c: kept.end_reading(c, number))
    return undated


def _nothing(_connection: sqlite3.Connection) -> None:
    """Passes over an unsorted list prove nothing before their end."""


async def _read_sorted(
    working: Working,
    number: int,
    source: Source,
    take: TakePage,
    *,
    readers: Callable[[], int],
    derive: Derive | None,
) -> None:
    spans = await working.change(lambda c: kept.spans(c, number))
    if not spans:
        spans = await plan_spans(source, cutoff=await last_key(source), count=readers())
        await working.change(lambda c: kept.cut_spans(c, number, spans))

    async def sink(page: ReadPage) -> None:
        records = page.records if derive is None else [row for each in page.records for row in derive(each)]
        await take(records, partial(kept.save_span, number=number, span=page.span))

    async def split(shortened: Span, new: Span) -> None:
        await working.change(lambda c: kept.cut_spans(c, number, [shortened, new]))

    await read_keyset(
        source, spans, limit=source.listing.page_limit, workers=readers, sink=sink, on_split=split
    )


async def _read_once(source: Source, take: TakePage) -> None:
    """A file, row by row: also one that holds a row twice."""
    offset = 0
    while True:
        page = await source.fetch(PageQuery(limit=source.listing.page_limit, offset=offset))
        if page.records:
            await take(page.records, _nothing)
        offset += len(page.records)
        if not page.has_next:
            return
