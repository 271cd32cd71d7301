"""Personal data replaced by stand-ins: which fields of a source record a mask means, and that they are replaced.

Equal values become equal stand-ins under one key, so that what belongs together stays together.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from bulkmove.mapping.standing_in import StandIns
from bulkmove.model import Json, JsonObject, Record


class Mask:
    """Which fields are masked, and the key that their stand-ins hang on.

    A pattern without dots means fields of that name at any depth, also within lists; one with dots a path from the
    record's root. What stands below a field that is meant is masked as a whole. `used`: the patterns that a field was
    found for so far. `records`: how many were masked.
    """

    def __init__(self, patterns: Sequence[str], key: bytes) -> None:
        self.patterns = tuple(patterns)
        self.used: set[str] = set()
        self.records = 0
        self._stand_ins = StandIns(key)
        self._named = [pattern for pattern in patterns if "." not in pattern]
        self._placed = [(pattern, steps_of(pattern)) for pattern in patterns if "." in pattern]
        self._meant: dict[tuple[str, ...], tuple[str, ...]] = {}

    def record(self, record: Record) -> Record:
        """The record with its data masked; all of it where it could not be read, and shows what stands there."""
        if record.fault is not None:
            return record._replace(data=self._masked_whole(record.data))
        return record._replace(data=self.data(record.data))

    def data(self, row: JsonObject) -> JsonObject:
        """A row masked; the row itself is left as it is."""
        self.records += 1
        masked: JsonObject = self._masked(row, ())
        return masked

    def _masked(self, value: Json, at: tuple[str, ...]) -> Json:
        if isinstance(value, dict):
            return {
                name: self._masked_whole(inner)
                if self._means((*at, name))
                else self._masked(inner, (*at, name))
                if isinstance(inner, dict | list)
                else inner
                for name, inner in value.items()
            }
        if isinstance(value, list):
            return [self._masked(inner, at) if isinstance(inner, dict | list) else inner for inner in value]
        return value

    def _masked_whole(self, value: Json) -> Json:
        if isinstance(value, dict):
            return {name: self._masked_whole(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._masked_whole(inner) for inner in value]
        return self._stand_ins.of(value)

    def _means(self, path: tuple[str, ...]) -> bool:
        found = self._meant.get(path)
        if found is None:
            found = meant_by(self._named, self._placed, path)
            if len(self._meant) < _MOST_PATHS:
                self._meant[path] = found
        self.used.update(found)
        return bool(found)


# Records whose names are data, such as ids, would fill memory.
_MOST_PATHS = 20_000


def steps_of(pattern: str) -> tuple[str, ...]:
    """The names of a pattern with dots; `line_items[].name` is one with a list."""
    return tuple(step.removesuffix("[]") for step in pattern.split("."))


def masks_field(patterns: Sequence[str], name: str) -> str | None:
    """The pattern that means a field of this name at the record's root, if one does; `line_items[].name` is below it."""
    path = steps_of(name)
    named = [pattern for pattern in patterns if "." not in pattern]
    placed = [(pattern, steps_of(pattern)) for pattern in patterns if "." in pattern]
    for depth in range(1, len(path) + 1):
        if found := meant_by(named, placed, path[:depth]):
            return found[0]
    return None


def meant_by(
    named: Sequence[str], placed: Sequence[tuple[str, tuple[str, ...]]], path: tuple[str, ...]
) -> tuple[str, ...]:
    """The patterns that mean the field at this path."""
    return (
        *(pattern for pattern in named if fnmatchcase(path[-1], pattern.removesuffix("[]"))),
        *(
            pattern
            for pattern, steps in placed
            if len(steps) == len(path) and all(map(fnmatchcase, path, steps))
        ),
    )
