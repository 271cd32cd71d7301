"""The forms of an order: what of a body and a row is compared, and how an update takes up the ids that are there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from bulkmove.connectors.external_order.names import (
    ADDRESS,
    ADDRESS_ID,
    ID,
    ITEMS,
    NATURAL_KEY,
    STATUS,
    WRITABLE_FIELDS,
)
from bulkmove.connectors.json_text import as_text, normal_number
from bulkmove.model import JsonObject

_IN_EVERY_LINE = ("product", "quantity", STATUS)
_TEXT_FIELDS = frozenset({NATURAL_KEY, "address_ru", STATUS})


def comparable(row: JsonObject) -> JsonObject:
    """The documented fields of a body or a row, but for the ids that the host gives, in one form.

    Null and empty are one, None, and absent within lines and address; numbers and their texts are one. Lines stand in
    an order of their own: an update leaves each in the place that the host has for it.
    """
    return {name: _plain(name, row[name]) for name in WRITABLE_FIELDS if name in row and name != ID}


def _plain(name: str, value: Any) -> Any:
    if name == ITEMS and isinstance(value, list):
        value = [_plain_part(line, without=ID) if isinstance(line, dict) else line for line in value]
        value.sort(key=_sorting)
    elif name == ADDRESS and isinstance(value, dict):
        value = _plain_part(value, without=ADDRESS_ID)
    else:
        value = _plain_value(name, value)
    return None if value in ("", [], {}) else value


def _sorting(line: Any) -> list[str]:
    """By what every line has."""
    return [str(line.get(name)) for name in _IN_EVERY_LINE] if isinstance(line, dict) else [str(line)]


def _plain_part(part: JsonObject, *, without: str) -> JsonObject:
    return {
        name: _plain_value(name, value)
        for name, value in part.items()
        if name != without and value not in (None, "")
    }


def _plain_value(name: str, value: Any) -> Any:
    if name in _TEXT_FIELDS:
        text = as_text(value)
        return value if text is None else text
    return normal_number(value)


def holds(row: JsonObject, body: JsonObject) -> bool:
    """Whether the row shows all that the body says already, an emptied field too; what it leaves out is not looked at."""
    have, want = comparable(row), comparable(body)
    for name, value in body.items():
        if name == ITEMS and value:
            if not _same_lines(have.get(name), want.get(name)):
                return False
        elif name == ADDRESS and isinstance(value, dict):
            if not _agrees(have.get(name) or {}, want.get(name) or {}, set(value) - {ADDRESS_ID}):
                return False
        elif name not in WRITABLE_FIELDS or have.get(name) != want.get(name):
            return False
    return True


def _same_lines(have: Any, want: Any) -> bool:
    if not (isinstance(have, list) and isinstance(want, list) and len(have) == len(want)):
        return False
    return all(
        isinstance(old, dict) and isinstance(new, dict) and _agrees(old, new, set(new))
        for old, new in zip(have, want, strict=True)
    )


def _agrees(have: JsonObject, want: JsonObject, names: set[str]) -> bool:
    return all(have.get(name) == want.get(name) for name in names)


def with_ids(body: JsonObject, row: JsonObject) -> tuple[JsonObject, int]:
    """The body with the row's ids of lines and address, and how many lines of the row are left without a match.

    Whether an update's lines without an id replace the lines that are there, or are added to them, is not
    documented: with their ids there is no doubt. Lines are matched by product in their order, then what
    remains in its order, so that a line whose product changed is changed and not added.
    """
    carried = dict(body)
    old_address, new_address = row.get(ADDRESS), body.get(ADDRESS)
    if (
        isinstance(old_address, dict)
        and isinstance(new_address, dict)
        and old_address.get(ADDRESS_ID) is not None
    ):
        carried[ADDRESS] = {ADDRESS_ID: old_address[ADDRESS_ID], **new_address}
    lines = body.get(ITEMS)
    if not isinstance(lines, list):
        return carried, 0
    old_lines = [line for line in _rows(row.get(ITEMS)) if line.get(ID) is not None]
    ids = _matched_ids(lines, old_lines)
    carried[ITEMS] = [
        line if id_ is None else {ID: id_, **line} for line, id_ in zip(lines, ids, strict=True)
    ]
    return carried, sum(old[ID] not in ids for old in old_lines)


def lines_beyond(body: JsonObject, row: JsonObject) -> list[Any]:
    """The ids of the row's lines that are left without a match."""
    lines = body.get(ITEMS)
    if not isinstance(lines, list):
        return []
    old_lines = [line for line in _rows(row.get(ITEMS)) if line.get(ID) is not None]
    ids = _matched_ids(lines, old_lines)
    return [old[ID] for old in old_lines if old[ID] not in ids]


def _matched_ids(lines: Sequence[Any], old_lines: list[JsonObject]) -> list[Any]:
    """For each line the id of its match, None where nothing is left for it."""
    own = [line.get(ID) if isinstance(line, dict) else None for line in lines]
    left = [old for old in old_lines if old[ID] not in own]
    ids = list(own)
    for i, line in enumerate(lines):
        if ids[i] is None and isinstance(line, dict):
            product = normal_number(line.get("product"))
            place = next(
                (j for j, old in enumerate(left) if normal_number(old.get("product")) == product), None
            )
            if place is not None:
                ids[i] = left.pop(place)[ID]
    for i, line in enumerate(lines):
        if ids[i] is None and isinstance(line, dict) and left:
            ids[i] = left.pop(0)[ID]
    return ids


def _rows(value: Any) -> Iterator[JsonObject]:
    return (line for line in value if isinstance(line, dict)) if isinstance(value, list) else iter(())
