"""What undoes one row, by what it shows now, what was last written to it, and what stood there before. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bulkmove.cutover.undo.ways import Ways
from bulkmove.errors import RejectedError
from bulkmove.exact import encode_json
from bulkmove.ledger.undoing import Judged, PlannedRow
from bulkmove.load.matching import as_text, fields_that_differ, row_holds, shows_any
from bulkmove.load.shapes import fields_at
from bulkmove.load.verdicts import loosely
from bulkmove.model import JsonObject

# What is done with a row.
DELETE, SET, RESTORE = "delete", "set", "restore"
WORK = (DELETE, SET, RESTORE)
# There is nothing left to do with it.
GONE, ALREADY = "gone", "already"
SETTLED = (GONE, ALREADY)
# It is left as it is, and why.
EDITED, UNSURE, OTHER_ROW, NO_IMAGE, NO_WAY, NO_FORM = (
    "edited",
    "cannot-tell",
    "other-row",
    "no-before",
    "no-way",
    "no-form",
)
REFUSED = "refused"
OPEN = "open"
NO_ID = "no-id"
LEFT = (EDITED, UNSURE, OTHER_ROW, NO_IMAGE, NO_WAY, NO_FORM, REFUSED, OPEN, NO_ID)

_MOST_NAMED = 5


def judge_row(
    planned: PlannedRow,
    row: JsonObject | None,
    ways: Ways,
    *,
    body: JsonObject | None,
    image: JsonObject | None,
    edited_too: bool,
) -> Judged:
    """What is to be done with a row, and what it is left for where nothing is.

    `row`: as the target shows it now, None where it is not there. `body`: what was last written, None where that is
    not known; `image`: the row as it stood before, where that was kept.
    """
    judged = _aim(planned, row, ways, body=body, image=image)
    if judged.step not in WORK or row is None or edited_too:
        return judged
    if body is None:
        return Judged(planned.target_id, UNSURE, "what was written to it is not known")
    if not shows_any(ways.target, body, row):
        return Judged(planned.target_id, UNSURE, "it shows no field of what was written")
    if changed := fields_that_differ(ways.target, body, row):
        return Judged(planned.target_id, EDITED, f"{_named(changed)} changed since")
    return judged


def _aim(
    planned: PlannedRow,
    row: JsonObject | None,
    ways: Ways,
    *,
    body: JsonObject | None,
    image: JsonObject | None,
) -> Judged:
    """What would undo the row, whether it was edited or not."""
    if row is None:
        return Judged(planned.target_id, GONE)
    if not planned.is_created:
        return _restoring(planned, row, ways, body=body, image=image)
    shown = as_text(row.get(ways.target.natural_key))
    if planned.key is not None and shown is not None and loosely(shown) != loosely(planned.key):
        text = f"it shows another {ways.target.natural_key} than it was created with"
        return Judged(planned.target_id, OTHER_ROW, text)
    if ways.sets:
        return _sending(planned, row, ways, SET, with_fields(row, ways))
    if ways.deletes is None:
        return Judged(planned.target_id, NO_WAY, "its API deletes none, and the route has no undo_with")
    return Judged(planned.target_id, DELETE)


def _restoring(
    planned: PlannedRow, row: JsonObject, ways: Ways, *, body: JsonObject | None, image: JsonObject | None
) -> Judged:
    if image is None:
        return Judged(planned.target_id, NO_IMAGE, "what stood there before was not kept")
    if body is None:
        return Judged(planned.target_id, UNSURE, "what was written to it is not known")
    send, lost = as_it_was(image, row, body, ways)
    if lost and not send and len(lost) == len(body):
        return Judged(planned.target_id, NO_FORM, f"{_named(lost)} can't be put back")
    judged = _sending(planned, row, ways, RESTORE, send)
    is_partial = bool(lost) and judged.step in (RESTORE, ALREADY)
    return judged._replace(why=f"{_named(lost)} can't be put back") if is_partial else judged


def _sending(planned: PlannedRow, row: JsonObject, ways: Ways, step: str, send: JsonObject) -> Judged:
    if row_holds(ways.target, send, row):
        return Judged(planned.target_id, ALREADY)
    encoded = encode_json(send)
    if ways.check is not None:
        try:
            ways.check(encoded, is_update=True)
        except RejectedError as error:
            return Judged(planned.target_id, NO_FORM, str(error))
    return Judged(planned.target_id, step, send=encoded)


def as_it_was(
    image: JsonObject, row: JsonObject, body: JsonObject, ways: Ways
) -> tuple[JsonObject, list[str]]:
    """The fields that put back what was written over, in the form of a body; and those that can't be put back.

    A field that never comes back, or did not stand there before, can't. What is as it was before is not sent, nor is what
    a change does not write at all.
    """
    target = ways.target
    was, now, written = target.comparable(image), target.comparable(row), target.comparable(body)
    send: JsonObject = {}
    lost: list[str] = []
    for name in body:
        if name in target.never_returned or (name in written and name not in was):
            lost.append(name)
        elif name in written and was[name] != now.get(name):
            send[name] = _in_form(name, image[name], was[name], ways)
    return send, lost


def _in_form(name: str, value: Any, comparable: Any, ways: Ways) -> Any:
    """A field of a row as a body has it: without what the target documents in rows alone; else in the form that compares."""
    written = documented(value, name, ways.spec.update_body)
    if ways.check is None:
        return written
    try:
        ways.check(encode_json({name: written}), is_update=True)
    except RejectedError:
        return comparable
    return written


def documented(value: Any, path: str, shape: type | None) -> Any:
    """A value without the fields of objects that the target does not document at its path for writing."""
    if shape is None:
        return value
    if isinstance(value, list):
        return [documented(each, f"{path}[]", shape) for each in value]
    if not isinstance(value, dict):
        return value
    known = fields_at(shape, path)
    return {
        name: documented(inner, f"{path}.{name}", shape)
        for name, inner in value.items()
        if not known or name in known
    }


def with_fields(row: JsonObject, ways: Ways) -> JsonObject:
    """The body that `undo_with` makes of a row: its fields, those of a table on each line where the row has a list."""
    shape = ways.spec.update_body
    body: JsonObject = {}
    for name, value in ways.sets.items():
        shown = row.get(name)
        if isinstance(value, Mapping) and isinstance(shown, list):
            lines = documented(shown, name, shape)
            body[name] = [{**line, **value} if isinstance(line, dict) else line for line in lines]
        elif isinstance(value, Mapping) and isinstance(shown, dict):
            body[name] = {**documented(shown, name, shape), **value}
        else:
            body[name] = value
    return body


def _named(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
