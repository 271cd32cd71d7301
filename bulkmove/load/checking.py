"""Mapped bodies held against what the target documents, before they are sent: types, required fields, choices, lengths."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import msgspec
from msgspec import inspect

from bulkmove.errors import RejectedError
from bulkmove.protocols import StreamSpec
from bulkmove.settings import Mode

_LONGEST_MESSAGE = 300
_MOST_CHOICES = 20
# A value stands in a message only where it is short enough to be a word.
_LONGEST_VALUE = 40
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_MISSING = re.compile(r"Object missing required field `(.*)`")
_BEYOND_A_DOUBLE = "Number out of range"
_NO_CHOICE = re.compile(r"Invalid enum value (.*)", re.DOTALL)


class BodyCheck(Protocol):
    """Raises RejectedError, cause `bad-body`, for an encoded body that the target would refuse."""

    def __call__(self, encoded: bytes, *, is_update: bool) -> None: ...


def body_checker(spec: StreamSpec, mode: Mode) -> BodyCheck | None:
    """The check of a route's bodies; None where there is nothing to check. To be made once a route.

    What will be created is held against `create_body`, what will update a row against `update_body`. Fields that
    these do not name are let through.
    """
    if mode == "delete" or (spec.create_body is None and spec.update_body is None):
        return None
    create = _checker(spec.create_body)
    update = _checker(spec.update_body)

    def check(encoded: bytes, *, is_update: bool) -> None:
        (update if is_update else create)(encoded)

    return check


def _checker(shape: type | None) -> Callable[[bytes], None]:
    if shape is None:
        return lambda _: None
    decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(shape)

    def check(encoded: bytes) -> None:
        try:
            decoder.decode(encoded)
        except msgspec.ValidationError as error:
            if str(error).startswith(_BEYOND_A_DOUBLE):
                return  # a number that JSON carries and msgspec can't read past: the host is to judge
            raise RejectedError(_told(str(error), shape), cause="bad-body") from None

    return check


def _told(text: str, shape: type) -> str:
    """A message of msgspec as `order_items[0].quantity: expected int, got str`."""
    said, _, at = text.rpartition(" - at ")
    path = at.strip("`").removeprefix("$").removeprefix(".") if said else ""
    said = said or text
    if missing := _MISSING.fullmatch(said):
        path, said = f"{path}.{missing[1]}" if path else missing[1], "is missing"
    elif no_choice := _NO_CHOICE.fullmatch(said):
        said = _not_among(no_choice[1], list(_choices(inspect.type_info(shape), _steps(path))))
    else:
        said = said.replace("`", "")
        said = said[0].lower() + said[1:]
    return f"{path}: {said}"[:_LONGEST_MESSAGE] if path else f"the body: {said}"[:_LONGEST_MESSAGE]


def _not_among(value: str, choices: Sequence[object]) -> str:
    shown = value if len(value) <= _LONGEST_VALUE else "a long text"
    listed = ", ".join(str(choice) for choice in choices[:_MOST_CHOICES])
    more = ", …" if len(choices) > _MOST_CHOICES else ""
    return f"must be one of {listed}{more}; got {shown}" if choices else f"must not be {shown}"


def _steps(path: str) -> Sequence[tuple[str, str]]:
    return [(step[1] or "", step[2] or "") for step in _STEP.finditer(f".{path}")]


def _choices(shape: inspect.Type, steps: Sequence[tuple[str, str]]) -> Iterator[object]:
    """The values that may stand at a path."""
    if isinstance(shape, inspect.Metadata):
        yield from _choices(shape.type, steps)
    elif isinstance(shape, inspect.UnionType):
        for each in shape.types:
            yield from _choices(each, steps)
    elif isinstance(shape, inspect.LiteralType) and not steps:
        yield from shape.values
    elif isinstance(shape, inspect.TypedDictType) and steps:
        for field in shape.fields:
            if field.name == steps[0][0]:
                yield from _choices(field.type, steps[1:])
    elif isinstance(shape, inspect.ListType) and steps:
        yield from _choices(shape.item_type, steps[1:])
