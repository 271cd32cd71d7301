"""New records of a list that is read along its dates: from before the last pass's end to a moment ago.

Pages go straight into the intake, which knows what it has; the stretch is proven read as at first, and a pass that
was cut off goes on where its spans stand.
"""

from __future__ import annotations

from bulkmove.entries import Span
from bulkmove.extract.beyond import span_beyond
from bulkmove.extract.keyset import read_keyset
from bulkmove.extract.plan import plan_spans
from bulkmove.extract.reader import ReadPage
from bulkmove.ledger.delta_passes import PassNote, Stage
from bulkmove.pipeline.delta.changed import put_changed, sort_records
from bulkmove.pipeline.delta.sources import Stretch
from bulkmove.pipeline.delta.work import PassWork, until_stopped
from bulkmove.pipeline.intake import take
from bulkmove.pipeline.reading import CUTOFF_MARGIN_S, now_by_host


async def begin_newer(work: PassWork, *, cutoff: int, overlap_s: float) -> PassNote:
    """Fix what this pass reads, and put it down: its dates, and the spans between them."""
    job = work.job
    now = await now_by_host(job)
    last_key = job.source.listing.last_key
    until = max(
        cutoff, now - CUTOFF_MARGIN_S if last_key is None else min(now - CUTOFF_MARGIN_S, last_key + 1)
    )
    since = cutoff - round(overlap_s)
    stretch = Stretch(job.source, first_key=since)
    spans = await plan_spans(stretch, cutoff=until, count=job.readers())
    beyond = await span_beyond(stretch, now=max(now, until), number=len(spans))
    if beyond is not None:
        spans.append(beyond)
    return await work.passing.begin(
        since=since, cutoff=until, spans=spans, stage=Stage.NEW, is_whole=not work.new_only
    )


async def read_newer(work: PassWork, note: PassNote) -> bool:
    """Whether all of it was read; else the run is to stop."""
    job = work.job
    work.phase("reading what is new")

    async def sink(page: ReadPage) -> None:
        async with work.turn:
            await _take(work, page)

    async def store_split(shortened: Span, new: Span) -> None:
        await job.ledger.save_spans(job.name, [shortened, new])

    async with until_stopped(work):
        await read_keyset(
            Stretch(job.source, first_key=note.since),
            await work.passing.spans(note.first_span),
            limit=job.source.listing.page_limit,
            workers=job.readers,
            sink=sink,
            on_split=store_split,
        )
    return not work.job.stop.is_set()


async def _take(work: PassWork, page: ReadPage) -> None:
    """New ones are mapped; of those that are known and were read again, the ones that changed."""
    if work.job.is_ending:
        return
    await work.show([record.id for record in page.records if record.id is not None])
    found = await sort_records(work, page.records)
    if found.changed:
        await put_changed(work, found.changed)
    if found.new:
        await work.begin_writing()
    await work.send(await take(work.job, found.new, page.span))
