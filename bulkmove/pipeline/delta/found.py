"""What a scan found, worked: read whole by ids, as many at a time as the host brings, and mapped.

A record that was not shown and that its host does not bring by its id is gone. Each page of them is one change of the
ledger; what was worked is found no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bulkmove.exact import decode_json
from bulkmove.ledger.delta_passes import Found, Kind
from bulkmove.model import Record
from bulkmove.pipeline.delta.changed import put_changed, sort_records
from bulkmove.pipeline.delta.work import PassWork
from bulkmove.pipeline.intake import store, take
from bulkmove.pipeline.route import map_all_stored
from bulkmove.pipeline.whole import find_all
from bulkmove.protocols import FindsById

_A_PAGE = 100


async def work_found(work: PassWork, source: FindsById) -> bool:
    """Findings by their ids. Whether all were worked; else the run is to stop."""
    work.phase("reading what changed")
    after = ""
    while not work.job.is_ending and (found := await work.passing.next_findings(after, source.find_at_once)):
        after = found[-1].source_id
        records = await find_all(source, [each.source_id for each in found])
        await _work_page(work, found, records)
    return not work.job.is_ending


async def _work_page(work: PassWork, found: Sequence[Found], records: Mapping[str, Record]) -> None:
    missing = {each.source_id for each in found if each.kind is Kind.MISSING}
    outside = sorted(missing & records.keys()) if work.changing_filters else []
    work.outside.add(outside)
    brought = [record for source_id, record in records.items() if source_id not in outside]
    sorted_ = await sort_records(work, brought)
    if sorted_.changed:
        await put_changed(work, sorted_.changed)
    if sorted_.new:
        await work.begin_writing()
        await work.send(await take(work.job, sorted_.new, None))
    await work.passing.note_departed(sorted(missing - records.keys()))
    await work.passing.drop_findings([each.source_id for each in found])


async def work_kept(work: PassWork) -> bool:
    """Findings whose rows the scan kept. On a self-route the new ones come first: a change may name their rows."""
    work.phase("mapping what is new or changed")
    for kind in (Kind.NEW, Kind.CHANGED):
        after = ""
        while not work.job.is_ending and (found := await work.passing.next_findings(after, _A_PAGE)):
            after = found[-1].source_id
            if mine := [each for each in found if each.kind is kind and each.record is not None]:
                await _map_kept(work, kind, [_record(each) for each in mine])
                await work.passing.drop_findings([each.source_id for each in mine])
        if kind is Kind.NEW and work.job.is_self_route:
            await map_all_stored(work.job)
    return not work.job.is_ending


async def _map_kept(work: PassWork, kind: Kind, records: Sequence[Record]) -> None:
    if kind is Kind.CHANGED:
        await put_changed(work, records)
        return
    await work.begin_writing()
    await store(work.job, records)


def _record(found: Found) -> Record:
    return Record(id=found.source_id, key=None, version=None, data=decode_json(found.record or b"{}"))
