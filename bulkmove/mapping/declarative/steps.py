"""What is done to a field's value between its source and `as`: condition, value table, look-up, default."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Final

from bulkmove.errors import RejectRecordError
from bulkmove.mapping.declarative.closures import Evaluate
from bulkmove.mapping.declarative.conversions import text_of
from bulkmove.mapping.declarative.judging import holds
from bulkmove.mapping.declarative.refusals import shown
from bulkmove.mapping.declarative.values import ABSENT, Compute, is_empty
from bulkmove.mapping.lookups.asking import StandIn
from bulkmove.protocols import MapContext

# There is no `otherwise`; unlike None, which no configuration can hold, it can be told from every value.
NO_OTHERWISE: Final = object()


def by_table(inner: Compute, table: Mapping[str, Any], otherwise: Any) -> Compute:
    """Cause "no-table-entry" for a value that is not in the table; an empty one stays empty."""

    def compute(element: Any, record: Any, context: MapContext) -> Any:
        value = inner(element, record, context)
        key: str | None
        if type(value) is str:
            key = value
        elif type(value) is StandIn:  # not known yet, where the source itself looks it up
            return value
        else:
            key = None if is_empty(value) else text_of(value)
        found = table.get(key, otherwise) if key is not None else otherwise
        if found is not NO_OTHERWISE:
            return found
        if is_empty(value):
            return None
        raise RejectRecordError(
            f"{shown(value)} is not in its table; `otherwise` says what becomes of such values",
            cause="no-table-entry",
        )

    return compute


def by_condition(inner: Compute, condition: Evaluate, otherwise: Any) -> Compute:
    instead = ABSENT if otherwise is NO_OTHERWISE else otherwise

    def compute(element: Any, record: Any, context: MapContext) -> Any:
        return inner(element, record, context) if holds(condition(element, record)) else instead

    return compute


def by_lookup(inner: Compute, name: str, within: Compute | None) -> Compute:
    """What the look-up has for the value; it says itself what becomes of one that it lacks."""

    def compute(element: Any, record: Any, context: MapContext) -> Any:
        value = inner(element, record, context)
        if is_empty(value):
            return value
        _check_single(value)
        return context.lookup(name, value)

    if within is None:
        return compute
    outer_of = within

    def compute_within(element: Any, record: Any, context: MapContext) -> Any:
        value = inner(element, record, context)
        if is_empty(value):
            return value
        outer = outer_of(element, record, context)
        _check_single(value)
        _check_single(outer)
        return context.lookup(name, (None if is_empty(outer) else outer, value))

    return compute_within


def _check_single(value: Any) -> None:
    if isinstance(value, dict | list) and value:
        raise RejectRecordError(f"{shown(value)} is no single value to look up", cause="bad-key")


def by_default(inner: Compute, default: Any) -> Compute:
    is_shared = isinstance(default, dict | list)

    def compute(element: Any, record: Any, context: MapContext) -> Any:
        value = inner(element, record, context)
        if not is_empty(value) or value is ABSENT:
            return value
        return copy.deepcopy(default) if is_shared else default

    return compute
