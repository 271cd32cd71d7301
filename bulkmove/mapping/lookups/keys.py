"""Values as keys, and the fields of a row that hold them."""

from __future__ import annotations

import enum
from collections.abc import Callable
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, Final

from bulkmove.errors import ConfigError
from bulkmove.model import JsonObject
from bulkmove.settings import LookupSettings


class Nothing(enum.Enum):
    """The one value that no row holds: what is not there at all, unlike None."""

    NOTHING = "nothing"


NOTHING: Final = Nothing.NOTHING
_MOST_DIGITS = 40
_MOST_FIELDS_NAMED = 16
Read = Callable[[JsonObject], Any]


def text_of(value: Any) -> str | None:
    """A value as the text that it is found by: 12, 12.0 and "12" are one key.

    None for what names nothing (None, empty text, blanks alone). Raises TypeError for lists and objects.
    """
    kind = type(value)
    if kind is str:
        return value if value and not value.isspace() else None
    if kind is int:
        return str(value)
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else str(value)
    if isinstance(value, Decimal):
        # A whole number of more digits than any id has keeps its spelling: 1E+999999 would fill memory.
        is_whole = (
            value.is_finite() and value.adjusted() < _MOST_DIGITS and value == value.to_integral_value()
        )
        return str(int(value)) if is_whole else str(value)
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, str):
        return text_of(str(value))
    raise TypeError(f"a {kind.__name__} is no value to look up")


def field_reader(path: str) -> Read:
    """Reads a field of a row by its name, or by a dotted path into nested objects; NOTHING where it is not there."""
    steps = path.split(".")

    def by_name(row: JsonObject) -> Any:
        return row.get(path, NOTHING)

    def by_path(row: JsonObject) -> Any:
        if path in row:  # a name may hold dots, as a column's
            return row[path]
        found: Any = row
        for step in steps:
            if not isinstance(found, dict) or step not in found:
                return NOTHING
            found = found[step]
        return found

    return by_name if len(steps) == 1 else by_path


class FieldWatch:
    """Reads key, value and outer value of a look-up's rows, and remembers which of them any row had.

    `named` says whose rows they are, for messages.
    """

    def __init__(self, settings: LookupSettings, named: str) -> None:
        self._name = settings.name
        self._named = named
        paths = {"key": settings.key, "value": settings.value, "within": settings.within}
        self._paths = {option: path for option, path in paths.items() if path is not None}
        self._key, self._value = field_reader(settings.key), field_reader(settings.value)
        self._within = None if settings.within is None else field_reader(settings.within)
        self._unseen = set(self._paths)
        self._names: dict[str, None] = {}
        self._rows = 0

    def read(self, row: JsonObject) -> tuple[Any, Any, Any]:
        """Key, value, and outer value (None without `within`); NOTHING for what the row has not."""
        key, value = self._key(row), self._value(row)
        outer = None if self._within is None else self._within(row)
        if self._unseen:
            self._note(row, {"key": key, "value": value, "within": outer})
        return key, value, None if outer is NOTHING else outer

    def _note(self, row: JsonObject, found: dict[str, Any]) -> None:
        self._rows += 1
        self._unseen = {option for option in self._unseen if found[option] is NOTHING}
        if len(self._names) < _MOST_FIELDS_NAMED:
            self._names.update(dict.fromkeys(row))

    def check(self, *, least_rows: int = 1) -> None:
        """Raises ConfigError where at least so many rows came, and none of them has one of the fields."""
        if self._rows < least_rows:
            return
        for option in sorted(self._unseen):
            names = list(self._names)
            close = get_close_matches(self._paths[option], names, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise ConfigError(
                f"lookups.{self._name}.{option}: no row of {self._named} has a field {self._paths[option]!r}; they have"
                f" {', '.join(names[:_MOST_FIELDS_NAMED])}{hint}"
            )
