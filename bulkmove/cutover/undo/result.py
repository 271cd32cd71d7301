"""What an undo did, or would do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from bulkmove.cutover.undo.judging import ALREADY, DELETE, GONE, LEFT, RESTORE, SET
from bulkmove.ledger.undoing import Refused
from bulkmove.model import Summary

# So many rows that are left as they are, are named.
MOST_NAMED = 1000


@dataclass(frozen=True, slots=True)
class RouteUndo:
    """One route. `rows`: how many rows of its target it wrote, that were not undone before, by what was done with each.

    `left`: rows that stay as they are, by why; `named`: the first of them. `open`: rows that are still to be undone.
    `partly`: rows put back but for a field, which `rows` counts too. `requests`: how many requests wrote, or would, at the
    least; `seconds`: of a preview, what they take at the host's rate, where it has one. `unknown`: records whose fate is unknown, or in
    doubt, so that a row of theirs may be at the target that no undo knows.
    """

    rows: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    left: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    named: Sequence[Refused] = ()
    open: int = 0
    partly: int = 0
    requests: int = 0
    seconds: float | None = None
    unknown: int = 0

    @property
    def undone(self) -> int:
        return sum(self.rows.get(step, 0) for step in (DELETE, SET, RESTORE, GONE, ALREADY))

    @property
    def refused(self) -> int:
        return sum(self.left.get(step, 0) for step in LEFT)

    @property
    def is_whole(self) -> bool:
        """Whether nothing of it is left."""
        return not (self.refused or self.open or self.partly or self.unknown)


@dataclass(frozen=True, slots=True)
class Undo:
    """A whole undo. `is_dry`: nothing was done, and this is what would be."""

    summary: Summary
    routes: Mapping[str, RouteUndo]
    is_dry: bool

    @property
    def is_nothing(self) -> bool:
        """Whether there is nothing to be done."""
        return not any(route.undone or route.open for route in self.routes.values())
