"""A source record as it was read: its bytes, and the mark by which a later change of it shows."""

from __future__ import annotations

from bulkmove.exact import canonical_json, encode_json
from bulkmove.load.matching import digest_of
from bulkmove.model import JsonObject, Record
from bulkmove.pipeline.job import RouteJob


def encoded(row: JsonObject) -> bytes | None:
    """The row's bytes; None where JSON can't carry it."""
    try:
        return encode_json(row)
    except (TypeError, ValueError):
        return None


def mark_of(record: Record) -> bytes | None:
    """The mark of a record that is mapped as it comes; None where its version tells, or JSON can't carry it."""
    if record.version is not None:
        return None
    try:
        return digest_of(canonical_json(record.data))
    except (TypeError, ValueError):
        return None


def digest_as_read(job: RouteJob, record: Record) -> bytes | None:
    """The mark as it was made when the record was read: on a self-route of the bytes that were kept, else `mark_of`."""
    if job.is_self_route:
        kept = encoded(record.data)
        return None if kept is None else digest_of(kept)
    return mark_of(record)
