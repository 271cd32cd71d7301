"""Options of a route, read once into what a mapper works with, and ids as text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, Generic, TypeVar

from bulkmove.errors import ConfigError

_Plan = TypeVar("_Plan")
_MOST_KEPT = 64


class Plans(Generic[_Plan]):
    """What `make` made of each options mapping, found again by the mapping itself: a mapper is called per record.

    Options don't change while a migration is open. Safe in threads: an entry that is lost is made again.
    """

    def __init__(self, make: Callable[[Mapping[str, Any]], _Plan]) -> None:
        self._make = make
        self._kept: dict[int, tuple[Mapping[str, Any], _Plan]] = {}

    def of(self, options: Mapping[str, Any]) -> _Plan:
        """Raises ConfigError for options that can't be worked with."""
        kept = self._kept.get(id(options))
        # The entry holds the mapping, so that no other can have its identity while it is kept.
        if kept is not None and kept[0] is options:
            return kept[1]
        plan = self._make(options)
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[id(options)] = (options, plan)
        return plan


def check_spelling(options: Mapping[str, Any], known: Iterable[str]) -> None:
    """Raises ConfigError for an option that is all but spelled like a known one; others may be another part's."""
    names = sorted(known)
    for name in options:
        close = get_close_matches(name, names, n=1, cutoff=0.85)
        if name not in names and close:
            raise ConfigError(f"options.{name}: unknown; did you mean {close[0]!r}?")


def text_option(options: Mapping[str, Any], name: str, default: str = "") -> str:
    value = options.get(name, default)
    if not isinstance(value, str):
        raise ConfigError(f"options.{name} = {value!r}: must be text")
    return value


def choice_option(options: Mapping[str, Any], name: str, allowed: tuple[str, ...]) -> str:
    """One of the allowed values, the first where the option is not set."""
    value = options.get(name, allowed[0])
    if value not in allowed:
        close = get_close_matches(str(value), allowed, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ConfigError(f"options.{name} = {value!r}: must be one of {', '.join(allowed)}{hint}")
    return str(value)


def as_text(value: Any) -> str | None:
    """An id as opaque text, exactly as JSON gave it; None for what names nothing."""
    kind = type(value)
    if kind is str:
        return value or None
    if kind is int:
        return str(value)
    if kind is float:
        return repr(value)
    return str(value) if kind is Decimal else None
