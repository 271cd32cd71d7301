"""A mapped body as JSON bytes, exact or not at all."""

from __future__ import annotations

import math
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

from bulkmove.errors import RejectedError

_OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS


def encode_body(body: dict[str, Any]) -> bytes:
    """Raises RejectedError where a value has no exact JSON: NaN, a naive date, a set, a lone surrogate, …

    A Decimal becomes a JSON number with its very digits, a date with a zone ISO 8601 text. Floats are written
    with the fewest digits that name them, which are the source's own.
    """
    try:
        encoded = orjson.dumps(body, default=_default, option=_OPTIONS)
    except (TypeError, ValueError, RecursionError) as error:
        raise RejectedError(f"JSON can't carry the mapped record: {error}", cause="not-json") from None
    if b"null" in encoded:
        _check_floats(body, "")
    if b"\n" in encoded:  # of orjson's own there is none; bodies are kept a line each
        raise RejectedError(
            "a value of the mapped record is a piece of JSON with a raw newline; give the values, not their JSON",
            cause="not-json",
        )
    return encoded


def _default(value: object) -> Any:
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise TypeError(f"a number is {value}")
        return orjson.Fragment(str(value).encode("ascii"))
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise TypeError("a date has no time zone")
        return value.isoformat()
    raise TypeError(f"a value is of type {type(value).__name__}")


def _check_floats(value: dict[str, Any] | list[Any] | tuple[Any, ...], where: str) -> None:
    """What is no number (NaN, infinity) would go out as null, without a word."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for name, each in pairs:
        kind = type(each)
        if kind is str or kind is int or each is None:  # which most values of a record are
            continue
        if kind is float:
            if not math.isfinite(each):
                raise RejectedError(
                    f"field {where}{name} holds {each}, which JSON can't carry", cause="not-json"
                )
        elif isinstance(each, (dict, list, tuple)):
            _check_floats(each, f"{where}{name}.")
