"""Why a record can't be mapped: rejections that name their field, and values short enough to be shown."""

from __future__ import annotations

from typing import Any

from bulkmove.errors import BulkmoveError, RejectedError, RejectRecordError

_MOST_SHOWN = 40


class FieldRejectedError(RejectRecordError):
    """A rejection at a field of the target, `order_items[2].quantity`: `path`, and `said` what is wrong with it."""

    def __init__(self, path: str, said: str, *, cause: str) -> None:
        super().__init__(f"{path}: {said}", cause=cause)
        self.path = path
        self.said = said


class SkippedError(BulkmoveError):
    """A field that is empty skips its record. Never leaves the mapping."""


def rejected_at(place: str, error: RejectedError) -> FieldRejectedError:
    """The same rejection, one level further out; `place` is a field's name or `[index]`."""
    if not isinstance(error, FieldRejectedError):
        return FieldRejectedError(place, str(error), cause=error.cause)
    dot = "" if error.path.startswith("[") else "."
    return FieldRejectedError(f"{place}{dot}{error.path}", error.said, cause=error.cause)


def shown(value: Any) -> str:
    """A single value as it is written; of an object or a list only what it is."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"
