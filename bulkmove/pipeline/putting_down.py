"""Entries put down in the ledger and told, with the source records of those that are rejected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from bulkmove.entries import Entry, Item, Member, Span
from bulkmove.events import RecordsRead, RecordsSettled
from bulkmove.load.matching import Body
from bulkmove.model import JsonObject, State
from bulkmove.pipeline.as_read import encoded
from bulkmove.pipeline.job import RouteJob


async def put_down(
    job: RouteJob,
    matched: list[Entry],
    bodies: Sequence[Body],
    *,
    others: list[Entry],
    records: Mapping[str, JsonObject],
    span: Span | None = None,
    was_raw_chunk: int | None = None,
) -> list[Item]:
    """Hand a page to the ledger; the bodies that are to be written, in order. `matched` goes with `bodies`, one by one.

    `records`: the source records, which are kept of what is rejected here.
    """
    entries = with_records(matched, records) + with_records(others, records)
    if not entries and span is None:
        return []
    chunk = job.ledger.reserve_chunk()
    await job.ledger.add_page(
        job.name,
        entries,
        chunk=chunk,
        span=span,
        target_list=job.target_list.name,
        was_raw_chunk=was_raw_chunk,
    )
    tell(job, entries, is_new=was_raw_chunk is None)
    if job.witness is not None:
        job.witness.note(job.name, entries, [body.encoded for body in bodies])
    return [
        Item(Member(e.source_id, e.part, chunk), e.target_id, e.key, b.encoded, b.fields)
        for e, b in zip(matched, bodies, strict=True)
        if e.state is State.PENDING
    ]


def with_records(entries: list[Entry], records: Mapping[str, JsonObject]) -> list[Entry]:
    """The entries, those that are rejected with their source record: who looks at one wants to see it."""
    if not any(entry.state is State.REJECTED for entry in entries):
        return entries
    return [
        entry._replace(record=encoded(records[entry.source_id]))
        if entry.state is State.REJECTED and entry.source_id in records
        else entry
        for entry in entries
    ]


def tell(job: RouteJob, entries: Sequence[Entry], *, is_new: bool = True) -> None:
    """Tell the observers and the error budget what became of them. `is_new`: their records were not put down before."""
    states = [e.state for e in entries if e.part == 0]
    if is_new:
        job.emit(RecordsRead(job.name, len(states)))
    job.budget.handle(len(states) - states.count(State.SEEN))
    if rejected := {e.source_id: e.cause or "" for e in entries if e.state is State.REJECTED}:
        job.note_rejected(Counter(rejected.values()))
    for state in (State.SKIPPED, State.UNCHANGED, State.REJECTED):
        if count := states.count(state):
            job.emit(RecordsSettled(job.name, state.name.lower(), count))
