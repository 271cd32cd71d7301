"""Where a field's value comes from: a path, a constant, a template, or the first of several."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from bulkmove.config.expressions import Expression
from bulkmove.errors import RejectedError
from bulkmove.mapping.declarative.closures import Evaluate, closure
from bulkmove.mapping.declarative.conversions import text_of
from bulkmove.mapping.declarative.values import ABSENT, Compute, is_empty
from bulkmove.mapping.lookups.asking import current
from bulkmove.mapping.lookups.endings import UNRESOLVED, UnresolvedError
from bulkmove.protocols import MapContext


def at_path(expression: Expression) -> Compute:
    tree = expression.tree
    if tree["type"] == "field" and not expression.records:
        return _at_name(tree["value"])
    evaluate = closure(expression)
    return lambda element, record, context: evaluate(element, record)  # noqa: ARG005  one signature for all


def _at_name(name: str) -> Compute:
    """The common case, for which a closure within a closure would cost as much as the reading."""

    def compute(element: Any, record: Any, context: MapContext) -> Any:  # noqa: ARG001  one signature for all
        try:
            return element.get(name)
        except AttributeError:
            return None

    return compute


def constant(value: Any) -> Compute:
    if isinstance(value, dict | list):  # whoever changes one body must not change them all
        return lambda element, record, context: copy.deepcopy(value)  # noqa: ARG005  one signature for all
    return lambda element, record, context: value  # noqa: ARG005  one signature for all


def from_template(pieces: Sequence[str | Expression]) -> Compute:
    """Its pieces joined; empty where one of its expressions is, so that nothing is half said."""
    parts: list[tuple[str | None, Evaluate | None]] = [
        (piece, None) if isinstance(piece, str) else (None, closure(piece)) for piece in pieces
    ]

    def compute(element: Any, record: Any, context: MapContext) -> Any:  # noqa: ARG001  one signature for all
        joined = ""
        for text, evaluate in parts:
            if evaluate is None:
                joined += text or ""
                continue
            value = evaluate(element, record)
            if type(value) is not str:
                if is_empty(value):
                    return None
                value = text_of(value)
            elif not value:
                return None
            joined += value
        return joined

    return compute


def first_of(choices: Sequence[Compute], *, may_be_empty: bool = False) -> Compute:
    """The first that is not empty; a rejection counts as empty, unless the last one raises it.

    Where misses are put down instead of raised, they count as the rejections that they stand for, and those of a
    choice that was passed over are taken back: nobody has to decide on them. Where all are empty, look-ups that were
    passed over are what is wrong, unless something takes the place of what is empty (`may_be_empty`).
    """
    *others, last = choices

    def compute(element: Any, record: Any, context: MapContext) -> Any:
        asking = current()
        misses: dict[Any, bool] = {} if asking is None else asking.misses
        begun = len(misses)
        passed: list[RejectedError] = []
        for choice in others:
            met = len(misses)
            try:
                value = choice(element, record, context)
            except RejectedError as error:
                passed.append(error)
                continue
            if not is_empty(value) and not _rejects(misses, met):
                break
        else:
            met = len(misses)
            value = last(element, record, context)
            if value is ABSENT:  # left out is the choice alone, the field is empty
                value = None
            if _rejects(misses, met):
                return value
            if is_empty(value) and not may_be_empty:
                _refuse_unresolved(passed)
                return value
        if met > begun:
            for miss in list(misses)[begun:met]:
                del misses[miss]
        return value

    return compute


def _refuse_unresolved(passed: Sequence[RejectedError]) -> None:
    """Raises RejectedError, cause "unresolved", where a look-up was passed over."""
    unresolved = [error for error in passed if error.cause == UNRESOLVED]
    direct = [error for error in unresolved if isinstance(error, UnresolvedError)]
    if direct:
        raise UnresolvedError(tuple(dict.fromkeys(t for e in direct for t in e.told)), direct[0].hint)
    if unresolved:
        raise unresolved[0]


def _rejects(misses: dict[Any, bool], since: int) -> bool:
    """Whether one that was put down since then would reject its record."""
    return len(misses) > since and any(list(misses.values())[since:])
