"""Records that were mapped before, mapped once more: what each became is replaced."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from bulkmove.entries import Entry
from bulkmove.exact import decode_json
from bulkmove.load.matching import Body
from bulkmove.model import JsonObject, Record
from bulkmove.pipeline.as_read import digest_as_read, encoded
from bulkmove.pipeline.befores import keep_own_rows
from bulkmove.pipeline.bodies import map_records
from bulkmove.pipeline.claiming import checked, match_all, without_strays
from bulkmove.pipeline.job import RouteJob
from bulkmove.pipeline.putting_down import tell, with_records

Put = Callable[[Sequence[Entry]], Awaitable[None]]
# What becomes of a body whose row of the target is known, given its own row on a self-route; None: it is matched.
Place = Callable[[Body, JsonObject | None], Entry | None]
PutChanged = Callable[[Sequence[Entry], Sequence[Body]], Awaitable[None]]


async def map_again(job: RouteJob, records: Sequence[Record], put: Put) -> None:
    """Map records anew that failed, and of which no body is at the target: a key that one claimed before is free to it.

    `put` takes their entries, and is called while no other route can claim a key of the list.
    """
    others, bodies, rows = await _mapped(job, records, [digest_as_read(job, record) for record in records])
    async with job.target_list.claiming:
        matched = await match_all(job, bodies, rows if job.is_self_route else {}, is_again=True)
        if job.is_self_route:
            matched = await without_strays(job, matched, bodies)
            await keep_own_rows(job, matched, rows)
        entries = with_records(matched, rows) + with_records(others, rows)
        await put(entries)
    tell(job, entries, is_new=False)


async def map_changed(job: RouteJob, records: Sequence[Record], place: Place, put: PutChanged) -> None:
    """Map records anew that changed since they were mapped: what they became before is theirs to change.

    `put` takes their entries, and all bodies that they are mapped to; it is called as that of `map_again`.
    """
    digests = [digest_as_read(job, record) for record in records]
    others, bodies, rows = await _mapped(job, records, digests)
    async with job.target_list.claiming:
        placed = [place(body, rows.get(body.source_id) if job.is_self_route else None) for body in bodies]
        free = [body for body, entry in zip(bodies, placed, strict=True) if entry is None]
        matched = iter(await match_all(job, free, rows if job.is_self_route else {}, is_again=True))
        entries = [
            next(matched) if entry is None else checked(job, body, entry)
            for body, entry in zip(bodies, placed, strict=True)
        ]
        if job.is_self_route:
            entries = await without_strays(job, entries, bodies)
            await keep_own_rows(job, entries, rows)
        await put(with_records(entries, rows) + with_records(others, rows), bodies)


async def _mapped(
    job: RouteJob, records: Sequence[Record], digests: Sequence[bytes | None]
) -> tuple[list[Entry], list[Body], dict[str, JsonObject]]:
    """What `map_records` gives, and the records by their ids, as they were read."""
    # First: a mapper may change its record.
    as_read = {record.id: row for record in records if (row := encoded(record.data)) is not None}
    others, bodies = await map_records(job, records, digests)
    return others, bodies, {name: decode_json(row) for name, row in as_read.items() if name is not None}
