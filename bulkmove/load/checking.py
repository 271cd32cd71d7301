"""Mapped bodies held against what the target documents, before they are sent: types, required fields, choices, lengths."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any, Protocol

import msgspec

from bulkmove.errors import RejectedError
from bulkmove.load import shapes
from bulkmove.protocols import StreamSpec
from bulkmove.settings import Mode

_LONGEST_MESSAGE = 300
_MOST_CHOICES = 6
# A value stands in a message only where it is short enough to be a word.
_LONGEST_VALUE = 40
_MISSING = re.compile(r"Object missing required field `(.*)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_BEYOND_A_DOUBLE = "Number out of range"
_NO_CHOICE = re.compile(r"Invalid enum value (.*)", re.DOTALL)


class BodyCheck(Protocol):
    """Raises RejectedError, cause `bad-body` or `unknown-field`, for an encoded body that the target would refuse."""

    def __call__(self, encoded: bytes, *, is_update: bool) -> None: ...


def body_checker(spec: StreamSpec, mode: Mode) -> BodyCheck | None:
    """The check of a route's bodies; None where there is nothing to check. To be made once a route.

    What will be created is held against `create_body`, what will update a row against `update_body`. Fields of the
    body that these do not name are let through; within a documented object they are refused.
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
    decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(shapes.closed(shape))

    def check(encoded: bytes) -> None:
        try:
            decoder.decode(encoded)
        except msgspec.ValidationError as error:
            if str(error).startswith(_BEYOND_A_DOUBLE):
                return  # a number that JSON carries and msgspec can't read past: the host is to judge
            raise refusal(str(error), shape) from None

    return check


def refusal(text: str, shape: type, *, at: str = "") -> RejectedError:
    """A message of msgspec on a body of this shape, as `order_items[0].quantity: expected int, got str`.

    `at`: the path in it of the value that the message is about.
    """
    said, _, place = text.rpartition(" - at ")
    inner = place.strip("`").removeprefix("$") if said else ""
    path = f"{at}{inner}".removeprefix(".")
    said = said or text
    cause = "bad-body"
    if missing := _MISSING.fullmatch(said):
        path, said = _within(path, missing[1]), "is missing"
    elif unknown := _UNKNOWN.fullmatch(said):
        cause, known = "unknown-field", shapes.fields_at(shape, path)
        path, said = (
            _within(path, unknown[1]),
            f"the target documents no such field{nearest(unknown[1], known)}",
        )
    elif no_choice := _NO_CHOICE.fullmatch(said):
        said = _not_among(no_choice[1], shapes.choices_at(shape, path))
    else:
        said = said.replace("`", "")
        said = said[0].lower() + said[1:]
    return RejectedError(f"{path or 'the body'}: {said}"[:_LONGEST_MESSAGE], cause=cause)


def _within(path: str, name: str) -> str:
    name = name if len(name) <= _LONGEST_VALUE else f"{name[:_LONGEST_VALUE]}…"
    return f"{path}.{name}" if path else name


def _not_among(value: str, choices: Sequence[object]) -> str:
    """The value first, since a message may be cut; then what was meant, then some of the choices."""
    shown = value if len(value) <= _LONGEST_VALUE else "a long text"
    names = [str(choice) for choice in choices]
    if not names:
        return f"must not be {shown}"
    listed = ", ".join(names[:_MOST_CHOICES]) + (", …" if len(names) > _MOST_CHOICES else "")
    close = get_close_matches(value.strip("'"), names, n=1)
    meant = f"; did you mean {close[0]!r}? There" if close else "; there"
    return f"{shown} is no documented value{meant} are {listed}"


def nearest(name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name, known, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; there are {', '.join(known)}" if known else ""
