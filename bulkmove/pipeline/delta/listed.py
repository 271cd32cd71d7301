"""Lists that have no dates or versions to go by: all of their rows, held against the ledger by their bytes.

Where rows are of the list that is written to, they are held against what was last written to each, and kept until the
list is whole: what this pass writes changes what a second reading would see.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from bulkmove.exact import encode_json
from bulkmove.extract.tally import Tally
from bulkmove.ledger.delta import AT_TARGET, Standing
from bulkmove.ledger.delta_passes import Found, Kind, Stage
from bulkmove.load.matching import row_holds
from bulkmove.model import JsonObject, Record, State
from bulkmove.pipeline.arriving import new_records
from bulkmove.pipeline.as_read import digest_as_read
from bulkmove.pipeline.delta.changed import has_changed, put_changed, sort_records
from bulkmove.pipeline.delta.departed import name_departed
from bulkmove.pipeline.delta.work import THE_PASS, PassWork, until_stopped
from bulkmove.pipeline.intake import take
from bulkmove.pipeline.whole import read_list
from bulkmove.protocols import Derive

_A_PAGE = 500
Sink = Callable[[Sequence[Record]], Awaitable[None]]


async def scan_list(work: PassWork) -> bool:
    """Read the list whole; what it shows is worked, or put down to be. Whether it was; else the run is to stop."""
    work.phase("looking for what is new or changed")
    await work.passing.begin_scan()
    async with Tally() as equal:
        is_whole = await _read(work, _sink_of(work, equal))
        if not is_whole:
            return False
        if work.job.derive is not None:
            await _drop_equal(work, equal)
    if not work.new_only:
        await name_departed(work)
    await work.passing.go_on(Stage.FOUND, requests=work.requests.taken(), scanned=await work.shown.size())
    return True


async def _read(work: PassWork, sink: Sink) -> bool:
    async def in_turn(records: Sequence[Record]) -> None:
        async with work.turn:
            if not work.job.is_ending:
                await sink(records)

    async with until_stopped(work):
        undated = await read_list(work.job.source, in_turn, readers=work.job.readers)
        if undated:
            work.note(f"{undated:,} rows of {work.job.settings.source} have no date and were not read")
    return not work.job.stop.is_set()


def _sink_of(work: PassWork, equal: Tally) -> Sink:
    derive = work.job.derive

    async def by_bytes(records: Sequence[Record]) -> None:
        await work.show([record.id for record in records if record.id is not None])
        found = await sort_records(work, records)
        if found.changed and not work.new_only:
            await put_changed(work, found.changed)
        if found.new:
            await work.begin_writing()
            await work.send(await take(work.job, found.new, None))

    async def by_rows(records: Sequence[Record]) -> None:
        await work.show([record.id for record in records if record.id is not None])
        await work.passing.add_findings(await _own_findings(work, records))

    async def by_parts(records: Sequence[Record]) -> None:
        await _derived(work, derive, records, equal)

    if derive is not None:
        return by_parts
    return by_rows if work.job.is_self_route else by_bytes


async def _own_findings(work: PassWork, records: Sequence[Record]) -> list[Found]:
    """Rows of the list that is written to: new where the ledger does not know them, else by what was last written."""
    fresh, keyless = await new_records(work.job, records)
    if keyless:
        await work.begin_writing()
        await work.job.ledger.add_page(work.job.name, keyless, chunk=work.job.ledger.reserve_chunk())
    ids = [record.id for record in records if record.id is not None and record.fault is None]
    known, written = await work.passing.standing(ids), await work.passing.written(ids)
    found = [Found(record.id or "", Kind.NEW, _encoded(record)) for record in fresh]
    for record in records:
        was = known.get(record.id or "")
        if was is None or record.fault is not None or work.new_only:
            continue
        if not _holds(work, record, was[0], written.get((was[0].source_id, 0))):
            found.append(Found(record.id or "", Kind.CHANGED, _encoded(record)))
    return [each for each in found if each.record is not None]


def _holds(work: PassWork, record: Record, was: Standing, written: JsonObject | None) -> bool:
    """Whether the row is as this migration left it. What was never written to is told by its bytes."""
    if was.is_open:
        return True
    if was.state is State.WRITTEN and written is not None and was.state in AT_TARGET:
        return row_holds(work.job.target, written, record.data)
    return digest_as_read(work.job, record) == was.source_digest


def _encoded(record: Record) -> bytes | None:
    try:
        return encode_json(record.data)
    except (TypeError, ValueError):
        return None


async def _derived(work: PassWork, derive: Derive | None, records: Sequence[Record], equal: Tally) -> None:
    """Rows that are made of others. The same row comes from many, not always alike: any that is as it was will do."""
    rows: list[Record] = []
    for record in records:
        with suppress(Exception):  # told by the intake, which makes them once more
            rows += derive(record) if derive is not None else ()
    ids = [row.id for row in rows if row.id is not None]
    await work.show(ids)
    known = await work.passing.standing(ids)
    if any(row.id not in known for row in rows) or len(rows) == 0:
        await work.begin_writing()
        await work.send(await take(work.job, records, None))
    same, others = [], dict[str, Found]()
    for row in rows:
        was = known.get(row.id or "")
        if was is None or work.new_only:
            continue
        if has_changed(work, row, was[0]):
            others[was[0].source_id] = Found(was[0].source_id, Kind.CHANGED, _encoded(row))
        else:
            same.append(was[0].source_id)
    await equal.add(THE_PASS, same)
    await work.passing.add_findings([each for each in others.values() if each.record is not None])


async def _drop_equal(work: PassWork, equal: Tally) -> None:
    after = ""
    while found := await work.passing.next_findings(after, _A_PAGE):
        after = found[-1].source_id
        ids = [each.source_id for each in found]
        other = await equal.missing(ids)
        await work.passing.drop_findings([each for each in ids if each not in other])
