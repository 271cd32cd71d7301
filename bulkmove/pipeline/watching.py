"""Which fields of a mapping were empty in every record: what a misspelt path looks like."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bulkmove.mapping.reading import Reading
from bulkmove.model import Json, JsonObject


class EmptyField(NamedTuple):
    """A field of the target that none of the mapped records had. `texts`: the expressions that it is made of."""

    target: str
    texts: tuple[str, ...]


class FieldWatch:
    """Looks at mapped bodies until every field that the mapping makes was seen with a value."""

    def __init__(self, readings: Sequence[Reading], *, without: str) -> None:
        """`without`: the id field, which stands in no body."""
        self._unseen = {
            reading.target: reading.texts
            for reading in readings
            if reading.name and reading.texts and reading.target != without
        }
        self.bodies = 0

    @property
    def has_seen_all(self) -> bool:
        return not self._unseen

    def see(self, body: JsonObject) -> None:
        self.bodies += 1
        if self._unseen:
            for path in _filled(body, ""):
                self._unseen.pop(path, None)

    def empty(self) -> tuple[EmptyField, ...]:
        """Fields of an object that never was there go without saying."""
        if not self.bodies:
            return ()
        return tuple(
            EmptyField(target, texts)
            for target, texts in self._unseen.items()
            if not any(target.startswith((f"{other}.", f"{other}[]")) for other in self._unseen)
        )


def _filled(value: Json, path: str) -> Iterator[str]:
    """The paths of a body at which any value stands, as `order_items[].product`."""
    if isinstance(value, dict):
        for name, each in value.items():
            inner = f"{path}.{name}" if path else name
            if each or each is False or each == 0:
                yield inner
                if isinstance(each, dict | list):
                    yield from _filled(each, inner)
    elif isinstance(value, list):
        for each in value:
            yield from _filled(each, f"{path}[]")
