"""What left the source while it was read: named in the ledger and told, never guessed."""

from __future__ import annotations

from bulkmove.entries import Member, Settled
from bulkmove.events import Note
from bulkmove.extract.tally import Tally
from bulkmove.ledger import gone
from bulkmove.model import State
from bulkmove.pipeline.job import RouteJob
from bulkmove.pipeline.status import NAMED, told_gone

_A_LOOK = 2_000  # ids asked for at a time


async def skip_gone(job: RouteJob, tally: Tally) -> None:
    """Skip rows, kept as they were read, that the end of the reading did not show: there is nothing to map any more.

    Those of a reading that was begun anew are skipped too, where they did not come again.
    """
    if job.source.listing.reading == "passes" and job.derive is None:
        await _skip_vanished(job, tally)
    await job.ledger.skip_gone(job.name)
    await _tell(job, "before they were mapped; they are skipped, cause gone-at-source")


async def _skip_vanished(job: RouteJob, tally: Tally) -> None:
    chunk = 0
    while (found := await job.ledger.next_raw(job.name, chunk)) is not None:
        chunk, rows = found
        names = await tally.missing([row.source_id for row in rows])
        if names:
            settled = [_gone(name, chunk) for name in sorted(names)]
            await job.ledger.settle(job.name, settled)
            await job.ledger.note_gone(job.name, sorted(names))
            job.note_settled(settled)


def _gone(name: str, chunk: int) -> Settled:
    return Settled(Member(name, 0, chunk), State.SKIPPED, cause=gone.CAUSE, message=gone.MESSAGE)


async def name_gone(job: RouteJob, tally: Tally) -> None:
    """Name records of this run or an earlier one that the end of the reading did not show: they moved as they were read.

    Of a list that is read along its dates, they were named when it was compared.
    """
    if tally.last and job.derive is None:
        await job.ledger.forget_gone(job.name)
        # What the last pass saw is in the ledger: where the two are as many, they are the same.
        if (await job.ledger.counts(job.name)).read > await tally.count(tally.last):
            await _name_missing(job, tally)
    await _tell(job, "after they were read; they move as they were")


async def _name_missing(job: RouteJob, tally: Tally) -> None:
    after = ""
    while ids := await job.ledger.read_ids(job.name, after, _A_LOOK):
        after = ids[-1]
        if names := await tally.missing(ids):
            await job.ledger.note_gone(job.name, sorted(names))


async def _tell(job: RouteJob, what: str) -> None:
    count, ids = await job.ledger.gone_at_source(job.name, NAMED)
    if count:
        job.emit(
            Note(
                f"route {job.name}: {told_gone(count, ids, source=str(job.settings.source))} {what}",
                route=job.name,
            )
        )
