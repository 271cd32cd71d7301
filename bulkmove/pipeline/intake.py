"""A page of source records comes in: what is new of it is mapped, matched and put down, or kept as it was read."""

from __future__ import annotations

from collections.abc import Sequence

from bulkmove.entries import Entry, Item, Kept, Span
from bulkmove.exact import decode_json, encode_json
from bulkmove.load.matching import digest_of
from bulkmove.model import Record, State
from bulkmove.pipeline.arriving import new_records
from bulkmove.pipeline.as_read import mark_of
from bulkmove.pipeline.befores import keep_own_rows
from bulkmove.pipeline.bodies import map_records, unmapped
from bulkmove.pipeline.claiming import match_all, without_strays
from bulkmove.pipeline.job import RouteJob
from bulkmove.pipeline.putting_down import put_down, tell


async def take(job: RouteJob, records: Sequence[Record], span: Span | None) -> list[Item]:
    """Map and match what is new of a page and put it down, with the progress of its span.

    Returns the bodies to be written, in order. Each record is mapped once, ever. Where the run's limit cuts
    the page, the span's progress is not noted, so that a later run reads the rest again.
    """
    fresh, keyless = await new_records(job, records)
    if job.limit is not None and len(fresh) > job.limit:
        fresh, keyless, span = fresh[: job.limit], [], None
    # First: a mapper may change its record.
    digests = [mark_of(record) for record in fresh]
    if job.witness is not None:
        job.witness.see(job.name, fresh)
    entries, bodies = await map_records(job, fresh, digests)
    async with job.target_list.claiming:
        matched = await match_all(job, bodies, {})
        records_by_id = {record.id: record.data for record in fresh if record.id is not None}
        items = await put_down(
            job, matched, bodies, others=entries + keyless, records=records_by_id, span=span
        )
    job.note_mapped(len(fresh))
    return items


async def store(job: RouteJob, records: Sequence[Record]) -> None:
    """Keep a page as it was read, to be mapped when the whole list is there."""
    fresh, keyless = await new_records(job, records)
    entries = [_seen(record) for record in fresh] + keyless
    if not entries:
        return
    await job.ledger.add_page(job.name, entries, chunk=job.ledger.reserve_chunk(), is_raw=True)
    tell(job, entries)


async def map_stored(job: RouteJob, chunk: int, rows: Sequence[Kept]) -> None:
    """Map a page that was kept as it was read, as much of it as the run's limit allows."""
    rows = rows[: job.limit]
    records = [Record(id=row.source_id, key=None, version=None, data=decode_json(row.body)) for row in rows]
    if job.witness is not None:
        job.witness.see(job.name, records)
    entries, bodies = await map_records(job, records, [digest_of(row.body) for row in rows])
    own_rows = {row.source_id: decode_json(row.body) for row in rows}
    async with job.target_list.claiming:
        matched = await match_all(job, bodies, own_rows)
        matched = await without_strays(job, matched, bodies)
        await keep_own_rows(job, matched, own_rows)
        await put_down(job, matched, bodies, others=entries, records=own_rows, was_raw_chunk=chunk)
    job.note_mapped(len(rows))


def _seen(record: Record) -> Entry:
    """The row as it was read, in place of a body; rejected where JSON can't carry it."""
    try:
        return Entry(
            source_id=record.id or "",
            part=0,
            state=State.SEEN,
            body=encode_json(record.data),
            version=record.version,
        )
    except (TypeError, ValueError) as error:
        return unmapped(record, 0, None, State.REJECTED, "not-json", f"JSON can't carry the record: {error}")
