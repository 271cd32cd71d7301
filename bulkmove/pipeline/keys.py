"""The natural keys that a target's list holds before the first write of the migration, read once and for all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from bulkmove.entries import TargetKey
from bulkmove.events import Phase
from bulkmove.extract.once import read_unkeyed
from bulkmove.extract.tally import Tally
from bulkmove.load.matching import as_text, field_hashes
from bulkmove.model import Record
from bulkmove.pipeline.job import RouteJob


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
        async with Tally() as tally:
            await read_unkeyed(job.target.list(), concurrency=job.listers, sink=_keeper(job), tally=tally)
        await job.ledger.close_keys(name)
        job.target_list.has_keys = True
        job.emit(Phase(job.name, ""))


def _keeper(job: RouteJob) -> Callable[[Sequence[Record]], Awaitable[None]]:
    async def keep(records: Sequence[Record]) -> None:
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
            await job.ledger.add_keys(job.target_list.name, keys)

    return keep
