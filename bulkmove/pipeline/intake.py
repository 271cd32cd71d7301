"""A page of source records becomes bodies in the ledger: known ones dropped, the rest mapped, matched and put down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Container, Mapping, Sequence

from bulkmove.entries import Entry, Item, Kept, Member, Span, TargetKey
from bulkmove.errors import RejectedError
from bulkmove.events import RecordsRead, RecordsSettled
from bulkmove.exact import canonical_json, decode_json, encode_json
from bulkmove.load.matching import Body, Rules, as_text, digest_of, match, rejected
from bulkmove.mapping.apply import Rejection, Result, Skip, map_page
from bulkmove.mapping.encode import encode_body
from bulkmove.model import JsonObject, Record, State
from bulkmove.pipeline.arriving import new_records, storable
from bulkmove.pipeline.befores import keep_own_rows
from bulkmove.pipeline.job import RouteJob
from bulkmove.pipeline.keys import ensure_keys


async def take(job: RouteJob, records: Sequence[Record], span: Span | None) -> list[Item]:
    """Map and match what is new of a page and put it down, with the progress of its span.

    Returns the bodies to be written, in order. Each record is mapped once, ever. Where the run's limit cuts
    the page, the span's progress is not noted, so that a later run reads the rest again.
    """
    fresh, keyless = await new_records(job, records)
    if job.limit is not None and len(fresh) > job.limit:
        fresh, keyless, span = fresh[: job.limit], [], None
    # First: a mapper may change its record.
    digests = [_digest(record.data) if record.version is None else None for record in fresh]
    if job.onlooker is not None:
        job.onlooker.see(job.name, fresh)
    results = await _map(job, fresh)
    entries, bodies = _prepare(job.rules, fresh, results, digests)
    async with job.target_list.claiming:
        matched = await _match_all(job, bodies, {})
        records_by_id = {record.id: record.data for record in fresh if record.id is not None}
        items = await _put_down(
            job, matched, bodies, others=entries + keyless, records=records_by_id, span=span
        )
    job.note_mapped(len(fresh))
    return items


async def store(job: RouteJob, records: Sequence[Record]) -> None:
    """Keep a page as it was read, to be mapped when the whole list is there."""
    fresh, keyless = await new_records(job, records)
    entries = [_seen(record) for record in fresh] + keyless
    if not entries:
        return
    await job.ledger.add_page(job.name, entries, chunk=job.ledger.reserve_chunk(), is_raw=True)
    _tell(job, entries)


async def map_stored(job: RouteJob, chunk: int, rows: Sequence[Kept]) -> None:
    """Map a page that was kept as it was read, as much of it as the run's limit allows."""
    rows = rows[: job.limit]
    records = [Record(id=row.source_id, key=None, version=None, data=decode_json(row.body)) for row in rows]
    if job.onlooker is not None:
        job.onlooker.see(job.name, records)
    results = await _map(job, records)
    entries, bodies = _prepare(job.rules, records, results, [digest_of(row.body) for row in rows])
    own_rows = {row.source_id: decode_json(row.body) for row in rows}
    async with job.target_list.claiming:
        matched = await _match_all(job, bodies, own_rows)
        matched = await _without_strays(job, matched, bodies)
        await keep_own_rows(job, matched, own_rows)
        await _put_down(job, matched, bodies, others=entries, records=own_rows, was_raw_chunk=chunk)
    job.note_mapped(len(rows))


Put = Callable[[Sequence[Entry]], Awaitable[None]]


async def map_again(job: RouteJob, records: Sequence[Record], put: Put) -> None:
    """Map records anew that failed, and of which no body is at the target: a key that one claimed before is free to it.

    `put` takes their entries, and is called while no other route can claim a key of the list.
    """
    # First: a mapper may change its record.
    as_read = {record.id: encoded for record in records if (encoded := _encoded(record.data)) is not None}
    digests = [_digest(record.data) if record.version is None else None for record in records]
    results = await _map(job, records)
    others, bodies = _prepare(job.rules, records, results, digests)
    rows = {
        source_id: decode_json(encoded) for source_id, encoded in as_read.items() if source_id is not None
    }
    async with job.target_list.claiming:
        matched = await _match_all(job, bodies, rows if job.is_self_route else {}, is_again=True)
        if job.is_self_route:
            matched = await _without_strays(job, matched, bodies)
            await keep_own_rows(job, matched, rows)
        entries = _with_records(matched, rows) + _with_records(others, rows)
        await put(entries)
    _tell(job, entries, is_new=False)


# What becomes of a body whose row of the target is known, given its own row on a self-route; None: it is matched.
Place = Callable[[Body, JsonObject | None], Entry | None]
PutChanged = Callable[[Sequence[Entry], Sequence[Body]], Awaitable[None]]


async def map_changed(job: RouteJob, records: Sequence[Record], place: Place, put: PutChanged) -> None:
    """Map records anew that changed since they were mapped: what they became before is theirs to change.

    `put` takes their entries, and all bodies that they are mapped to; it is called as that of `map_again`.
    """
    # First: a mapper may change its record.
    as_read = {record.id: encoded for record in records if (encoded := _encoded(record.data)) is not None}
    digests = [digest_as_read(job, record) for record in records]
    results = await _map(job, records)
    others, bodies = _prepare(job.rules, records, results, digests)
    rows = {
        source_id: decode_json(encoded) for source_id, encoded in as_read.items() if source_id is not None
    }
    async with job.target_list.claiming:
        placed = [place(body, rows.get(body.source_id) if job.is_self_route else None) for body in bodies]
        free = [body for body, entry in zip(bodies, placed, strict=True) if entry is None]
        matched = iter(await _match_all(job, free, rows if job.is_self_route else {}, is_again=True))
        entries = [
            next(matched) if entry is None else _checked(job, body, entry)
            for body, entry in zip(bodies, placed, strict=True)
        ]
        if job.is_self_route:
            entries = await _without_strays(job, entries, bodies)
            await keep_own_rows(job, entries, rows)
        await put(_with_records(entries, rows) + _with_records(others, rows), bodies)


def digest_as_read(job: RouteJob, record: Record) -> bytes | None:
    """The mark by which a later change of a record shows, where it has no version: as it was made when it was read."""
    if job.is_self_route:
        encoded = _encoded(record.data)
        return None if encoded is None else digest_of(encoded)
    return _digest(record.data) if record.version is None else None


async def attempt(job: RouteJob, records: Sequence[Record]) -> tuple[list[Body], list[Entry]]:
    """The bodies that the records are mapped to, and entries for what is skipped or rejected.

    Nothing is matched with the target's rows, put down or sent: a body that names no row counts as a new one, unless
    the route only changes what is there.
    """
    results = await _map(job, records)
    others, bodies = _prepare(job.rules, records, results, [None] * len(records))
    good: list[Body] = []
    for body in bodies:
        refused = _refusal(job, body, is_update=body.target_id is not None or job.rules.mode == "update")
        if refused is None:
            good.append(body)
        else:
            others.append(refused)
    return good, others


async def _without_strays(job: RouteJob, matched: list[Entry], bodies: Sequence[Body]) -> list[Entry]:
    """Reject updates of rows that are not there: the whole list was read, and a joined change tells nothing of an id."""
    ids = [body.target_id for body in bodies if body.target_id is not None]
    known = await job.ledger.known(job.name, ids) if ids else set()
    return [
        entry
        if body.target_id is None or body.target_id in known or entry.state is not State.PENDING
        else rejected(body, "not-found", f"the list that was read has no row {body.target_id}")
        for entry, body in zip(matched, bodies, strict=True)
    ]


async def _map(job: RouteJob, records: Sequence[Record]) -> list[Result]:
    results = await map_page(
        job.mapper,
        [record.data for record in records],
        job.context,
        # A mapper of a route that comes after another may ask the ledger for ids, which blocks: off the loop with it.
        in_thread=bool(job.settings.after),
        ids=[record.id or "" for record in records],
    )
    return [
        Rejection(each.cause, job.hide(each.message)) if isinstance(each, Rejection) else each
        for each in results
    ]


def _prepare(
    rules: Rules, records: Sequence[Record], results: Sequence[Result], digests: Sequence[bytes | None]
) -> tuple[list[Entry], list[Body]]:
    """Entries for what is skipped or rejected, bodies for the rest."""
    entries: list[Entry] = []
    bodies: list[Body] = []
    for record, result, digest in zip(records, results, digests, strict=True):
        if isinstance(result, Rejection):
            entries.append(_unmapped(record, 0, digest, State.REJECTED, result.cause, result.message))
        elif isinstance(result, Skip):
            entries.append(_unmapped(record, 0, digest, State.SKIPPED, result.cause, result.message))
        elif not result:
            entries.append(_unmapped(record, 0, digest, State.SKIPPED, "mapper", None))
        else:
            for part, fields in enumerate(result):
                try:
                    bodies.append(_body(record, part, digest, fields, rules))
                except RejectedError as error:
                    entries.append(_unmapped(record, part, digest, State.REJECTED, error.cause, str(error)))
    return entries, bodies


def _unmapped(
    record: Record, part: int, digest: bytes | None, state: State, cause: str, message: str | None
) -> Entry:
    return Entry(
        source_id=record.id or "",
        part=part,
        state=state,
        version=record.version,
        source_digest=digest,
        cause=storable(cause),
        message=None if message is None else storable(message),
    )


def _body(record: Record, part: int, digest: bytes | None, fields: JsonObject, rules: Rules) -> Body:
    """Take the id out of a mapped body and encode the rest. Raises RejectedError for what can't be written at all."""
    if not isinstance(fields, dict):
        raise RejectedError(f"the mapper gave a {type(fields).__name__}, not a dict", cause="mapper-error")
    if rules.mode == "delete":
        fields = {name: fields[name] for name in (rules.id_field, rules.natural_key) if name in fields}
    elif rules.writable and not fields.keys() <= rules.writable:
        names = ", ".join(sorted(str(name) for name in fields.keys() - rules.writable))
        raise RejectedError(
            f"the target documents no field {names} that can be written", cause="unknown-field"
        )
    target_id = None
    if rules.id_field in fields:
        target_id = as_text(fields[rules.id_field])
        if target_id is None and fields[rules.id_field] not in (None, ""):
            given = repr(fields[rules.id_field])[:80]
            raise RejectedError(
                f"the mapper gave {given} as {rules.id_field}, which names no row", cause="bad-id"
            )
        fields = {name: value for name, value in fields.items() if name != rules.id_field}
    key = as_text(fields.get(rules.natural_key))
    # A row is deleted by its address alone.
    fields = {} if rules.mode == "delete" else fields
    return Body(
        source_id=record.id or "",
        part=part,
        version=record.version,
        source_digest=digest,
        fields=fields,
        encoded=encode_body(fields),
        target_id=target_id,
        key=key,
    )


async def _match_all(
    job: RouteJob, bodies: Sequence[Body], own_rows: dict[str, JsonObject], *, is_again: bool = False
) -> list[Entry]:
    """The entries of the bodies, one by one. `is_again`: what a record claimed when it was mapped before is free to it."""
    keys = [body.key for body in bodies if body.key is not None and body.target_id is None]
    if keys:
        await ensure_keys(job)
    known = await job.ledger.find_keys(job.target_list.name, keys) if keys else {}
    if is_again:
        mine = {(body.key, body.source_id) for body in bodies}
        known = {key: _unclaimed(found, job.name, mine) for key, found in known.items()}
    there = dict(known) if job.onlooker is not None else {}
    entries: list[Entry] = []
    for body in bodies:
        entry = _checked(job, body, match(body, job.rules, known, own_rows.get(body.source_id)))
        if entry.key is not None and (entry.key not in known or known[entry.key].owner is None):
            # A later body of this page with the same key shall find it taken.
            known[entry.key] = TargetKey(entry.key, None, 0, None, owner=(job.name, entry.source_id))
        entries.append(entry)
    if job.onlooker is not None:
        await job.onlooker.matched(job, bodies, entries, known=there, own_rows=own_rows)
    return entries


def _unclaimed(found: TargetKey, route: str, mine: Container[tuple[str | None, str]]) -> TargetKey:
    """The key without its owner, where that is the very record that is mapped to it again."""
    is_own = found.owner is not None and found.owner[0] == route and (found.key, found.owner[1]) in mine
    return found._replace(owner=None) if is_own else found


def _checked(job: RouteJob, body: Body, entry: Entry) -> Entry:
    """The entry, rejected where the target would refuse its body; only a matched body tells what it is to be."""
    if entry.state is not State.PENDING:
        return entry
    return _refusal(job, body, is_update=entry.target_id is not None) or entry


def _refusal(job: RouteJob, body: Body, *, is_update: bool) -> Entry | None:
    if job.check_body is not None:
        try:
            job.check_body(body.encoded, is_update=is_update)
        except RejectedError as error:
            return rejected(body, error.cause, str(error))
    return None


async def _put_down(
    job: RouteJob,
    matched: list[Entry],
    bodies: Sequence[Body],
    *,
    others: list[Entry],
    records: Mapping[str, JsonObject],
    span: Span | None = None,
    was_raw_chunk: int | None = None,
) -> list[Item]:
    """Hand a page to the ledger; the bodies that are to be written, in order. `matched` goes with `bodies`, one by one.

    `records`: the source records, which are kept of what is rejected here.
    """
    entries = _with_records(matched, records) + _with_records(others, records)
    if not entries and span is None:
        return []
    chunk = job.ledger.reserve_chunk()
    await job.ledger.add_page(
        job.name,
        entries,
        chunk=chunk,
        span=span,
        target_list=job.target_list.name,
        was_raw_chunk=was_raw_chunk,
    )
    _tell(job, entries, is_new=was_raw_chunk is None)
    if job.onlooker is not None:
        job.onlooker.note(job.name, entries, [body.encoded for body in bodies])
    return [
        Item(Member(e.source_id, e.part, chunk), e.target_id, e.key, b.encoded, b.fields)
        for e, b in zip(matched, bodies, strict=True)
        if e.state is State.PENDING
    ]


def _with_records(entries: list[Entry], records: Mapping[str, JsonObject]) -> list[Entry]:
    if not any(entry.state is State.REJECTED for entry in entries):
        return entries
    return [
        entry._replace(record=_encoded(records[entry.source_id]))
        if entry.state is State.REJECTED and entry.source_id in records
        else entry
        for entry in entries
    ]


def _encoded(row: JsonObject) -> bytes | None:
    try:
        return encode_json(row)
    except (TypeError, ValueError):
        return None


def _tell(job: RouteJob, entries: Sequence[Entry], *, is_new: bool = True) -> None:
    if is_new:
        job.emit(RecordsRead(job.name, sum(1 for e in entries if e.part == 0)))
    job.budget.handle(sum(1 for e in entries if e.part == 0 and e.state is not State.SEEN))
    if rejected := {e.source_id: e.cause or "" for e in entries if e.state is State.REJECTED}:
        job.note_rejected(Counter(rejected.values()))
    for state in (State.SKIPPED, State.UNCHANGED, State.REJECTED):
        if count := sum(1 for e in entries if e.state is state and e.part == 0):
            job.emit(RecordsSettled(job.name, state.name.lower(), count))


def _seen(record: Record) -> Entry:
    try:
        return Entry(
            source_id=record.id or "",
            part=0,
            state=State.SEEN,
            body=encode_json(record.data),
            version=record.version,
        )
    except (TypeError, ValueError) as error:
        return _unmapped(record, 0, None, State.REJECTED, "not-json", f"JSON can't carry the record: {error}")


def _digest(row: JsonObject) -> bytes | None:
    try:
        return digest_of(canonical_json(row))
    except (TypeError, ValueError):
        return None
