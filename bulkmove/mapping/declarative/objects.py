"""Objects made of compiled fields, and lists of them: what is left out, what is required, and where an error stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from bulkmove.errors import RejectedError, RejectRecordError
from bulkmove.mapping.declarative.closures import Evaluate
from bulkmove.mapping.declarative.judging import holds
from bulkmove.mapping.declarative.refusals import SkippedError, rejected_at, shown
from bulkmove.mapping.declarative.values import ABSENT, Compute, is_empty
from bulkmove.model import JsonObject
from bulkmove.protocols import MapContext

OnEmpty = Literal["reject", "skip", "null"]


class NamedCompute(NamedTuple):
    """`on_empty` None: the field is left out."""

    name: str
    compute: Compute
    on_empty: OnEmpty | None


def object_of(fields: Sequence[NamedCompute]) -> Compute:
    """Its fields in their order, without those that are empty. Rejections are told with the field's name."""
    pairs = tuple((field.name, field.compute) for field in fields)
    on_empty = {field.name: field.on_empty for field in fields if field.on_empty is not None}

    def compute(element: Any, record: Any, context: MapContext) -> JsonObject:
        body: JsonObject = {}
        name = ""
        try:
            for name, field in pairs:
                value = field(element, record, context)
                if value or not is_empty(value):
                    body[name] = value
                elif name in on_empty and _is_null(value, on_empty[name]):
                    body[name] = None
        except RejectedError as error:
            raise rejected_at(name, error) from None
        return body

    return compute


def _is_null(value: Any, on_empty: OnEmpty) -> bool:
    """Whether null is written for an empty value. Raises where such a value rejects or skips its record."""
    if on_empty == "null":
        return True
    if value is ABSENT:
        return False
    if on_empty == "skip":
        raise SkippedError
    raise RejectRecordError("is required, and has no value", cause="no-value")


def objects_of(
    elements: Evaluate, *, where: Evaluate | None, own: Compute, common: Compute | None
) -> Compute:
    """An object for each element that `where` keeps; those without any value are left out.

    `common` makes the fields that are the same for all elements, once a record.
    """

    def compute(element: Any, record: Any, context: MapContext) -> list[JsonObject]:
        bodies: list[JsonObject] = []
        shared: JsonObject | None = None
        rows = _listed(elements(element, record))
        index = 0
        try:
            for index, each in enumerate(rows):  # noqa: B007  told in a rejection
                if where is not None and not holds(where(each, record)):
                    continue
                body = own(each, record, context)
                if common is not None:
                    if shared is None:
                        # Any element would do, but null: of null an expression such as [a, b] is null.
                        shared = common(record, record, context)
                    body |= shared
                if body:
                    bodies.append(body)
        except RejectedError as error:
            raise rejected_at(f"[{index}]", error) from None
        return bodies

    return compute


def items_of(
    elements: Evaluate, *, where: Evaluate | None, item: Compute, on_empty: OnEmpty | None
) -> Compute:
    """A value for each element that `where` keeps; empty ones are left out unless `on_empty` says otherwise."""

    def compute(element: Any, record: Any, context: MapContext) -> list[Any]:
        values: list[Any] = []
        rows = _listed(elements(element, record))
        index = 0
        try:
            for index, each in enumerate(rows):  # noqa: B007  told in a rejection
                if where is not None and not holds(where(each, record)):
                    continue
                value = item(each, record, context)
                if not is_empty(value):
                    values.append(value)
                elif on_empty is not None and _is_null(value, on_empty):
                    values.append(None)
        except RejectedError as error:
            raise rejected_at(f"[{index}]", error) from None
        return values

    return compute


def _listed(value: Any) -> Sequence[Any]:
    """Raises RejectRecordError, cause "bad-list", for what is neither a list nor empty."""
    if type(value) is list:
        return value
    if is_empty(value):
        return ()
    raise RejectRecordError(f"is made of a list, and {shown(value)} is none", cause="bad-list")


def picked(names: Sequence[str]) -> Compute:
    """These fields of the element as they are, those that are there."""

    def compute(element: Any, record: Any, context: MapContext) -> JsonObject:  # noqa: ARG001  one signature for all
        if not isinstance(element, Mapping):
            return {}
        return {name: element[name] for name in names if name in element}

    return compute
