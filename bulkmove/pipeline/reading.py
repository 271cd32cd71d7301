"""A route's source, read whole: spans of a sorted list side by side, or passes over one that is not sorted."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence

from bulkmove.entries import Span
from bulkmove.events import Note, RecordsExpected
from bulkmove.extract.keyset import read_keyset
from bulkmove.extract.once import read_unkeyed
from bulkmove.extract.plan import plan_spans
from bulkmove.extract.reader import ReadPage
from bulkmove.extract.tally import Tally
from bulkmove.extract.undated import count_undated
from bulkmove.model import PageQuery, Record
from bulkmove.pipeline.job import RouteJob

Take = Callable[[Sequence[Record], Span | None], Awaitable[None]]

# Rows that are dated in the last seconds may still be on their way into the list.
CUTOFF_MARGIN_S = 5


async def read_sorted(job: RouteJob, take: Take) -> None:
    """Read a keyset list up to the cutoff, which is fixed at the first start, going on from the stored spans.

    `take` gets each page with the progress of its span, to be stored together.
    """
    spans = await _spans(job)

    async def sink(page: ReadPage) -> None:
        await take(page.records, page.span)

    async def store_split(shortened: Span, new: Span) -> None:
        await job.ledger.save_spans(job.name, [shortened, new])

    result = await read_keyset(
        job.source,
        spans,
        limit=job.source.listing.page_limit,
        workers=job.readers,
        sink=sink,
        on_split=store_split,
    )
    if result.evidence:
        job.emit(
            Note(
                f"route {job.name}: in {job.settings.source}, {_seconds(len(result.evidence))} a page of rows or more"
                " in no stable order; read until repeated passes agreed, which is evidence, not proof",
                route=job.name,
            )
        )
    await _name_undated(job)


async def _spans(job: RouteJob) -> Sequence[Span]:
    progress = await job.ledger.progress(job.name)
    if progress.spans:
        return progress.spans
    cutoff = progress.cutoff
    if cutoff is None:
        cutoff = await _cutoff(job)
        await job.ledger.mark(job.name, cutoff=cutoff)
    spans = await plan_spans(job.source, cutoff=cutoff, count=job.readers())
    await job.ledger.save_spans(job.name, spans)
    return spans


def _seconds(count: int) -> str:
    return "one second holds" if count == 1 else f"{count} seconds hold"


async def _cutoff(job: RouteJob) -> int:
    """By the host's own clock, which dates the rows; no later than the user's filter asks for."""
    page = await job.source.fetch(PageQuery(limit=1))
    if page.total is not None and job.derive is None:
        await job.ledger.mark(job.name, expected=page.total)
        job.emit(RecordsExpected(job.name, page.total))
    now = page.date if page.date is not None else time.time()
    cutoff = int(now) - CUTOFF_MARGIN_S
    last_key = job.source.listing.last_key
    return cutoff if last_key is None else min(cutoff, last_key + 1)


async def _name_undated(job: RouteJob) -> None:
    listing = job.source.listing
    if listing.first_key is not None or listing.last_key is not None:
        return  # the user's filter asks for dates: rows without one are not wanted
    if count := await count_undated(job.source):
        job.emit(
            Note(
                f"route {job.name}: {count} rows of {job.settings.source} have no date, so that no filter"
                " by date brings them; they were not read",
                route=job.name,
            )
        )


async def read_unsorted(job: RouteJob, take: Take, tally: Tally) -> None:
    """Read a list that has neither order nor filter: in passes until two agree, or once where nothing can move.

    `take` gets each row once.
    """

    async def sink(records: Sequence[Record]) -> None:
        await take(records, None)

    await read_unkeyed(job.source, concurrency=job.readers, sink=sink, tally=tally)
