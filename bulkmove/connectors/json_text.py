"""Bytes of an answer into values, without changing one of them, and values back into the opaque text that ids are."""

from __future__ import annotations

import json
import math
import re
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

from bulkmove.model import Json, JsonObject

# orjson reads integers beyond 64 bits, and decimals beyond 17 digits, as the nearest double without a word.
# Both show as a run of at least this many digits and points; one translate and one find tell that there is none.
_LONG_RUN = b"0" * 19
_DIGITS = bytes(48 if byte in b"0123456789." else 32 for byte in range(256))
_EXACT_DIGITS = 17
_WHOLE_DIGITS = 19
_AS_MAPPED = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS

# A text with a leading zero is a name, not a number.
_PLAIN_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,10})?")


def decode_json(body: bytes) -> Json:
    """The value that `body` is. Raises ValueError for what is cut short, HTML, or otherwise not JSON.

    What orjson would change or refuse (long numbers, lone surrogates, numbers beyond a double, NaN) is read
    by `json`, so that one odd record does not cost its page. A number that no double, or no 64 bits, hold
    becomes a Decimal: exact, or seen where it can't be sent.
    """
    if _LONG_RUN not in body.translate(_DIGITS):
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError:
            pass
    return _decode_oddity(body)


def _decode_oddity(body: bytes) -> Json:
    try:
        return json.loads(
            body.decode("utf-8-sig"), parse_float=_number, parse_int=_whole, parse_constant=Decimal
        )
    except RecursionError as error:
        raise ValueError("nested too deeply to be an answer") from error


def decode_json_or_nothing(body: bytes) -> Json:
    """As `decode_json`, with None for an empty body: for answers whose status says all."""
    return decode_json(body) if body.strip() else None


def _number(text: str) -> float | Decimal:
    """A double where it holds the number (17 significant digits name every double), else a Decimal."""
    value = float(text)
    if math.isfinite(value) and len(text) <= _EXACT_DIGITS:
        return value
    exact = Decimal(text)
    if math.isfinite(value) and (
        len(exact.as_tuple().digits) <= _EXACT_DIGITS or Decimal(repr(value)) == exact
    ):
        return value
    return exact


def _whole(text: str) -> int | Decimal:
    """An int where 64 bits hold it, which is what goes into JSON again without a detour, else a Decimal."""
    return int(text) if len(text) < _WHOLE_DIGITS or -(2**63) <= int(text) < 2**64 else Decimal(text)


def encode_json(value: Any) -> bytes:
    """JSON of a body that was encoded before, with the digits of its Decimals and its dates as ISO 8601."""
    return orjson.dumps(value, default=_plain, option=_AS_MAPPED)


def _plain(value: object) -> Any:
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(str(value).encode("ascii"))
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"a value is of type {type(value).__name__}")


def as_text(value: Any) -> str | None:
    """An id as opaque text, exactly as JSON gave it: 95 is "95", "95750870.3" stays; None for what names nothing."""
    kind = type(value)
    if kind is str:
        return value or None
    if kind is int:
        return str(value)
    if kind is float:
        return repr(value)
    return str(value) if kind is Decimal else None


def whole_number(value: Any) -> int | None:
    """A count that a host tells; None for anything but an integer that is not below zero."""
    return value if type(value) is int and value >= 0 else None


def normal_number(value: Any) -> Any:
    """A number or a number's text in one form: 88, 88.0 and "88.00" are "88"; anything else, "088" too, as it is.

    Hosts built on Django REST framework return decimals as text.
    """
    kind = type(value)
    if kind is int:
        return str(value)
    if kind is str:
        if not _PLAIN_NUMBER.fullmatch(value):
            return value
        number = Decimal(value)
    elif kind is float and math.isfinite(value):
        number = Decimal(repr(value))
    else:
        return value
    return format(number.normalize(), "f") if number else "0"


def part(value: Any, *names: str) -> Any:
    """A nested member, as in `meta.count.total`; None where any step is missing."""
    for name in names:
        if not isinstance(value, dict) or name not in value:
            return None
        value = value[name]
    return value


def as_object(row: Any) -> JsonObject:
    """A row that is no object is wrapped, so that it is rejected by itself and not its page with it."""
    return row if isinstance(row, dict) else {"row": row}
