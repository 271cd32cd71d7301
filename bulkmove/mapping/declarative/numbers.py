"""Values as exact numbers: read as they are written, scaled in Decimals, and rounded only where that is stated."""

from __future__ import annotations

import decimal
import math
import re
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from bulkmove.errors import RejectRecordError
from bulkmove.mapping.declarative.refusals import shown
from bulkmove.mapping.declarative.values import Compute, is_empty
from bulkmove.protocols import MapContext

# As JSON writes a number: a leading zero or plus sign is part of a code, and would be lost.
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_MOST_DIGITS = 40
_LEAST, _MOST = -(2**63), 2**64 - 1
_SURELY_64_BITS = 18  # digits
_ROUNDINGS = MappingProxyType(
    {
        "half-even": decimal.ROUND_HALF_EVEN,
        "half-up": decimal.ROUND_HALF_UP,
        "down": decimal.ROUND_DOWN,
        "up": decimal.ROUND_UP,
    }
)
# Wide enough for 40 digits times 30, so that only division could be inexact, and there is none.
_EXACT = decimal.Context(prec=100, traps=[decimal.InvalidOperation, decimal.Overflow, decimal.Inexact])
_ROUNDED = decimal.Context(prec=100, traps=[decimal.InvalidOperation, decimal.Overflow])


def as_integer(inner: Compute, *, scale: Decimal, rounding: str) -> Compute:
    """Whole numbers of 64 bits. Cause "bad-number" for what is none, and for fractions unless `rounding` takes them."""
    factor = int(scale) if scale == scale.to_integral_value() else None

    def compute(element: Any, record: Any, context: MapContext) -> Any:
        value = inner(element, record, context)
        whole = None
        if factor is not None:
            # What needs no Decimal to be exact, in the order of what is common.
            kind = type(value)
            if kind is int:
                whole = value * factor
            elif kind is str:
                if value.isdigit() and value.isascii() and value[0] != "0" and len(value) <= _SURELY_64_BITS:
                    whole = int(value) * factor
            elif kind is float and value.is_integer():
                whole = int(value) * factor
        if whole is not None and _LEAST <= whole <= _MOST:
            return whole
        return None if is_empty(value) else _whole(value, scale, rounding)

    return compute


def as_number(inner: Compute, *, scale: Decimal | None, decimals: int | None, rounding: str) -> Compute:
    """Numbers as they came; text, what is scaled and what has stated `decimals` as exact Decimals."""

    def compute(element: Any, record: Any, context: MapContext) -> Any:
        value = inner(element, record, context)
        if scale is None and decimals is None:
            kind = type(value)
            if kind is int or (kind is float and math.isfinite(value)):
                return value
        return None if is_empty(value) else _number(value, scale, decimals, rounding)

    return compute


def _whole(value: Any, scale: Decimal, rounding: str) -> int:
    number = _EXACT.multiply(_decimal(value), scale)
    whole = _fitted(number, 0, rounding)
    if whole is None:
        times = "" if scale == 1 else f" × {scale}"
        raise _bad(f"{shown(value)}{times} is no whole number; `rounding` says how to make it one")
    if not _LEAST <= whole <= _MOST:
        raise _bad(f"{shown(value)} has more digits than a whole number of 64 bits")
    return int(whole)


def _number(value: Any, scale: Decimal | None, decimals: int | None, rounding: str) -> int | Decimal:
    number = _decimal(value)
    if scale is not None:
        number = _EXACT.multiply(number, scale)
        if decimals is None:
            number = number.normalize(_EXACT)
    if decimals is not None:
        fitted = _fitted(number, decimals, rounding)
        if fitted is None:
            raise _bad(
                f"{shown(value)} needs more than {decimals} decimals; `rounding` says how to make it fit"
            )
        return fitted
    is_whole = number.as_tuple().exponent == 0 or (scale is not None and number == number.to_integral_value())
    return int(number) if is_whole and _LEAST <= number <= _MOST else number


def _fitted(number: Decimal, decimals: int, rounding: str) -> Decimal | None:
    """With so many digits after the point; None where that would change an exact number."""
    step = Decimal(1).scaleb(-decimals)
    if rounding != "exact":
        return number.quantize(step, rounding=_ROUNDINGS[rounding], context=_ROUNDED)
    try:
        return number.quantize(step, context=_EXACT)
    except decimal.Inexact:
        return None


def _decimal(value: Any) -> Decimal:
    """The number as it is written. Raises RejectRecordError where it is none, or longer than any amount or id."""
    if isinstance(value, str):
        text = value.strip()
        if not _NUMBER.fullmatch(text):
            raise _bad(f"{shown(value)} is no number")
        number = Decimal(text)
    elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    else:
        raise _bad(f"{shown(value)} is no number")
    is_short = number.is_finite() and len(number.as_tuple().digits) <= _MOST_DIGITS
    if not is_short or abs(number.adjusted()) > _MOST_DIGITS:
        raise _bad(f"{shown(value)} is no number that can be kept exactly")
    return number


def _bad(said: str) -> RejectRecordError:
    return RejectRecordError(said, cause="bad-number")
