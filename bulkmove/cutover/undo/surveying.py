"""What an undo finds: the rows that a route wrote, each read back and held against what was last written to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from bulkmove.cutover.undo.judging import GONE, NO_WAY, judge_row
from bulkmove.cutover.undo.ways import Ways
from bulkmove.errors import UnprovenError
from bulkmove.events import Phase
from bulkmove.ledger import SqliteLedger, keeping, sweeping, undoing, unplaced
from bulkmove.ledger.undoing import PlannedRow
from bulkmove.load.matching import as_text, digest_of
from bulkmove.model import JsonObject, Record
from bulkmove.pipeline.bodies import attempt
from bulkmove.pipeline.job import RouteJob
from bulkmove.pipeline.until import until
from bulkmove.pipeline.whole import RowsSink, find_all, read_list
from bulkmove.protocols import FindsById

A_SLICE = 500


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person wants undone: of these source ids (none: all), `edited_too`: rows that were edited since as well."""

    ids: Sequence[str] = ()
    edited_too: bool = False


@dataclass(frozen=True, slots=True)
class Work:
    """One route that is undone, and all that this takes."""

    job: RouteJob
    ledger: SqliteLedger
    ways: Ways
    asked: Asked

    @property
    def route(self) -> int:
        return self.ledger.number_of(self.job.name)

    @property
    def finds(self) -> FindsById | None:
        """The target's list, where it brings rows by their ids."""
        source = self.ways.target.list()
        return source if isinstance(source, FindsById) else None


async def list_rows(work: Work) -> None:
    """Put the rows on the list; where what was written is not kept, it is made anew of the source."""
    job = work.job
    begin = partial(
        undoing.begin,
        route=work.route,
        name=job.name,
        list_id=work.ledger.number_of_list(job.target_list.name),
        ids=work.asked.ids,
    )
    await work.ledger.change(partial(undoing.forget, route=work.route))
    await work.ledger.change(begin)
    if await _find_unplaced(work):
        await work.ledger.change(begin)
    if work.ways.why_not is not None:
        why = work.ways.why_not
        await work.ledger.change(partial(undoing.judge_rest, route=work.route, step=NO_WAY, why=why))
    elif not work.asked.edited_too:
        await _make_anew(work)


async def _find_unplaced(work: Work) -> bool:
    """Look for rows whose ids are not known by the keys that they were created with; whether the list was looked through.

    With a key alone nothing but what it shows tells that a row is ours: one that was edited is not to be undone by it.
    """
    if work.ways.why_not is not None or work.asked.edited_too or work.job.stop.is_set():
        return False
    if not await work.ledger.ask(partial(unplaced.is_any, route=work.route, ids=work.asked.ids)):
        return False
    list_id = work.ledger.number_of_list(work.job.target_list.name)
    note = partial(sweeping.note, route=work.route, list_id=list_id, name=work.job.name)

    async def sink(records: Sequence[Record]) -> None:
        target = work.ways.target
        rows = [
            (key, as_text(record.data.get(target.id_field)) or "")
            for record in records
            if (key := as_text(record.data.get(target.natural_key))) is not None
        ]
        await work.ledger.change(partial(note, rows=rows))

    if await _read_back(work, sink) != 0:
        # One of the rows that were not read may show the same key.
        await work.ledger.change(partial(sweeping.begin, route=work.route))
        return False
    return True


async def survey(work: Work) -> None:
    """Read all rows of the list back and judge them: by their ids as far as the host brings them so."""
    if work.finds is not None:
        await survey_by_ids(work)
    await survey_list(work)


async def survey_by_ids(work: Work) -> None:
    place = 0
    while not work.job.stop.is_set() and (rows := await next_unseen(work, place)):
        place = rows[-1].place
        await look_at(work, rows)


async def next_unseen(work: Work, after: int) -> list[PlannedRow]:
    """The next rows that were not looked at, as many as the host brings at once."""
    most = A_SLICE if work.finds is None else work.finds.find_at_once
    return await work.ledger.ask(
        partial(undoing.next_rows, route=work.route, after=after, most=most, steps=None)
    )


async def look_at(work: Work, rows: Sequence[PlannedRow]) -> None:
    """Read rows by their ids and judge them. One that does not come is left to the reading of the whole list."""
    if work.finds is not None:
        found = await find_all(work.finds, [row.target_id for row in rows])
        await _judge(work, {target_id: record.data for target_id, record in found.items()})


async def survey_list(work: Work) -> None:
    """Read the whole list, where a row is still to be looked at; what it does not show is gone."""
    left = await work.ledger.ask(partial(undoing.steps, route=work.route))
    if not left[""] or work.job.stop.is_set():
        return

    async def sink(records: Sequence[Record]) -> None:
        rows = {
            target_id: record.data
            for record in records
            if (target_id := as_text(record.data.get(work.ways.target.id_field))) is not None
        }
        await _judge(work, rows)

    unread = await _read_back(work, sink)
    if unread is None:
        return
    if unread:
        raise UnprovenError(
            f"route {work.job.name}: {unread} rows of {work.job.settings.target} have no date, so that no filter by date"
            " brings them; whether what was written is gone is not known"
        )
    await work.ledger.change(partial(undoing.judge_rest, route=work.route, step=GONE, why=None))


async def _read_back(work: Work, sink: RowsSink) -> int | None:
    """Read the target's list whole; how many of its rows were not read, since they have no date. None: cut off."""
    job = work.job
    job.emit(Phase(job.name, f"reading {job.settings.target} back"))
    unread = None
    async with until(job.stop, name=f"{job.name} reading back"):
        unread = await read_list(work.ways.target.list(), sink, readers=job.listers)
    job.emit(Phase(job.name, ""))
    return unread


class _Known(NamedTuple):
    planned: Mapping[str, PlannedRow]
    bodies: Mapping[str, JsonObject | None]
    images: Mapping[str, JsonObject]


def _known(connection: sqlite3.Connection, *, route: int, target_ids: Sequence[str]) -> _Known:
    planned = undoing.rows_named(connection, route=route, target_ids=target_ids)
    changed = [target_id for target_id, row in planned.items() if not row.is_created]
    return _Known(
        planned,
        undoing.last_written(connection, route=route, target_ids=list(planned)),
        keeping.befores(connection, route=route, target_ids=changed),
    )


async def _judge(work: Work, rows: Mapping[str, JsonObject]) -> None:
    """Judge those of the rows that are on the list and were not looked at."""
    if not rows:
        return
    known = await work.ledger.ask(partial(_known, route=work.route, target_ids=list(rows)))
    judged = [
        judge_row(
            planned,
            rows[target_id],
            work.ways,
            body=known.bodies.get(target_id),
            image=known.images.get(target_id),
            edited_too=work.asked.edited_too,
        )
        for target_id, planned in known.planned.items()
    ]
    if judged:
        await work.ledger.change(partial(undoing.judge, route=work.route, judged=judged))


# What was written, where it is not kept.


async def _make_anew(work: Work) -> None:
    """Read source records once more and map them: a body counts where it is, to the byte, what was written."""
    job = work.job
    if job.stop.is_set() or not await work.ledger.ask(
        partial(undoing.unkept, route=work.route, after="", most=1)
    ):
        return
    job.emit(Phase(job.name, f"reading {job.settings.source} again, to know what was written"))
    if isinstance(job.source, FindsById) and job.derive is None:
        await _by_ids(work, job.source)
    else:
        async with until(job.stop, name=f"{job.name} reading again"):
            await read_list(job.source, partial(_map_page, work), readers=job.readers, derive=job.derive)
    job.emit(Phase(job.name, ""))


async def _by_ids(work: Work, source: FindsById) -> None:
    after = ""
    question = partial(undoing.unkept, route=work.route, most=source.find_at_once)
    while not work.job.stop.is_set() and (rows := await work.ledger.ask(partial(question, after=after))):
        after = rows[-1]
        found = await find_all(source, rows)
        await _map_page(work, list(found.values()))


async def _map_page(work: Work, records: Sequence[Record]) -> None:
    named = [record for record in records if record.id is not None]
    ids = [record.id for record in named if record.id is not None]
    wanted = await work.ledger.ask(partial(undoing.digests, route=work.route, source_ids=ids))
    mapped = [record for record in named if record.id in {source_id for source_id, _ in wanted}]
    if not mapped:
        return
    bodies, _ = await attempt(work.job, mapped)
    same = [
        (body.source_id, body.part, body.encoded)
        for body in bodies
        if digest_of(body.encoded) == wanted.get((body.source_id, body.part))
    ]
    await work.ledger.change(partial(undoing.fill, route=work.route, bodies=same))
