"""A record that changed: mapped anew, and what it is mapped to becomes changes of the rows that it became.

Nothing is created twice and nothing is sent that is there already: a body that equals the one that was written last
needs no request. Rows that a record is not mapped to any more are left as they are, and named.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bulkmove.entries import Entry, Item, Member
from bulkmove.ledger import undone
from bulkmove.ledger.delta import AT_TARGET, Seen, Standing
from bulkmove.ledger.delta_passes import DELETED, PART_LEFT, ROW_LEFT
from bulkmove.ledger.delta_work import Passing
from bulkmove.load.matching import Body, digest_of, match, rejected
from bulkmove.model import JsonObject, Record, State
from bulkmove.pipeline.anew import map_changed
from bulkmove.pipeline.as_read import digest_as_read
from bulkmove.pipeline.delta.work import PassWork
from bulkmove.pipeline.job import RouteJob
from bulkmove.pipeline.reading import CLOCKS_APART_S

# Clocks may be a minute apart, and a page may wait a minute before it is put down.
YOUNG_S = 2 * CLOCKS_APART_S
_ROW_LEFT = "the record is skipped since it changed; the row that it became is left as it is"
_PART_LEFT = "the record gives fewer bodies since it changed; the row of this one is left as it is"
_NO_ROW = "it was written before, and the id of its row is not known"


class Sorted(NamedTuple):
    """Records of a page: those that the ledger does not know, and those that changed since it put them down."""

    new: list[Record]
    changed: list[Record]


async def sort_records(work: PassWork, records: Sequence[Record]) -> Sorted:
    """Hold records that were read whole against the ledger; those that can't be read are as new, and told apart there."""
    ids = [record.id for record in records if record.id is not None and record.fault is None]
    known = await work.passing.standing(ids)
    new = [r for r in records if r.id is None or r.fault is not None or r.id not in known]
    changed = {
        record.id: record
        for record in records
        if record.id in known and record.fault is None and has_changed(work, record, known[record.id][0])
    }
    return Sorted(new, list(changed.values()))


def has_changed(work: PassWork, record: Record, was: Standing) -> bool:
    """By its version, where it has one and had one; else by all of its bytes. What was undone stays so."""
    if was.cause in {DELETED, undone.CAUSE}:
        return was.cause == DELETED
    if record.version is not None and was.version is not None:
        return record.version != was.version or may_have_changed(work, was)
    return digest_as_read(work.job, record) != was.source_digest


def may_have_changed(work: PassWork, was: Standing) -> bool:
    """Whether its version is so young that a second change may have the same.

    Dates come in whole seconds: what was changed about when it was read may have been changed once more right after.
    """
    if was.version is None or was.read_at is None or was.read_in == work.passing.run:
        return False
    second = work.second_of(was.version)
    return second is not None and second >= was.read_at - YOUNG_S


async def put_changed(work: PassWork, records: Sequence[Record]) -> None:
    """Map them, put down what they become in one change of the ledger, and send it."""
    done = await change_records(work.job, work.passing, records)
    work.left.add(done.left)
    await work.send(done.items)


class Done(NamedTuple):
    """Bodies that are to be sent, and the records that were left as they are, since bodies of theirs are open or unknown."""

    items: list[Item]
    left: list[str]


async def change_records(job: RouteJob, passing: Passing, records: Sequence[Record]) -> Done:
    """Map records anew that the ledger knows, and put down what becomes of their rows."""
    was = await passing.standing([record.id for record in records if record.id is not None])
    is_open = {source_id for source_id, bodies in was.items() if any(body.is_open for body in bodies)}
    mapped = [record for record in records if record.id in was and record.id not in is_open]
    items: list[Item] = []

    def place(body: Body, own_row: JsonObject | None) -> Entry | None:
        return _place(job, body, own_row, _part(was, body.source_id, body.part))

    async def put(entries: Sequence[Entry], bodies: Sequence[Body]) -> None:
        items.extend(await _put(job, passing, entries, bodies, was))

    if mapped:
        await map_changed(job, mapped, place, put)
    return Done(items, sorted(is_open))


def _part(was: Mapping[str, Sequence[Standing]], source_id: str, part: int) -> Standing | None:
    return next((body for body in was.get(source_id, ()) if body.part == part), None)


def _place(job: RouteJob, body: Body, own_row: JsonObject | None, old: Standing | None) -> Entry | None:
    """The entry of a body whose row is known from before; None where it is to be matched as any other."""
    if old is None or old.cause == DELETED:
        return None
    if old.target_id is None:
        if old.state not in AT_TARGET:
            return None
        is_same = old.digest == digest_of(body.encoded)
        return _entry(body, State.UNCHANGED, None) if is_same else rejected(body, "no-target-id", _NO_ROW)
    if body.target_id not in (None, old.target_id):
        return None
    if job.is_self_route:
        return match(body._replace(target_id=old.target_id), job.rules, {}, own_row)
    is_there = old.state in AT_TARGET and old.digest == digest_of(body.encoded)
    return _entry(body, State.UNCHANGED if is_there else State.PENDING, old.target_id)


def _entry(body: Body, state: State, target_id: str | None) -> Entry:
    return Entry(
        source_id=body.source_id,
        part=body.part,
        state=state,
        body=body.encoded if state is State.PENDING else None,
        target_id=target_id,
        key=body.key,
        digest=digest_of(body.encoded),
        version=body.version,
        source_digest=body.source_digest,
    )


async def _put(
    job: RouteJob,
    passing: Passing,
    entries: Sequence[Entry],
    bodies: Sequence[Body],
    was: Mapping[str, Sequence[Standing]],
) -> list[Item]:
    """Into the ledger; the bodies that are to be sent now."""
    by_record: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_record[entry.source_id].append(entry)
    made = Counter(body.source_id for body in bodies)
    changes: list[Entry] = []
    for source_id, mapped in by_record.items():
        changes += _changes(mapped, was[source_id], is_mapped=bool(made[source_id]))
    places = await passing.replace(
        [
            Seen(source_id, mapped[0].version, mapped[0].source_digest)
            for source_id, mapped in by_record.items()
        ],
        changes,
        was=was,
        keys=_keys(by_record, bodies, was),
        target_list=job.target_list.name,
    )
    job.budget.handle(len(by_record))
    if failed := {each.source_id: each.cause or "" for each in changes if each.state is State.REJECTED}:
        job.note_rejected(Counter(failed.values()))
    made_of = {(body.source_id, body.part): body for body in bodies}
    return [
        _item(each, made_of[each.source_id, each.part], places)
        for each in changes
        if each.state is State.PENDING and not _waits(each, was)
    ]


def _waits(entry: Entry, was: Mapping[str, Sequence[Standing]]) -> bool:
    """Whether a create of what was rejected is parked until the target was looked at."""
    old = _part(was, entry.source_id, entry.part)
    return entry.target_id is None and old is not None and old.state is State.REJECTED


def _item(entry: Entry, body: Body, places: Mapping[tuple[str, int], int]) -> Item:
    member = Member(entry.source_id, entry.part, places[entry.source_id, entry.part])
    return Item(member, entry.target_id, entry.key, body.encoded, body.fields)


def _changes(mapped: Sequence[Entry], was: Sequence[Standing], *, is_mapped: bool) -> list[Entry]:
    """Those of a record's bodies that become something else than they were."""
    old = {body.part: body for body in was}
    found: list[Entry] = []
    for entry in mapped:
        before = old.get(entry.part)
        if before is not None and entry.state is State.SKIPPED:
            found += _skipped(entry, was)
        elif before is None or entry.state is not State.UNCHANGED or before.state not in AT_TARGET:
            found.append(entry)
    if is_mapped:
        most = max(entry.part for entry in mapped)
        found += [
            _left(mapped[0], body, PART_LEFT, _PART_LEFT)
            for body in was
            if body.part > most and body.cause != PART_LEFT
        ]
    return found


def _skipped(entry: Entry, was: Sequence[Standing]) -> list[Entry]:
    """The record is skipped on purpose now; rows that it became stay where they are."""
    found = [_left(entry, body, ROW_LEFT, _ROW_LEFT) for body in was if body.state in AT_TARGET]
    if was[0].state in AT_TARGET or (
        was[0].state is State.SKIPPED and was[0].cause in {entry.cause, ROW_LEFT}
    ):
        return found
    return [entry, *found]


def _left(entry: Entry, body: Standing, cause: str, message: str) -> Entry:
    return entry._replace(
        part=body.part, state=State.SKIPPED, body=None, key=None, digest=None, cause=cause, message=message,
        target_id=None, record=None,
    )  # fmt: skip


def _keys(
    by_record: Mapping[str, Sequence[Entry]], bodies: Sequence[Body], was: Mapping[str, Sequence[Standing]]
) -> dict[str, set[str]]:
    """What each record claims now, where it is known of all its bodies, and no row is left that shows another key."""
    keys: dict[str, set[str]] = defaultdict(set)
    parts: Counter[str] = Counter()
    for body in bodies:
        parts[body.source_id] += 1
        if body.key is not None:
            keys[body.source_id].add(body.key)
    return {
        source_id: keys[source_id]
        for source_id, mapped in by_record.items()
        if parts[source_id] >= len(was[source_id]) and not any(e.state is State.REJECTED for e in mapped)
    }
