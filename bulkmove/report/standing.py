"""What a run's events add up to, and how fast it goes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from bulkmove.events import (
    Event,
    HostSample,
    Note,
    Phase,
    RecordsExpected,
    RecordsRead,
    RecordsSettled,
    RouteFinished,
    RouteRehearsed,
    RouteStarted,
)
from bulkmove.model import Counts

RATE_OVER_S = 5.0
_OUTCOMES = ("written", "unchanged", "skipped", "rejected", "unknown")


@dataclass(slots=True)
class RouteStanding:
    """A route as it stands. The counts are of the migration so far, like a ledger's."""

    name: str
    expected: int | None = None
    read: int = 0
    outcomes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_OUTCOMES, 0))
    phase: str = ""
    ended: bool = False
    is_complete: bool = False
    marks: deque[tuple[float, int, int]] = field(default_factory=deque)

    def set_counts(self, counts: Counts) -> None:
        self.read = counts.read
        for outcome in _OUTCOMES:
            self.outcomes[outcome] = getattr(counts, outcome)

    @property
    def settled(self) -> int:
        return sum(self.outcomes.values())

    @property
    def failed(self) -> int:
        return self.outcomes["rejected"] + self.outcomes["unknown"]

    def mark(self, now: float) -> None:
        """Remember how far the route is, for its rate. Called when it is looked at, not per event."""
        marks = self.marks
        while len(marks) > 1 and marks[1][0] <= now - RATE_OVER_S:
            marks.popleft()
        marks.append((now, self.read, self.settled))

    @property
    def rate_per_s(self) -> float:
        """Records settled a second over the last marks; records read, while none is settled."""
        return self._settled_per_s or self._grown_per_s(1)

    @property
    def left_s(self) -> float | None:
        """The time until all expected records are settled; None where that can't be told."""
        rate = self._settled_per_s
        if self.expected is None or self.ended or rate <= 0:
            return None
        return max(0, self.expected - self.settled) / rate

    @property
    def _settled_per_s(self) -> float:
        return self._grown_per_s(2)

    def _grown_per_s(self, place: int) -> float:
        if len(self.marks) < 2:
            return 0.0
        first, last = self.marks[0], self.marks[-1]
        elapsed_s = last[0] - first[0]
        return (last[place] - first[place]) / elapsed_s if elapsed_s > 0 else 0.0


class Standing:
    """An Observer that keeps what it is told: a few additions an event, whatever shows it."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.started = clock()
        self.routes: dict[str, RouteStanding] = {}
        self.hosts: dict[str, HostSample] = {}
        self.notes: list[Note] = []
        self.is_dry = False  # what is told as written would be written
        self.has_moved = False  # a record was read or settled in this run
        # What takes whatever shows this out of the way while a person is asked.
        self.hidden: Callable[[], AbstractContextManager[None]] = nullcontext

    @property
    def elapsed_s(self) -> float:
        return self.clock() - self.started

    @property
    def written(self) -> str:
        """The word for what is written, or would be."""
        return "to write" if self.is_dry else "written"

    @property
    def finished(self) -> dict[str, bool]:
        return {name: route.is_complete for name, route in self.routes.items()}

    def on_event(self, event: Event) -> None:
        match event:
            case RecordsSettled(route=route, outcome=outcome, records=records):
                self.has_moved = True
                self._route(route).outcomes[outcome] += records
            case RecordsRead(route=route, records=records):
                self.has_moved = self.has_moved or records > 0
                self._route(route).read += records
            case HostSample():
                self.hosts[event.host] = event
            case Phase(route=route, text=text):
                self._route(route).phase = text
            case RouteStarted(route=route, counts=counts, expected=expected):
                standing = self._route(route)
                standing.set_counts(counts)
                standing.expected = expected
                standing.mark(self.clock())
            case RouteRehearsed():
                self.is_dry = True
            case RecordsExpected(route=route, records=records):
                self._route(route).expected = records
            case RouteFinished(route=route, counts=counts, is_complete=is_complete):
                standing = self._route(route)
                standing.set_counts(counts)
                standing.ended, standing.is_complete, standing.phase = True, is_complete, ""
            case Note():
                self.notes.append(event)

    def _route(self, name: str) -> RouteStanding:
        found = self.routes.get(name)
        if found is None:
            found = self.routes[name] = RouteStanding(name)
        return found
