"""What `as` makes of a value: text, true or false, a UUID; numbers.py and dates.py have theirs."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from bulkmove.config.fields import TargetField
from bulkmove.errors import RejectRecordError
from bulkmove.mapping.declarative.dates import as_date
from bulkmove.mapping.declarative.numbers import as_integer, as_number
from bulkmove.mapping.declarative.refusals import shown
from bulkmove.mapping.declarative.values import Compute, is_empty, is_settled
from bulkmove.protocols import MapContext

_Finish = Callable[[str], str]
_TRUTHS = {"true": True, "1": True, "false": False, "0": False}


def converted(inner: Compute, spec: TargetField) -> Compute:
    """The value as `spec.as_` wants it; empty values stay empty. Raises RejectRecordError when called.

    A field that is left out stays left out, and what stands for a value that is not known yet passes unchanged.
    """
    if spec.as_ is None or not (spec.when or spec.lookup or spec.first):
        return _conversion(inner, spec)
    convert = _conversion(_given, spec)

    def compute(element: Any, record: Any, context: MapContext) -> Any:
        value = inner(element, record, context)
        return convert(value, record, context) if is_settled(value) else value

    return compute


def _given(element: Any, record: Any, context: MapContext) -> Any:  # noqa: ARG001  one signature for all
    return element


def _conversion(inner: Compute, spec: TargetField) -> Compute:
    scale = None if spec.scale is None else Decimal(repr(spec.scale))
    match spec.as_:
        case "integer":
            return as_integer(inner, scale=Decimal(1) if scale is None else scale, rounding=spec.rounding)
        case "number":
            return as_number(inner, scale=scale, decimals=spec.decimals, rounding=spec.rounding)
        case "date":
            return as_date(inner, reads=spec.input, writes=spec.format, zone=spec.zone, to_zone=spec.to_zone)
        case "text":
            return _as_text(inner, _finish(trim=spec.trim, case=spec.case))
        case "boolean":
            return _as_boolean(inner)
        case "uuid5":
            return _as_uuid5(inner, uuid.UUID(spec.namespace))
    return inner


def text_of(value: Any) -> str:
    """A single value as JSON writes it, without quotes. Cause "bad-text" for lists and objects."""
    kind = type(value)
    if kind is str or kind is int:
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, str | int | Decimal):
        return str(value)
    raise RejectRecordError(f"{shown(value)} is no single value that text could be made of", cause="bad-text")


def _finish(*, trim: bool, case: str | None) -> _Finish | None:
    change: _Finish = str.lower if case == "lower" else str.upper if case == "upper" else str
    if trim:
        return lambda text: change(text.strip())
    return None if case is None else change


def _as_text(inner: Compute, finish: _Finish | None) -> Compute:
    def plain(element: Any, record: Any, context: MapContext) -> Any:
        value = inner(element, record, context)
        if type(value) is str:
            return value
        return None if is_empty(value) else text_of(value)

    if finish is None:
        return plain

    def finished(element: Any, record: Any, context: MapContext) -> Any:
        value = plain(element, record, context)
        return None if value is None else finish(value)

    return finished


def _as_boolean(inner: Compute) -> Compute:
    def compute(element: Any, record: Any, context: MapContext) -> Any:
        value = inner(element, record, context)
        if type(value) is bool or is_empty(value):
            return value
        truth = _TRUTHS.get(text_of(value).strip().lower())
        if truth is None:
            raise RejectRecordError(f"{shown(value)} is neither true nor false", cause="bad-boolean")
        return truth

    return compute


def _as_uuid5(inner: Compute, namespace: uuid.UUID) -> Compute:
    def compute(element: Any, record: Any, context: MapContext) -> Any:
        value = inner(element, record, context)
        return None if is_empty(value) else str(uuid.uuid5(namespace, text_of(value)))

    return compute
