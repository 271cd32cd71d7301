"""Failed records read at their source once more and mapped anew, each page of them in one change of the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import anyio

from bulkmove.entries import Entry
from bulkmove.errors import single_error
from bulkmove.events import Note, Phase, RecordsSettled
from bulkmove.ledger import SqliteLedger, overtaken
from bulkmove.ledger.choosing import Row
from bulkmove.ledger.retrying import Retrying
from bulkmove.model import Record, State
from bulkmove.pipeline.anew import map_again
from bulkmove.pipeline.delta.changed import change_records
from bulkmove.pipeline.job import RouteJob
from bulkmove.pipeline.keys import read_keys
from bulkmove.pipeline.whole import LASTING_FILTERS, find_all, read_list
from bulkmove.protocols import FindsById

# Causes that the target's list may have been mended for, which is read once, at a migration's start.
_BY_KEYS = frozenset({"exists", "ambiguous-key", "no-match", "no-target-id", "not-found"})
_MOST_NAMED = 5
_GONE = "no longer at the source when it was read again"


async def map_anew(job: RouteJob, ledger: SqliteLedger, retrying: Retrying, causes: Counter[str]) -> None:
    """Read the chosen records once more and map them; each page of them replaces what it had become."""
    if causes.keys() & _BY_KEYS:
        await _renew_keys(job, ledger, retrying)
    job.emit(Phase(job.name, f"reading {causes.total():,} failed records again"))
    if not isinstance(job.source, FindsById) or job.derive is not None:
        await _map_listed(job, retrying)
    elif await _map_found(job, job.source, retrying):
        # That a host does not bring a row by its id is no proof: the list is, once it was read whole.
        await _map_listed(job, retrying)
    job.emit(Phase(job.name, ""))


async def _renew_keys(job: RouteJob, ledger: SqliteLedger, retrying: Retrying) -> None:
    """Somebody may have cleared the target's list up: what no record stands by is taken from it as it is now."""
    name = job.target_list.name
    async with job.target_list.lock:
        if (await ledger.list_state(name)).is_read:
            anew = f"{name} anew"
            await ledger.save_list(anew)
            await read_keys(job, anew)
            await retrying.take_keys(of=anew, to=name)


async def _map_found(job: RouteJob, source: FindsById, retrying: Retrying) -> bool:
    """By their ids, some at a time; whether the host did not bring some of them."""
    after: str | None = None
    is_missing = False
    while not job.stop.is_set():
        found = await retrying.plan(after=after, most=source.find_at_once)
        if found.last_id is None:
            break
        after = found.last_id
        if not found.map:
            continue
        records = await find_all(source, list(found.map))
        is_missing = is_missing or len(records) < len(found.map)
        await _put_again(job, retrying, list(records.values()), found.map)
    return is_missing and not job.stop.is_set()


async def _map_listed(job: RouteJob, retrying: Retrying) -> None:
    """Out of the whole list, proven read. What it does not hold is gone, unless a filter may keep it out by now."""
    turn = anyio.Lock()

    async def sink(records: Sequence[Record]) -> None:
        ids = [record.id for record in records if record.id is not None and record.fault is None]
        async with turn:
            if job.is_ending or not ids:
                return
            wanted = (await retrying.plan(among=ids, most=len(ids))).map
            if wanted:
                await _put_again(job, retrying, [r for r in records if r.id in wanted], wanted)

    undated = 0
    with single_error():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_cancel_on, job.stop, turn, tasks.cancel_scope, name=f"{job.name} reading until")
            undated = await read_list(job.source, sink, readers=job.readers, derive=job.derive)
            tasks.cancel_scope.cancel()
    if job.stop.is_set():
        return
    if undated:
        text = f"{undated:,} rows of {job.settings.source} have no date and were not read: what was not found may be among them, and is left as it is"
        job.emit(Note(f"route {job.name}: {text}", route=job.name))
        return
    if changing := sorted(job.settings.where.keys() - LASTING_FILTERS):
        text = f"what {job.settings.source} does not show with {', '.join(changing)} of where may be there all the same, and is left as it is"
        job.emit(Note(f"route {job.name}: {text}", route=job.name))
        return
    await _skip_all_gone(job, retrying)


async def _skip_all_gone(job: RouteJob, retrying: Retrying) -> None:
    after: str | None = None
    count, named = 0, list[str]()
    while (found := await retrying.plan(after=after)).last_id is not None:
        after = found.last_id
        await _skip_gone(job, retrying, found.map)
        count += len(found.map)
        named = [*named, *found.map][:_MOST_NAMED]
    if count:
        more = f" and {count - len(named):,} more" if count > len(named) else ""
        text = f"{', '.join(named)}{more}: no longer at the source, and skipped"
        job.emit(Note(f"route {job.name}: {text}", route=job.name))


async def _cancel_on(event: anyio.Event, turn: anyio.Lock, scope: anyio.CancelScope) -> None:
    await event.wait()
    async with turn:
        scope.cancel()


async def _put_again(
    job: RouteJob, retrying: Retrying, records: Sequence[Record], was: Mapping[str, Row]
) -> None:
    async def put(entries: Sequence[Entry]) -> None:
        rejected = await retrying.replace(entries, was=_pages(was), target_list=job.target_list.name)
        if rejected:
            job.note_rejected(Counter({overtaken.CAUSE: rejected}))
            job.emit(RecordsSettled(job.name, "rejected", rejected))

    written = await retrying.written_before([record.id for record in records if record.id is not None])
    if fresh := [record for record in records if record.id not in written]:
        await map_again(job, fresh, put)
    if again := [record for record in records if record.id in written]:
        # Their rows are there, from before they were changed to what was rejected.
        await change_records(job, retrying.passing, again)


async def _skip_gone(job: RouteJob, retrying: Retrying, gone: Mapping[str, Row]) -> None:
    entries = [
        Entry(source_id, 0, State.SKIPPED, cause="gone-at-source", message=_GONE) for source_id in gone
    ]
    if entries:
        await retrying.replace(entries, was=_pages(gone), target_list=job.target_list.name)


def _pages(rows: Mapping[str, Row]) -> dict[str, int | None]:
    return {source_id: row.page for source_id, row in rows.items()}
