"""Where the bodies come from that are compared: the source, read and mapped again, or what the ledger kept of a route that changed its own source."""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections.abc import Sequence
from functools import partial

from bulkmove.cutover.verify import kept
from bulkmove.cutover.verify.comparing import AT_TARGET, Comparison, Page, compare_page
from bulkmove.cutover.verify.kept import Outcome
from bulkmove.cutover.verify.reading import Progress, read_on
from bulkmove.entries import Entry
from bulkmove.events import Note, RecordsRead, RecordsSettled
from bulkmove.exact import canonical_json, encode_json, name_of_content
from bulkmove.ledger import SqliteLedger, verifying
from bulkmove.ledger.keeping import written_bodies
from bulkmove.ledger.verifying import Known
from bulkmove.load.matching import Body, as_text, digest_of
from bulkmove.model import JsonObject, Record, State
from bulkmove.pipeline.bodies import attempt
from bulkmove.pipeline.whole import find_all
from bulkmove.protocols import FindsById

_SLICE = 500


async def compare_source(
    comparison: Comparison, ledger: SqliteLedger, *, among: frozenset[str] | None = None
) -> None:
    """Read the source whole, and compare each record, or those that `among` names."""
    job = comparison.job

    async def take(records: Sequence[Record], progress: Progress) -> None:
        wanted = records if among is None else [record for record in records if record.id in among]
        await _compare_records(comparison, ledger, wanted, progress)

    undated = await read_on(
        comparison.working, f"source {job.name}", job.source, take, readers=job.readers, derive=job.derive
    )
    if undated:
        text = (
            f"{undated:,} rows of {job.settings.source} have no date and were not read: they are not compared"
        )
        job.emit(Note(f"route {job.name}: {text}", route=job.name))


async def compare_found(
    comparison: Comparison, ledger: SqliteLedger, source: FindsById, ids: Sequence[str]
) -> None:
    """Ask the source for these records by their ids."""
    for start in range(0, len(ids), source.find_at_once):
        some = ids[start : start + source.find_at_once]
        fresh = await comparison.working.change(
            partial(kept.not_compared, route=comparison.job.name, ids=some)
        )
        if fresh:
            found = await find_all(source, fresh)
            await _compare_records(comparison, ledger, list(found.values()), lambda _: None)


async def _compare_records(
    comparison: Comparison, ledger: SqliteLedger, records: Sequence[Record], progress: Progress
) -> None:
    job, working = comparison.job, comparison.working
    async with comparison.turn:
        by_id, nameless = _by_id(records)
        fresh = await working.change(lambda c: kept.not_compared(c, job.name, [*by_id, *nameless]))
        mine = {source_id: by_id[source_id] for source_id in fresh if source_id in by_id}
        known = (
            await ledger.ask(partial(verifying.known, route=comparison.number, ids=fresh)) if fresh else {}
        )
        changed = frozenset(
            source_id for source_id, record in mine.items() if _has_changed(record, known.get(source_id, ()))
        )
        bodies, others = await attempt(job, list(mine.values())) if mine else ([], [])
        page = Page(
            ids=list(mine),
            bodies=bodies,
            others=[*others, *(Entry(each, 0, State.REJECTED) for each in fresh if each not in mine)],
            known=known,
            claims=await _claims(comparison, ledger, bodies),
            changed=changed,
        )
        await _compare(comparison, page, progress)


def _by_id(records: Sequence[Record]) -> tuple[dict[str, Record], list[str]]:
    """Records that can be mapped, by their ids, and the names of those that can't."""
    by_id: dict[str, Record] = {}
    nameless: list[str] = []
    for record in records:
        if record.id is None or record.fault is not None:
            nameless.append(record.id if record.id is not None else name_of_content(record.data))
        else:
            by_id.setdefault(record.id, record)
    return by_id, nameless


def _has_changed(record: Record, known: Sequence[Known]) -> bool:
    """Whether the source changed the record since it was moved, by its version, else by its content."""
    if not known:
        return False
    first = known[0]
    if record.version is not None and first.version is not None:
        return record.version != first.version
    if first.source_digest is None:
        return False
    try:
        return digest_of(canonical_json(record.data)) != first.source_digest
    except (TypeError, ValueError):
        return False


async def _claims(
    comparison: Comparison, ledger: SqliteLedger, bodies: Sequence[Body]
) -> dict[str, verifying.Claim]:
    keys = [body.key for body in bodies if body.key is not None]
    if not keys:
        return {}
    return await ledger.ask(partial(verifying.claims, list_id=comparison.list_number, keys=keys))


async def _compare(comparison: Comparison, page: Page, progress: Progress) -> None:
    before = comparison.tally["equal"]

    def change(connection: sqlite3.Connection) -> None:
        compare_page(connection, comparison, page)
        progress(connection)

    await comparison.working.change(change)
    job, read = comparison.job, len(page.ids)
    equal = comparison.tally["equal"] - before
    if read:
        job.emit(RecordsRead(job.name, read))
    if equal:
        job.emit(RecordsSettled(job.name, "unchanged", equal))


async def compare_kept(
    comparison: Comparison, ledger: SqliteLedger, *, ids: Sequence[str] | None = None
) -> None:
    """Hold the rows against what was last written of each, by the ledger: the source was changed by us.

    `ids`: of these records alone, in order.
    """
    job, working = comparison.job, comparison.working
    number, is_done, after = await working.change(lambda c: kept.reading(c, f"kept {job.name}"))
    while not is_done:
        some = await _following(comparison, ledger, after, ids)
        if not some:
            break
        after = some[-1].source_id
        names = list(dict.fromkeys(each.source_id for each in some))
        fields = await ledger.ask(partial(written_bodies, route=comparison.number, source_ids=names))
        bodies, unkept = _bodies_of(comparison, some, fields)
        claims = await _claims(comparison, ledger, bodies)
        told = _by_record([each for each in some if each not in unkept])
        page = Page(names, bodies, (), told, claims, frozenset())
        at = after

        def change(connection: sqlite3.Connection, at: str = at, unkept: Sequence[Known] = unkept) -> None:
            kept.go_on_behind(connection, number, at)
            kept.add_outcomes(connection, job.name, _unkept(connection, comparison, unkept))

        await _compare(comparison, page, change)
    await working.change(lambda c: kept.end_reading(c, number))


async def _following(
    comparison: Comparison, ledger: SqliteLedger, after: str, ids: Sequence[str] | None
) -> list[Known]:
    if ids is None:
        return await ledger.ask(
            partial(verifying.following, route=comparison.number, after=after, most=_SLICE)
        )
    start = bisect_right(ids, after)
    some = ids[start : start + _SLICE]
    found = await ledger.ask(partial(verifying.known, route=comparison.number, ids=some))
    return [each for source_id in some for each in found.get(source_id, ())]


def _by_record(known: Sequence[Known]) -> dict[str, list[Known]]:
    found: dict[str, list[Known]] = {}
    for each in known:
        found.setdefault(each.source_id, []).append(each)
    return found


def _bodies_of(
    comparison: Comparison, known: Sequence[Known], fields: dict[tuple[str, int], JsonObject]
) -> tuple[list[Body], list[Known]]:
    """The bodies that were kept, and what was written of which nothing is."""
    bodies: list[Body] = []
    unkept: list[Known] = []
    for each in known:
        body = fields.get((each.source_id, each.part))
        if body is not None:
            key = as_text(body.get(comparison.job.rules.natural_key))
            encoded = encode_json(body)
            bodies.append(Body(each.source_id, each.part, None, None, body, encoded, each.target_id, key))
        elif each.state in AT_TARGET:
            unkept.append(each)
    return bodies, unkept


def _unkept(connection: sqlite3.Connection, comparison: Comparison, unkept: Sequence[Known]) -> list[Outcome]:
    """What was found as it should be and not written, or is not kept any more: whether its row is there is all there is to say."""
    found: list[Outcome] = []
    for each in unkept:
        row_id = each.target_id
        row = None if row_id is None else kept.row_by_id(connection, comparison.list_id, row_id)
        if row is not None:
            kept.use_rows(connection, comparison.list_id, [row.id])
        outcome = "missing" if row is None and row_id is not None else "not-kept"
        found.append(Outcome(each.source_id, each.part, outcome, row_id))
    return found


async def compare_deleted(comparison: Comparison, ledger: SqliteLedger) -> None:
    """Rows that a route deleted shall not be there."""
    job, working = comparison.job, comparison.working
    number, is_done, after = await working.change(lambda c: kept.reading(c, f"deleted {job.name}"))
    while not is_done:
        some = await _following(comparison, ledger, after, None)
        if not some:
            break
        after = some[-1].source_id

        def change(connection: sqlite3.Connection, at: str = after, some: Sequence[Known] = some) -> None:
            kept.go_on_behind(connection, number, at)
            outcomes = [_deleted(connection, comparison, each) for each in some]
            kept.add_outcomes(connection, job.name, outcomes)

        await working.change(change)
        job.emit(RecordsRead(job.name, len({each.source_id for each in some})))
    await working.change(lambda c: kept.end_reading(c, number))


def _deleted(connection: sqlite3.Connection, comparison: Comparison, known: Known) -> Outcome:
    name = (known.source_id, known.part)
    if known.state not in AT_TARGET:
        return Outcome(
            *name, "pending" if known.state in (State.SEEN, State.PENDING) else known.state.name.lower()
        )
    row = None
    if known.target_id is not None:
        row = kept.row_by_id(connection, comparison.list_id, known.target_id)
    if row is None:
        return Outcome(*name, "equal", known.target_id)
    return Outcome(*name, "error", row.id, {"why": "its row was deleted, and is there"})
