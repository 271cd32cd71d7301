"""What records become: the bodies that they are mapped to, and entries for those that are skipped or rejected."""

from __future__ import annotations

from collections.abc import Sequence

from bulkmove.entries import Entry
from bulkmove.errors import RejectedError
from bulkmove.load.matching import Body, Rules, as_text, rejected
from bulkmove.mapping.apply import Rejection, Result, Skip, map_page
from bulkmove.mapping.encode import encode_body
from bulkmove.model import JsonObject, Record, State
from bulkmove.pipeline.arriving import storable
from bulkmove.pipeline.job import RouteJob


async def map_records(
    job: RouteJob, records: Sequence[Record], digests: Sequence[bytes | None]
) -> tuple[list[Entry], list[Body]]:
    """Entries for what is skipped or rejected, bodies for the rest.

    `digests`: the marks of the records, which both carry; made before, since a mapper may change its record.
    """
    return _sorted_out(job.rules, records, await _results(job, records), digests)


async def attempt(job: RouteJob, records: Sequence[Record]) -> tuple[list[Body], list[Entry]]:
    """The bodies that the records are mapped to, and entries for what is skipped or rejected.

    Nothing is matched with the target's rows, put down or sent: a body that names no row counts as a new one, unless
    the route only changes what is there.
    """
    others, bodies = await map_records(job, records, [None] * len(records))
    good: list[Body] = []
    for body in bodies:
        refused = refusal(job, body, is_update=body.target_id is not None or job.rules.mode == "update")
        if refused is None:
            good.append(body)
        else:
            others.append(refused)
    return good, others


def refusal(job: RouteJob, body: Body, *, is_update: bool) -> Entry | None:
    """An entry that says why the target would refuse the body; None where nothing is known against it."""
    if job.check_body is not None:
        try:
            job.check_body(body.encoded, is_update=is_update)
        except RejectedError as error:
            return rejected(body, error.cause, str(error))
    return None


async def _results(job: RouteJob, records: Sequence[Record]) -> list[Result]:
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


def _sorted_out(
    rules: Rules, records: Sequence[Record], results: Sequence[Result], digests: Sequence[bytes | None]
) -> tuple[list[Entry], list[Body]]:
    entries: list[Entry] = []
    bodies: list[Body] = []
    for record, result, digest in zip(records, results, digests, strict=True):
        if isinstance(result, Rejection):
            entries.append(unmapped(record, 0, digest, State.REJECTED, result.cause, result.message))
        elif isinstance(result, Skip):
            entries.append(unmapped(record, 0, digest, State.SKIPPED, result.cause, result.message))
        elif not result:
            entries.append(unmapped(record, 0, digest, State.SKIPPED, "mapper", None))
        else:
            for part, fields in enumerate(result):
                try:
                    bodies.append(_body(record, part, digest, fields, rules))
                except RejectedError as error:
                    entries.append(unmapped(record, part, digest, State.REJECTED, error.cause, str(error)))
    return entries, bodies


def unmapped(
    record: Record, part: int, digest: bytes | None, state: State, cause: str, message: str | None
) -> Entry:
    """An entry without a body, and why."""
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
