"""JSON read and written without changing one value: what no double and no 64 bits hold becomes a Decimal."""

from __future__ import annotations

import json
import math
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

from bulkmove.model import Json

# orjson reads integers beyond 64 bits, and decimals beyond 17 digits, as the nearest double without a word.
# Both show as a run of at least this many digits and points; one translate and one find tell that there is none.
_LONG_RUN = b"0" * 19
_DIGITS = bytes(48 if byte in b"0123456789." else 32 for byte in range(256))
_EXACT_DIGITS = 17
_WHOLE_DIGITS = 19
_AS_MAPPED = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS


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


def is_utf8(text: str) -> bool:
    """Whether the text can be sent and kept at all: a lone surrogate, which JSON can name, can not."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def canonical_json(value: Any) -> bytes:
    """The same bytes for equal values, whatever the order of their names: to be hashed, not sent."""
    return orjson.dumps(value, default=str, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
