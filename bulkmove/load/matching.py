"""Which row a mapped body belongs to: create, update, delete, nothing to do, or rejected. Pure; the keys are looked up before."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import orjson

from bulkmove.entries import Entry, TargetKey
from bulkmove.exact import canonical_json, decode_json, is_utf8, name_of_content
from bulkmove.model import JsonObject, State
from bulkmove.protocols import Target
from bulkmove.settings import Mode


@dataclass(frozen=True, slots=True)
class Rules:
    """How one route finds its rows. `writable`: fields that the target documents, empty: any."""

    route: str
    mode: Mode
    id_field: str
    natural_key: str
    writable: frozenset[str]
    target: Target


class Body(NamedTuple):
    """One mapped body, encoded, with the id and key that it shows. What deletes a row has no fields."""

    source_id: str
    part: int
    version: str | None
    source_digest: bytes | None
    fields: JsonObject
    encoded: bytes
    target_id: str | None
    key: str | None


def digest_of(encoded: bytes) -> bytes:
    return hashlib.sha256(encoded).digest()[:16]


def as_text(value: object) -> str | None:
    """An id or a key as opaque text; None for what is none."""
    if value is None or value == "" or isinstance(value, (bool, dict, list)):
        return None
    text = str(value)
    return text if is_utf8(text) else None


def rejected(body: Body, cause: str, message: str) -> Entry:
    return _entry(body, State.REJECTED)._replace(cause=cause, message=message)


def match(
    body: Body, rules: Rules, known: Mapping[str, TargetKey], own_row: JsonObject | None = None
) -> Entry:
    """The entry that the body becomes.

    `known`: what the ledger knows of the natural keys of this page, and what earlier bodies of the page
    claim. `own_row`: on a self-route, the row that the record is, as it was read.
    """
    if body.target_id is not None:
        if rules.mode == "create":
            return rejected(
                body, "has-id", f"mode is create, and the body names a row of the target: {body.target_id}"
            )
        if rules.mode == "delete":
            # No key is claimed: once the row is gone, its key is free.
            return _entry(body, State.PENDING, target_id=body.target_id)
        if own_row is not None and _equals_row(body, rules.target, own_row):
            return _entry(body, State.UNCHANGED, target_id=body.target_id, key=body.key)
        return _entry(body, State.PENDING, target_id=body.target_id, key=body.key)
    if body.key is None:
        return rejected(
            body, "no-key", f"the body has no {rules.natural_key}, by which it could be found again"
        )
    return _match_by_key(body, body.key, rules, known.get(body.key))


def _match_by_key(body: Body, key: str, rules: Rules, known: TargetKey | None) -> Entry:
    if known is not None and known.owner is not None:
        route, source_id = known.owner
        return rejected(
            body,
            "duplicate-key",
            f"record {source_id} of route {route} has the same {rules.natural_key} {key}",
        )
    if known is None or known.rows == 0:
        if rules.mode in {"update", "delete"}:
            return rejected(
                body,
                "no-match",
                f"mode is {rules.mode}, and no row of the target has {rules.natural_key} {key}",
            )
        return _entry(body, State.PENDING, key=key)
    if known.rows > 1:
        return rejected(
            body, "ambiguous-key", f"{known.rows} rows of the target have {rules.natural_key} {key}"
        )
    if known.target_id is None:
        return rejected(
            body,
            "no-target-id",
            f"a row of the target has {rules.natural_key} {key}, and shows no {rules.id_field}",
        )
    if rules.mode == "create":
        return rejected(
            body, "exists", f"mode is create, and row {known.target_id} has {rules.natural_key} {key} already"
        )
    if rules.mode != "delete" and _equals_hashes(body, rules.target, known.fields):
        return _entry(body, State.UNCHANGED, target_id=known.target_id, key=key)
    return _entry(body, State.PENDING, target_id=known.target_id, key=key)


def _entry(body: Body, state: State, *, target_id: str | None = None, key: str | None = None) -> Entry:
    # By position: this is made once a record.
    return Entry(
        body.source_id,
        body.part,
        state,
        None if state is State.UNCHANGED else body.encoded,
        target_id,
        key,
        digest_of(body.encoded),
        body.version,
        body.source_digest,
    )


# A body equals a row where every field that it would write comes back on reading and is the same there.


def field_hashes(target: Target, row: JsonObject) -> str:
    """A short hash of each field of a row, as JSON text: enough to see what is unchanged, and no personal data."""
    shown = _comparable(target, row)
    return orjson.dumps({name: _hash(value) for name, value in shown.items() if is_utf8(name)}).decode()


def _comparable(target: Target, row: JsonObject) -> JsonObject:
    """What a row shows; nothing where a host nests it so deeply that no body could equal it."""
    try:
        return target.comparable(row)
    except RecursionError:
        return {}


def _hash(value: object) -> str:
    try:
        content = canonical_json(value)
    except (
        TypeError,
        ValueError,
        RecursionError,
    ):  # half a character, or nested too deeply: no body holds it
        content = name_of_content(value).encode()
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def _equals_hashes(body: Body, target: Target, fields: str | None) -> bool:
    if fields is None or body.fields.keys() & target.never_returned:
        return False
    row = orjson.loads(fields)
    shown = target.comparable(decode_json(body.encoded))
    return all(name in row and row[name] == _hash(value) for name, value in shown.items())


def fields_unlike_hashes(target: Target, body: JsonObject, hashes: str) -> list[str]:
    """The fields of a body, as JSON gave it, that a row of these `field_hashes` does not show as they would be written."""
    row = orjson.loads(hashes)
    return [name for name, value in target.comparable(body).items() if row.get(name) != _hash(value)]


def fields_unlike_row(target: Target, body: JsonObject, row: JsonObject) -> list[str]:
    """As `fields_unlike_hashes`, of the row itself."""
    shown = _comparable(target, row)
    return [n for n, value in target.comparable(body).items() if n not in shown or shown[n] != value]


def _equals_row(body: Body, target: Target, row: JsonObject) -> bool:
    if body.fields.keys() & target.never_returned:
        return False
    shown = _comparable(target, row)
    written = target.comparable(decode_json(body.encoded))
    return all(name in shown and shown[name] == value for name, value in written.items())


def row_holds(target: Target, body: JsonObject, row: JsonObject) -> bool:
    """Whether a row read back is what the body wrote, in the fields that come back.

    What the host adds of its own, also within nested objects, is no difference.
    """
    return not fields_that_differ(target, body, row)


def fields_that_differ(target: Target, body: JsonObject, row: JsonObject) -> list[str]:
    """The fields of a body that a row read back shows with another value."""
    shown = _comparable(target, row)
    written = target.comparable(body)
    return [name for name, value in written.items() if name in shown and not _holds(shown[name], value)]


def shows_any(target: Target, body: JsonObject, row: JsonObject) -> bool:
    """Whether a row read back has any field that tells of the body; else it is evidence for nothing."""
    return not _comparable(target, row).keys().isdisjoint(target.comparable(body))


def _holds(shown: object, written: object) -> bool:
    if isinstance(written, dict) and isinstance(shown, dict):
        return all(name in shown and _holds(shown[name], value) for name, value in written.items())
    if isinstance(written, list) and isinstance(shown, list):
        return len(shown) == len(written) and all(map(_holds, shown, written))
    return shown == written
