"""JSON read and written without changing one value: what no double and no 64 bits hold becomes a Decimal."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
import orjson

from bulkmove.model import Json

# orjson reads integers beyond 64 bits, and decimals that no double holds, as the nearest double without a word. Up
# to 15 digits every decimal comes back from its double. More show as a run of at least this many digits and points;
# one translate and one find tell that there is none.
_LONG_RUN = b"0" * 17
_DIGITS = bytes(48 if byte in b"0123456789." else 32 for byte in range(256))
_SURELY_EXACT = 16  # characters: 15 digits and a point
_WHOLE_DIGITS = 19
_MOST_64_BITS = 20  # characters of the longest, -9223372036854775808
_MOST_DIGITS = 4300  # as Python allows of a whole number's text
_NO_NUMBER = Decimal("NaN")
_DEEPEST = 250  # levels, which is about what JSON can be written with
_LONGEST_LOOKED_THROUGH = 4 * 1024 * 1024
_STRINGS_AND_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*(?P<end>"?)|[\[\]{}]', re.DOTALL)
_MINUS = ord("-")
_BEFORE_NUMBERS = b":[, \t\r\n"
_AS_MAPPED = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS


def decode_json(body: bytes) -> Json:
    """The value that `body` is. Raises ValueError for what is cut short, HTML, or otherwise not JSON.

    What orjson would change or refuse (long numbers, lone surrogates, numbers beyond a double, NaN, deep nesting) is read
    by `json`, so that one odd record does not cost its page. A number that no double, or no 64 bits, hold
    becomes a Decimal: exact, or seen where it can't be sent.
    """
    if not _has_long_number(body):
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError:
            pass
    return _decode_oddity(body)


def _has_long_number(body: bytes) -> bool:
    """Whether a long run of digits stands where a number can begin. Those within names and hashes are none."""
    runs = body.translate(_DIGITS)
    at = runs.find(_LONG_RUN)
    while at >= 0:
        sign = at > 0 and body[at - 1] == _MINUS
        if at - sign == 0 or body[at - sign - 1] in _BEFORE_NUMBERS:
            return True
        end = runs.find(b" ", at)
        at = runs.find(_LONG_RUN, end) if end >= 0 else -1
    return False


def _decode_oddity(body: bytes) -> Json:
    text = body.decode("utf-8-sig")
    try:
        return _decode_exactly(text)
    except RecursionError:
        return _decode_exactly(_less_deep(text))


def _decode_exactly(text: str) -> Json:
    return json.loads(text, parse_float=_number, parse_int=_whole, parse_constant=Decimal)


def _less_deep(text: str) -> str:
    """The text with NaN for what is nested too deeply to be read: its row is seen where it can't be sent, and no other is lost.

    Raises ValueError for a text that ends within a string, or is so large that looking through it would hold up others.
    """
    if len(text) > _LONGEST_LOOKED_THROUGH:
        raise ValueError("nested too deeply to be an answer")
    kept: list[str] = []
    depth = kept_to = 0
    for token in _STRINGS_AND_BRACKETS.finditer(text):
        sign = token[0][0]
        if sign in "[{":
            if depth == _DEEPEST:
                kept += (text[kept_to : token.start()], "NaN")
            depth += 1
        elif sign in "]}":
            depth -= 1
            if depth == _DEEPEST:
                kept_to = token.end()
        elif not token["end"]:
            raise ValueError("ends within a string")
    return "".join((*kept, text[kept_to:])) if depth <= _DEEPEST else text[:0]


def decode_json_or_nothing(body: bytes) -> Json:
    """As `decode_json`, with None for an empty body: for answers whose status says all."""
    return decode_json(body) if body.strip() else None


def _number(text: str) -> float | Decimal:
    """A double where `text` is a name of that double, its shortest or its longest, else a Decimal.

    PHP writes 58.34 as 58.340000000000003, in 17 digits, which are a name of every double; 0.12345678901234567 is
    near a double, and the name of none.
    """
    value = float(text)
    if len(text) <= _SURELY_EXACT and math.isfinite(value) and value:
        return value
    exact = _decimal(text)
    if not math.isfinite(value) or exact.is_nan():
        return exact
    return value if exact in {Decimal(repr(value)), Decimal(f"{value:.17g}")} else exact


def _decimal(text: str) -> Decimal:
    """NaN, which is seen where it can't be sent, for an exponent by which whoever writes it out would fill the memory."""
    try:
        exact = Decimal(text)
    except InvalidOperation:
        return _NO_NUMBER
    return exact if abs(exact.adjusted()) <= _MOST_DIGITS else _NO_NUMBER


def _whole(text: str) -> int | Decimal:
    """An int where 64 bits hold it, which is what goes into JSON again without a detour, else a Decimal."""
    if len(text) < _WHOLE_DIGITS:
        return int(text)
    return int(text) if len(text) <= _MOST_64_BITS and -(2**63) <= int(text) < 2**64 else Decimal(text)


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


def _as_text(value: object) -> str:
    if isinstance(value, orjson.Fragment):
        raise TypeError("msgspec knows no fragments of orjson's")
    return str(value)


_IN_ORDER = msgspec.json.Encoder(order="deterministic", enc_hook=_as_text)


def canonical_json(value: Any) -> bytes:
    """The same bytes for equal values, whatever the order of their names: to be hashed, not sent."""
    # orjson 3.13 writes past its buffer where it sorts the names of objects some 200 levels deep, and ends the process.
    try:
        return _IN_ORDER.encode(value)
    except TypeError:  # a name that is no text, or a fragment of JSON: of our own making, and not deep
        return orjson.dumps(value, default=str, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)


def name_of_content(row: Any) -> str:
    """A name for a row that has none of its own: the hash of its content."""
    try:
        content = canonical_json(row)
    except (
        TypeError,
        ValueError,
        RecursionError,
    ):  # a lone surrogate, which has no UTF-8, or nested too deeply
        content = b"\0".join(_walked(row))
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _walked(row: Any) -> Iterator[bytes]:
    """What a value is made of, in its order and without recursion: as deep as it may be."""
    left = [row]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            yield b"{%d" % len(value)
            left += [part for pair in value.items() for part in pair]
        elif isinstance(value, list):
            yield b"[%d" % len(value)
            left += value
        else:
            yield repr(value).encode("utf-8", "surrogatepass")
