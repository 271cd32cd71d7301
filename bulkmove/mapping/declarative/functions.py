"""JMESPath's functions for exact numbers: a Decimal is a number to all of them, and sums are those of the written digits."""

from __future__ import annotations

import decimal
import math
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from jmespath.functions import Functions, signature

from bulkmove.exact import encode_json

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_LEAST, _MOST = -(2**63), 2**64 - 1
# Sums that need more digits are refused, rather than rounded.
_EXACT = decimal.Context(prec=100, traps=[decimal.InvalidOperation, decimal.Overflow, decimal.Inexact])
_ROUNDED = decimal.Context(prec=100, traps=[decimal.InvalidOperation, decimal.Overflow])
_DECIMAL = "Decimal"
_PLAIN = Functions()


class ExactFunctions(Functions):
    """Numbers that no double and no 64 bits hold are Decimals, which jmespath itself knows nothing of."""

    def _get_allowed_pytypes(self, types: Any) -> tuple[list[str], list[Any]]:
        allowed, parts = super()._get_allowed_pytypes(types)  # type: ignore[misc]  # the stubs leave it out
        return (
            [*allowed, _DECIMAL] if "float" in allowed else allowed,
            [(*part, _DECIMAL) if "float" in part else part for part in parts],
        )

    def _convert_to_jmespath_type(self, pyobject: str) -> str:
        kind: str = super()._convert_to_jmespath_type(pyobject)  # type: ignore[misc]  # the stubs leave it out
        return "number" if pyobject == _DECIMAL else kind

    @signature({"types": []})
    def _func_type(self, arg: Any) -> Any:
        return "number" if isinstance(arg, Decimal) else _PLAIN.call_function("type", [arg])

    @signature({"types": []})
    def _func_to_string(self, arg: Any) -> Any:
        if isinstance(arg, Decimal):
            return str(arg)
        if isinstance(arg, dict | list):
            return encode_json(arg).decode()
        return _PLAIN.call_function("to_string", [arg])

    @signature({"types": []})
    def _func_to_number(self, arg: Any) -> Any:
        if isinstance(arg, Decimal):
            return arg
        if not isinstance(arg, str):
            return _PLAIN.call_function("to_number", [arg])
        text = arg.strip()
        if not _NUMBER.fullmatch(text):
            return None
        number = Decimal(text)
        return _whole(number) if text.lstrip("+-").isdigit() else _shortest(number)

    @signature({"types": ["number"]})
    def _func_abs(self, arg: Any) -> Any:
        # abs() would round to the digits of the current context.
        return arg.copy_abs() if isinstance(arg, Decimal) else abs(arg)

    @signature({"types": ["number"]})
    def _func_ceil(self, arg: Any) -> Any:
        return _to_whole(arg, decimal.ROUND_CEILING) if isinstance(arg, Decimal) else math.ceil(arg)

    @signature({"types": ["number"]})
    def _func_floor(self, arg: Any) -> Any:
        return _to_whole(arg, decimal.ROUND_FLOOR) if isinstance(arg, Decimal) else math.floor(arg)

    @signature({"types": ["array-number"]})
    def _func_sum(self, arg: Any) -> Any:
        if all(type(each) is int for each in arg):
            return _whole(Decimal(sum(arg)))
        return _shortest(_sum(arg))

    @signature({"types": ["array-number"]})
    def _func_avg(self, arg: Any) -> Any:
        if not arg:
            return None
        total = _sum(arg)
        try:
            return _shortest(_EXACT.divide(total, Decimal(len(arg))))
        except decimal.Inexact:
            return float(_ROUNDED.divide(total, Decimal(len(arg))))

    @signature({"types": ["array-number", "array-string"]})
    def _func_max(self, arg: Any) -> Any:
        return max(arg, key=_order(arg), default=None)

    @signature({"types": ["array-number", "array-string"]})
    def _func_min(self, arg: Any) -> Any:
        return min(arg, key=_order(arg), default=None)

    @signature({"types": ["array-string", "array-number"]})
    def _func_sort(self, arg: Any) -> Any:
        return sorted(arg, key=_order(arg))


def _order(values: Sequence[Any]) -> Callable[[Any], Any] | None:
    """Beside a Decimal a double is ordered by its digits, not by its bits."""
    return _exact if any(isinstance(each, Decimal) for each in values) else None


def _exact(value: Any) -> Any:
    return Decimal(repr(value)) if isinstance(value, float) else value


def _sum(values: Sequence[Any]) -> Decimal:
    """Raises ArithmeticError where it has more digits than are kept."""
    total = Decimal(0)
    for each in values:
        total = _EXACT.add(total, Decimal(_exact(each)))
    return total


def _shortest(number: Decimal) -> float | Decimal:
    """A double where that is a name of the very number."""
    nearest = float(number)
    return nearest if math.isfinite(nearest) and Decimal(repr(nearest)) == number else number


def _whole(number: Decimal) -> int | Decimal:
    """An int where 64 bits hold it, as it is where JSON is read."""
    return int(number) if _LEAST <= number <= _MOST else number


def _to_whole(number: Decimal, rounding: str) -> int | Decimal:
    if not number.is_finite():
        raise ValueError
    return _whole(number.to_integral_value(rounding=rounding))
