"""Rows of the target, kept as they stand before the route first changes them, where `keep_before` asks for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from bulkmove.entries import Entry, Item
from bulkmove.errors import BadAnswerError
from bulkmove.events import Phase
from bulkmove.load.matching import as_text
from bulkmove.model import JsonObject, Record, State
from bulkmove.pipeline.job import RouteJob
from bulkmove.pipeline.whole import RowsSink, find_all, read_list
from bulkmove.protocols import Befores, FindsById, LooksFirst


async def keep_own_rows(job: RouteJob, entries: Sequence[Entry], rows: Mapping[str, JsonObject]) -> None:
    """On a self-route: rows that are to be changed, as they were read, by their ids."""
    if not job.keeps_before:
        return
    changed = {
        entry.target_id: rows[entry.target_id]
        for entry in entries
        if entry.state is State.PENDING and entry.target_id is not None and entry.target_id in rows
    }
    if changed:
        await job.ledger.befores(job.name, job.target_list.name).keep(list(changed.items()))


async def keep_befores(job: RouteJob, items: Sequence[Item]) -> None:
    """See to it that every row that the items change is kept as it stands, durably, where it is there.

    A row that its host brings alone is read now; of the others the reading of the whole list tells, which is done once.
    """
    if not job.keeps_before or isinstance(job.target, LooksFirst):
        return
    changed = {
        item.target_id: (item.member.source_id, item.member.part)
        for item in items
        if item.target_id is not None
    }
    if not changed:
        return
    befores = job.ledger.befores(job.name, job.target_list.name)
    if not (missing := await befores.missing(changed)):
        return
    source = job.target.list()
    if isinstance(source, FindsById) and await _found_by_ids(source, missing, befores):
        return
    await _read_rows(job)
    await befores.take_from_list(missing)


async def _found_by_ids(source: FindsById, target_ids: Sequence[str], befores: Befores) -> bool:
    """Whether the host could be asked for all of them: an id that a mapper made up may be none that it takes."""
    try:
        for start in range(0, len(target_ids), source.find_at_once):
            found = await find_all(source, target_ids[start : start + source.find_at_once])
            await befores.keep([(target_id, record.data) for target_id, record in found.items()])
    except BadAnswerError:
        return False
    return True


def keeps_list(job: RouteJob) -> bool:
    """Whether a reading of the target's list has to keep its rows."""
    return (
        job.keeps_before
        and not isinstance(job.target, LooksFirst)
        and not isinstance(job.target.list(), FindsById)
    )


@asynccontextmanager
async def rows_kept(job: RouteJob, sink: RowsSink) -> AsyncIterator[RowsSink]:
    """A sink for a reading of the target's whole list, which keeps its rows and hands them on."""
    befores, keep = job.ledger.befores(job.name, job.target_list.name), _rows_keeper(job)

    async def keep_both(records: Sequence[Record]) -> None:
        await keep(records)
        await sink(records)

    await befores.begin_list()
    yield keep_both
    await befores.end_list()


def _rows_keeper(job: RouteJob) -> RowsSink:
    befores = job.ledger.befores(job.name, job.target_list.name)

    async def keep(records: Sequence[Record]) -> None:
        rows = [
            (target_id, record.data)
            for record in records
            if (target_id := as_text(record.data.get(job.target.id_field))) is not None
        ]
        if rows:
            await befores.note_list(rows)

    return keep


async def _read_rows(job: RouteJob) -> None:
    """Read the list whole, unless its rows were kept by an earlier reading."""
    befores = job.ledger.befores(job.name, job.target_list.name)
    async with job.target_list.lock:
        if await befores.has_list():
            return
        job.emit(Phase(job.name, "reading the target's rows before they are changed"))
        async with rows_kept(job, _nothing) as keep:
            await read_list(job.target.list(), keep, readers=job.listers)
        job.emit(Phase(job.name, ""))


async def _nothing(records: Sequence[Record]) -> None:
    """Its rows are kept, and that is all."""
