"""The list at its least, held against the ledger: what is new where nobody looked for it, what changed, what is missing.

Proven read as any list. What it finds is put down page by page; a scan that was cut off begins anew, one that came to
its end is never done again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bulkmove.entries import Span
from bulkmove.extract.keyset import read_keyset
from bulkmove.extract.plan import plan_spans
from bulkmove.extract.reader import ReadPage
from bulkmove.ledger.delta import Standing
from bulkmove.ledger.delta_passes import Found, Kind, PassNote, Stage
from bulkmove.model import Record
from bulkmove.pipeline.delta.changed import has_changed
from bulkmove.pipeline.delta.sources import Stretch
from bulkmove.pipeline.delta.work import PassWork, until_stopped
from bulkmove.protocols import Source

_A_LOOK = 2_000  # ids asked for at a time


async def scan_versions(work: PassWork, versions: Source, note: PassNote) -> bool:
    """Whether all of what is older than the new ones was scanned; else the run is to stop."""
    job, passing = work.job, work.passing
    work.phase("looking for changes")
    await passing.begin_scan()
    stretch = Stretch(versions, last_key=note.since)

    async def sink(page: ReadPage) -> None:
        async with work.turn:
            await work.show([record.id for record in page.records if record.id is not None])
            await passing.add_findings(await _found(work, page.records))

    async def no_split(shortened: Span, new: Span) -> None:
        """There is nothing to resume."""

    async with until_stopped(work):
        if note.since is not None:
            spans = await plan_spans(stretch, cutoff=note.since, count=job.readers())
            await read_keyset(
                stretch,
                spans,
                limit=stretch.listing.page_limit,
                workers=job.readers,
                sink=sink,
                on_split=no_split,
            )
    if job.stop.is_set():
        return False
    await note_missing(work)
    return True


async def _found(work: PassWork, records: Sequence[Record]) -> list[Found]:
    known = await work.passing.standing([record.id for record in records if record.id is not None])
    return list(_kinds(work, records, known))


def _kinds(
    work: PassWork, records: Sequence[Record], known: Mapping[str, Sequence[Standing]]
) -> Iterator[Found]:
    for record in records:
        if record.id is None:
            continue  # nobody can ask for it, and what has no id was rejected at first
        was = known.get(record.id)
        if was is None:
            yield Found(record.id, Kind.NEW)
        elif record.version is None or was[0].version is None:
            yield Found(record.id, Kind.LOOK)
        elif has_changed(work, record, was[0]):
            yield Found(record.id, Kind.CHANGED)


async def note_missing(work: PassWork) -> None:
    """Records of the ledger that the source did not show are to be asked for; those known to be gone, still are."""
    after = ""
    while known := await work.passing.known_ids(after, _A_LOOK):
        after = known[-1][0]
        missing = await work.shown.missing([source_id for source_id, _ in known])
        # With a filter that a change can undo, one that came back may not be shown: it is asked for again.
        gone = {source_id for source_id, is_gone in known if is_gone and not work.changing_filters}
        await work.passing.note_departed(sorted(missing & gone))
        await work.passing.add_findings([Found(each, Kind.MISSING) for each in sorted(missing - gone)])
    await work.passing.go_on(Stage.FOUND, requests=work.requests.taken(), scanned=await work.shown.size())
