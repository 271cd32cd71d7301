"""Something that keeps all promises but one: an object of which single methods are replaced."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

# A check says in its own words what is not kept; an exception that it did not expect is reported as "raised …".
SAID = r"^(?!raised )"


class Broken:
    """Passes everything on, but for what `instead` names: those are called with the object in front."""

    def __init__(self, whole: Any, instead: Mapping[str, Callable[..., Any]]) -> None:
        self._whole = whole
        self._instead = instead

    def __getattr__(self, name: str) -> Any:
        broken = self._instead.get(name)
        if broken is None:
            return getattr(self._whole, name)
        if getattr(type(self._whole), name, None).__class__ is property or not callable(
            getattr(self._whole, name)
        ):
            return broken(self._whole)

        def called(*args: Any, **named: Any) -> Any:
            return broken(self._whole, *args, **named)

        return called
