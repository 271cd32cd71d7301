"""At the end of a reading along dates: what the list counts and shows now, held against what was read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from bulkmove.entries import Span
from bulkmove.events import Note
from bulkmove.extract.dated import DatedIds
from bulkmove.extract.differing import Difference, difference
from bulkmove.model import Record
from bulkmove.pipeline.job import RouteJob

_NAMED = 5  # ids in a note; the ledger has all of them


async def compare(
    job: RouteJob,
    read: DatedIds,
    parts: Sequence[tuple[int | None, int]],
    take: Callable[[Sequence[Record], Span | None], Awaitable[None]],
    *,
    leaves_rows_out: bool,
) -> None:
    """Name what left the list since it was read, take what came late, and tell what can't be told apart.

    `parts`: what this run has read whole. `leaves_rows_out`: so does the host, others each time.
    """
    found = await difference(job.source, read, parts, leaves_rows_out=leaves_rows_out)
    if found.gone:
        await job.reading_notes.note_gone(job.name, sorted(found.gone))
    if found.late:
        await take(found.late, None)
    for text in _texts(job, found):
        job.emit(Note(f"route {job.name}: {text}", route=job.name))


def _texts(job: RouteJob, found: Difference) -> list[str]:
    source = job.settings.source
    texts: list[str] = []
    if found.late:
        ids = sorted(row.id for row in found.late if row.id is not None)
        more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
        texts.append(
            f"{len(ids)} records of {source} came, or were dated anew, where it was read already"
            f" ({', '.join(ids[:_NAMED])}{more}); they were read too"
        )
    if found.unshown:
        texts.append(f"{source} counts {found.unshown} records that it does not show; they can't be read")
    if not found.is_told:
        texts.append(
            f"{source} counts {found.counted:,} records where {found.read:,} were read, and not all of the"
            " difference could be told by name"
        )
    return texts
