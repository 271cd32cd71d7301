"""Values of a body and of a row held against each other, field by field down to the last nested one.

A value becomes a mark, by which it can be told from another and not be read: what is kept on the disk while a
verification goes on holds no personal data, unless values were asked for.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from bulkmove.model import JsonObject

# By a top field's name: the marks of all that is in it, by their paths from the top, outer ones before inner ones.
Marks = dict[str, dict[str, str]]

_OBJECT, _LIST, _NULL, _NUMBER, _TEXT, _HIDDEN = "{", "[", "0", "n", "s", "#"
_HASH_BYTES = 8
_LONGEST_SHOWN = 80


class Difference(NamedTuple):
    """One field that a row shows otherwise. `there` None: the row does not have it. Both are marks."""

    path: str
    wanted: str
    there: str | None

    def __str__(self) -> str:
        """`order_items[0].quantity: 2 → 3`; the path alone where values are hidden."""
        if self.wanted.startswith(_HIDDEN) or (self.there or "").startswith(_HIDDEN):
            return self.path if self.there is not None else f"{self.path}: absent"
        return f"{self.path}: {shown(self.wanted)} → {shown(self.there)}"


def marks_of(fields: JsonObject, *, plain: bool) -> Marks:
    """`plain`: values can be read out of their marks."""
    return {
        str(name): {path: mark if plain else _hidden(mark) for path, mark in _walked(str(name), value)}
        for name, value in fields.items()
    }


def _walked(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        yield path, _OBJECT
        for name, inner in value.items():
            yield from _walked(f"{path}.{name}", inner)
    elif isinstance(value, list | tuple):
        yield path, f"{_LIST}{len(value)}"
        for place, inner in enumerate(value):
            yield from _walked(f"{path}[{place}]", inner)
    else:
        yield path, _mark(value)


def _mark(value: Any) -> str:
    """Numbers that are equal have one mark, whatever their type: as where a row is read back for any other purpose."""
    if value is None:
        return _NULL
    if isinstance(value, bool | int):
        return f"{_NUMBER}{int(value)}"
    if isinstance(value, float):
        return _number(Decimal(repr(value))) if math.isfinite(value) else f"{_NUMBER}{value}"
    if isinstance(value, Decimal):
        return _number(value)
    return f"{_TEXT}{value}"


def _number(value: Decimal) -> str:
    if not value.is_finite() or abs(value.adjusted()) > _LONGEST_SHOWN:
        return f"{_NUMBER}{value}"
    text = f"{value:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return f"{_NUMBER}{'0' if text == '-0' else text}"


def _hidden(mark: str) -> str:
    if mark[0] in (_NUMBER, _TEXT):
        content = mark.encode("utf-8", "surrogatepass")
        return _HIDDEN + hashlib.blake2b(content, digest_size=_HASH_BYTES).hexdigest()
    return mark


def differing(wanted: Marks, there: Marks) -> list[Difference]:
    """The fields of a body that a row shows otherwise; those that the row does not show at all are none.

    What the row has more, also within nested objects, is no difference. Where lists differ in length, or an object is
    none, what is in them is not named.
    """
    found: list[Difference] = []
    for name, parts in wanted.items():
        row = there.get(name)
        if row is None:
            continue
        within: tuple[str, ...] | None = None
        for path, mark in parts.items():
            if within is not None and path.startswith(within):
                continue
            shows = row.get(path)
            if shows != mark:
                found.append(Difference(path, mark, shows))
                within = (f"{path}.", f"{path}[")
    return found


def shown(mark: str | None) -> str:
    """A mark for people."""
    if mark is None:
        return "absent"
    kind, text = mark[0], mark[1:]
    if kind == _TEXT:
        text = text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
        return json.dumps(text, ensure_ascii=False)
    said = {_OBJECT: "an object", _NULL: "null", _LIST: f"{text} entries", _HIDDEN: "(hidden)"}
    return said.get(kind, text)


def value_of(mark: str | None) -> str | None:
    """What a mark that is not hidden tells, as text for a program."""
    return None if mark is None or mark[0] == _HIDDEN else shown(mark)
