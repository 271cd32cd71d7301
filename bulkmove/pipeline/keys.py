"""The natural keys that a target's list holds before the first write of the migration, read once and for all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from bulkmove.entries import TargetKey
from bulkmove.errors import UnprovenError
from bulkmove.events import Phase
from bulkmove.load.matching import as_text, field_hashes
from bulkmove.model import Record
from bulkmove.pipeline.befores import keeps_list, rows_kept
from bulkmove.pipeline.job import RouteJob
from bulkmove.pipeline.whole import RowsSink, read_list


async def ensure_keys(job: RouteJob) -> None:
    """Read the list's keys into the ledger, unless a run did that already.

    Routes to one list wait for one reading. One that was interrupted begins anew: nothing was written yet.
    """
    if job.target_list.has_keys:
        return
    name = job.target_list.name
    async with job.target_list.lock:
        job.target_list.has_keys = (await job.ledger.list_state(name)).is_read
        if job.target_list.has_keys:
            return
        job.emit(Phase(job.name, "reading the target's keys"))
        await job.ledger.drop_keys(name)
        keep = _keeper(job, name)
        if keeps_list(job):
            async with rows_kept(job, keep) as keep_both:
                await read_target(job, keep_both)
        else:
            await read_target(job, keep)
        await job.ledger.close_keys(name)
        job.target_list.has_keys = True
        job.emit(Phase(job.name, ""))


async def read_target(job: RouteJob, sink: RowsSink) -> None:
    """Read the target's list whole. Raises UnprovenError where some rows can't be read: they might hold any key."""
    if unread := await read_list(job.target.list(), sink, readers=job.listers):
        raise UnprovenError(
            f"route {job.name}: {unread} rows of {job.settings.target} have no date, so that no filter by date brings"
            " them; what they hold is not known, and nothing is written that might be there already"
        )


async def read_keys(job: RouteJob, name: str) -> None:
    """Read the list's keys as they are now, and keep them under another list's name."""
    job.emit(Phase(job.name, "reading the target's keys"))
    async with job.target_list.gate.reading():
        await job.ledger.drop_keys(name)
        await read_target(job, _keeper(job, name))
    job.emit(Phase(job.name, ""))


def _keeper(job: RouteJob, name: str) -> Callable[[Sequence[Record]], Awaitable[None]]:
    async def keep(records: Sequence[Record]) -> None:
        if job.witness is not None:
            job.witness.found(job, records)
        keys = [
            TargetKey(
                key=key,
                target_id=as_text(record.data.get(job.target.id_field)),
                rows=1,
                fields=field_hashes(job.target, record.data),
                owner=None,
            )
            for record in records
            if (key := as_text(record.data.get(job.rules.natural_key))) is not None
        ]
        if keys:
            await job.ledger.add_keys(name, keys)

    return keep
