"""Values of an answer in the forms that connectors compare: ids as opaque text, numbers in one form, nested members."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any

from bulkmove.exact import is_utf8
from bulkmove.model import JsonObject

# A text with a leading zero is a name, not a number.
# Control characters, line and paragraph ends, and what turns the direction of writing.
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_PLAIN_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,10})?")


def as_text(value: Any) -> str | None:
    """An id as opaque text, exactly as JSON gave it: 95 is "95", "95750870.3" stays; None for what names nothing."""
    kind = type(value)
    if kind is str:
        return value if value and is_utf8(value) else None
    if kind is int:
        return str(value)
    if kind is float:
        return repr(value)
    return str(value) if kind is Decimal else None


def printable(text: str) -> str:
    """A host's words as one line that can be kept and shown: nothing in it that steers a terminal, and no half character."""
    return " ".join(_STEERING.sub(" ", text).encode("utf-8", "replace").decode().split())


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
