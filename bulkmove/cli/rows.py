"""Rows as text: JSON lines or CSV, whole or the fields that were asked for."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from bulkmove.exact import encode_json
from bulkmove.model import JsonObject

Encode = Callable[[Sequence[JsonObject]], bytes]
_MOST_NAMED = 20
_PLACE = re.compile(r"[0-9]{1,9}")
_DEEPEST = 100


def picked(row: JsonObject, names: Sequence[str]) -> JsonObject:
    """The named fields of a row, under their dotted names; null for one that it lacks."""
    return {name: _at(row, name) for name in names}


def _at(value: Any, path: str, depth: int = 0) -> Any:
    """What stands at a dotted path: a number is a place in a list, a name is asked of each entry of a list.

    Nothing where lists in lists are nested more deeply than anyone could read.
    """
    if isinstance(value, dict):
        if path in value:
            return value[path]
        name, _, rest = path.partition(".")
        return _at(value[name], rest) if rest and name in value else None
    if not isinstance(value, list) or depth > _DEEPEST:
        return None
    place, _, rest = path.partition(".")
    if not _PLACE.fullmatch(place):
        return [_at(each, path, depth + 1) for each in value]
    if int(place) >= len(value):
        return None
    return _at(value[int(place)], rest) if rest else value[int(place)]


def json_lines(rows: Sequence[JsonObject]) -> bytes:
    return b"".join(_json(row) + b"\n" for row in rows)


def typed_lines(stream: str) -> Encode:
    """JSON lines as programs read them from `--json`: `{"type": "row", "stream": …, "row": {…}}`."""
    head = b'{"type":"row","stream":' + encode_json(stream) + b',"row":'
    return lambda rows: b"".join(head + _json(row) + b"}\n" for row in rows)


def _json(row: JsonObject) -> bytes:
    try:
        return encode_json(row)
    except TypeError:  # a lone surrogate, which has no UTF-8: one odd row does not end the reading
        return json.dumps(row, default=str).encode()


class CsvLines:
    """CSV with a header, of `names` or else of the first row's fields; nested values as JSON.

    `left_out` are fields of later rows that the first did not have, at most twenty of them.
    """

    def __init__(self, names: Sequence[str] | None) -> None:
        self._names = list(names) if names is not None else None
        self._known: frozenset[str] | None = None
        self.left_out: dict[str, None] = {}

    def __call__(self, rows: Sequence[JsonObject]) -> bytes:
        text = io.StringIO()
        lines = csv.writer(text, lineterminator="\n")
        for row in rows:
            if self._names is None:
                self._names = list(row)
            if self._known is None:
                self._known = frozenset(self._names)
                lines.writerow(self._names)
            if not row.keys() <= self._known and len(self.left_out) < _MOST_NAMED:
                self.left_out |= dict.fromkeys(name for name in row if name not in self._known)
            lines.writerow([_cell(row.get(name)) for name in self._names])
        return text.getvalue().encode("utf-8", "backslashreplace")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    kind = type(value)
    if kind is str:
        return str(value)
    return str(value) if kind is int else _json(value).decode()
