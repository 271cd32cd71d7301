"""Values as the cells of a CSV file: each body always the same ones, and comparable with what is read back."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable
from decimal import Context, Decimal
from typing import Any

import orjson

from bulkmove.exact import canonical_json, decode_json, encode_json
from bulkmove.model import JsonObject

# Longer ones, or with longer exponents, are compared as texts.
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,99})(?:\.[0-9]{1,99})?(?:[eE][+-]?[0-9]{1,3})?")
_EXACTLY = Context(prec=1000)
_BOM = "\ufeff"


def cells_by_name(encoded: bytes) -> dict[str, str]:
    """The cells of a body. Its numbers stand as they do in its JSON, whoever decoded that before."""
    row = json.loads(encoded, parse_float=orjson.Fragment, parse_int=orjson.Fragment)
    return {name: cell_of(value) for name, value in row.items()}


def cell_of(value: Any) -> str:
    """A value as the text of a cell: None is empty, text is itself, anything else is JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else encode_json(value).decode()


def comparable_cells(row: JsonObject) -> JsonObject:
    """The cells of a row, of its body or as they were read, with their numbers in one form: 12.50 as 12.5."""
    return {name: _in_one_form(cell_of(value)) for name, value in row.items()}


def _in_one_form(cell: str) -> str:
    if _NUMBER.fullmatch(cell):
        return _number(decode_json(cell.encode()))
    if cell[:1] not in ("[", "{"):
        return cell
    try:
        return canonical_json(_nested(decode_json(cell.encode()))).decode()
    except (ValueError, TypeError, RecursionError):
        return cell


def _nested(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _nested(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_nested(member) for member in value]
    if isinstance(value, str | bool) or value is None:
        return value
    return orjson.Fragment(_in_one_form(cell_of(value)))


def _number(value: Any) -> str:
    exact = value if isinstance(value, Decimal) else Decimal(repr(value))
    return str(exact.normalize(_EXACTLY)) if exact else "0"


def can_be_column(name: str) -> bool:
    """Whether a header can carry the name, and a reader tell it."""
    return bool(name) and "\0" not in name and not name.startswith(_BOM)


def csv_line(cells: Iterable[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)  # so that cells with either of the two are quoted
    return text.getvalue()[:-2].encode() + b"\n"
