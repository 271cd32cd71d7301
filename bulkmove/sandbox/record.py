"""What a sandbox counted: requests, writes, faults, and how much went on at once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from bulkmove.sandbox.calls import Answer, Json
from bulkmove.sandbox.capacity import Capacity
from bulkmove.sandbox.limits import Limit


@dataclass(slots=True)
class ApiRecord:
    """The counts of one API. Times are epoch seconds."""

    limit: Limit
    capacity: Capacity = field(default_factory=Capacity)
    requests: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    total: int = 0
    too_many: int = 0
    dropped: int = 0
    creates: int = 0
    updates: int = 0
    in_flight: int = 0
    max_in_flight: int = 0
    first_at: float | None = None
    last_at: float | None = None

    def arrived(self, now: float) -> None:
        self.total += 1
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        self.first_at = now if self.first_at is None else self.first_at
        self.last_at = now

    def left(self) -> None:
        self.in_flight -= 1

    def answered(self, method: str, kind: str, status: int) -> None:
        """Count an answer; status 0 stands for a connection that was closed without one."""
        self.requests[method, kind, status] += 1
        self.too_many += status == 429
        self.dropped += status == 0

    def wrote(self, answer: Answer) -> None:
        self.creates += answer.created
        self.updates += answer.updated

    def clear(self) -> None:
        """Start counting anew; windows of the limit and requests under way go on."""
        self.requests.clear()
        self.faults.clear()
        self.total = self.too_many = self.dropped = self.creates = self.updates = 0
        self.max_in_flight = self.in_flight
        self.first_at = self.last_at = None

    def statistics(self) -> Json:
        by_call: dict[str, dict[str, int]] = {}
        for (method, kind, status), number in sorted(self.requests.items()):
            by_call.setdefault(f"{method} {kind}", {})[str(status) if status else "dropped"] = number
        return {
            "total": self.total,
            "requests": by_call,
            "creates": self.creates,
            "updates": self.updates,
            "faults": dict(sorted(self.faults.items())),
            "too_many": self.too_many,
            "dropped": self.dropped,
            "in_flight": self.in_flight,
            "max_in_flight": self.max_in_flight,
            "max_per_second": self.limit.most_in_a_second,
            "windows": self.limit.statistics(),
            "first_at": self.first_at,
            "last_at": self.last_at,
        }
