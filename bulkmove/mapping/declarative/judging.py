"""When a value is true, when two are equal or ordered, and what is told where a function fails: as JMESPath has it."""

from __future__ import annotations

from numbers import Number
from typing import Any

from jmespath.exceptions import JMESPathTypeError

from bulkmove.errors import RejectRecordError

# What jmespath raises for values that a function or an ordering does not take.
FAILURES = (ValueError, TypeError, AttributeError, ArithmeticError, LookupError)
_FALSE_KINDS = frozenset({str, list, dict, tuple, type(None), bool})


def holds(value: Any) -> bool:
    """Whether a condition's value is true as JMESPath has it: 0 is, what is empty is not."""
    return bool(value) or type(value) not in _FALSE_KINDS


def equal(one: Any, other: Any) -> bool:
    """Python takes True for 1, JMESPath does not."""
    return bool(one == other) and (type(one) is bool) is (type(other) is bool)


def is_ordered(value: Any) -> bool:
    return isinstance(value, str | Number) and not isinstance(value, bool)


def refusal(error: Exception) -> RejectRecordError:
    """Without the value, which may be anything of the record."""
    if isinstance(error, JMESPathTypeError):
        wanted = " or ".join(error.expected_types)
        said = f"{error.function_name}() takes {wanted}, not {error.actual_type}"
    else:
        said = "its expression can't be put to these values"
    return RejectRecordError(said, cause="bad-expression")
