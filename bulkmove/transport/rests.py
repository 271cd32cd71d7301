"""When a host rested, and why: a list for whoever keeps it, which the gate adds to."""

from __future__ import annotations

from dataclasses import dataclass, replace

# Where nobody takes them, the oldest are dropped.
MOST_KEPT = 20


@dataclass(slots=True)
class Rest:
    """From when to when nothing was let out, and for which reason. `number` tells the rests of one host apart."""

    number: int
    began_at: float
    until: float
    reason: str


class RestLog:
    """Rests in their order, none of which overlap, by the clock of whoever notes them."""

    def __init__(self) -> None:
        self._rests: list[Rest] = []
        self._count = 0

    def note(self, now: float, *, until: float, reason: str) -> None:
        """Nothing is let out from now until then. What holds a host that rests already makes it rest longer."""
        began_at = now
        if self._rests and self._rests[-1].until >= now:
            last = self._rests[-1]
            if until <= last.until:
                return
            if last.reason == reason:
                last.until = until
                return
            began_at = last.until
        self._count += 1
        self._rests.append(Rest(self._count, began_at, until, reason))
        del self._rests[:-MOST_KEPT]

    def cut(self, now: float) -> None:
        """The host goes on already: what was to last beyond now ends here."""
        self._rests = [rest for rest in self._rests if rest.began_at <= now]
        if self._rests:
            self._rests[-1].until = min(self._rests[-1].until, now)

    def take(self, now: float) -> list[Rest]:
        """Those that were not taken yet, and the one that still goes on, which is told again when it is over."""
        found = [replace(rest) for rest in self._rests]
        self._rests = [rest for rest in self._rests if rest.until > now]
        return found
