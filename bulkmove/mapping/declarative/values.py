"""What a compiled field is, and which values count as empty."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from bulkmove.mapping.lookups.asking import StandIn
from bulkmove.protocols import MapContext

# Takes the element that `each` is at (the record itself elsewhere), the record, and the context.
Compute = Callable[[Any, Any, MapContext], Any]

# What a field is whose condition does not hold: left out, neither required nor made up by a default.
ABSENT: Final[tuple[()]] = ()
_EMPTY_KINDS = frozenset({type(None), str, list, dict, tuple})


def is_empty(value: Any) -> bool:
    """None, "", [], {} and what is absent. 0 and false are values."""
    return not value and type(value) in _EMPTY_KINDS


def is_settled(value: Any) -> bool:
    """Whether a step can be done to a value: not to a field that is left out, nor to what stands for an unknown value."""
    return value is not ABSENT and type(value) is not StandIn


@dataclass(slots=True)
class Uses:
    """What a field is made of: names of the record, names of the element it stands in, and look-ups."""

    record: set[str] = field(default_factory=set)
    element: set[str] = field(default_factory=set)
    lookups: set[str] = field(default_factory=set)

    def add(self, other: Uses) -> None:
        self.record |= other.record
        self.element |= other.element
        self.lookups |= other.lookups
