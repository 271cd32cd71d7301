"""Checks of single values of a mapping without code. Each raises ValueError with a "must be …" that repeats no value."""

from __future__ import annotations

import difflib
import math
import re
import uuid
from decimal import Decimal
from typing import Any

from pydantic import ValidationInfo

from bulkmove.config.checks import check_filled, check_json
from bulkmove.config.expressions import parse_expression, parse_template

MOST_DIGITS = 30
# With what glibc takes between the sign and the letter.
_DIRECTIVE = re.compile(r"%[-_0^#+]*[0-9]*[EO]?(.)", re.DOTALL)


def check_path(text: str) -> str:
    parse_expression(text)
    return text


def check_template(text: str) -> str:
    parse_template(check_filled(text))
    return text


def check_factor(value: Any) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or value == 0:
        raise ValueError("must be a number other than 0, without quotes")
    if len(Decimal(repr(value)).as_tuple().digits) > MOST_DIGITS:
        raise ValueError(f"must have at most {MOST_DIGITS} digits")
    return value


def check_scalar(value: object) -> object:
    if not isinstance(value, str | int | float):
        raise ValueError("must be text, a number, true or false")  # noqa: TRY004  pydantic reports ValueErrors
    return check_json(value)


def check_required(value: object) -> object:
    if not isinstance(value, bool) and value != "skip":
        raise ValueError('must be true, false or "skip"')
    return value


def check_namespace(text: str) -> str:
    try:
        uuid.UUID(text)
    except ValueError:
        raise ValueError("must be a UUID, as 6ba7b811-9dad-11d1-80b4-00c04fd430c8") from None
    return text


def check_date_form(text: str, info: ValidationInfo) -> str:
    """A form in which dates are read (the key `input`) or written (`format`)."""
    if text not in {"iso", "epoch"} and "%" not in text:
        close = difflib.get_close_matches(text, ("iso", "epoch"), n=1)
        hint = f'; did you mean "{close[0]}"?' if close else ""
        raise ValueError(f"must be iso, epoch, or a pattern such as %Y-%m-%d{hint}")
    directives = _DIRECTIVE.findall(text)
    if "s" in directives:
        raise ValueError(
            'must not hold %s, which depends on this machine\'s own zone; "epoch" is seconds since 1970'
        )
    if info.field_name == "input" and "Z" in directives:
        raise ValueError(
            "must not hold %Z: a zone's name is read over; %z reads +0200, and `zone` states one"
        )
    return text
