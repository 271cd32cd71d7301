"""What a run tells its observers, as it happens. All times are seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bulkmove.model import Counts


@dataclass(frozen=True, slots=True)
class RouteStarted:
    """`counts` is what the ledger holds already; `expected` the source's own count, where it tells one."""

    route: str
    counts: Counts
    expected: int | None


@dataclass(frozen=True, slots=True)
class RouteRehearsed:
    """Nothing of this route is written: what is told of it as written is what a run would write."""

    route: str


@dataclass(frozen=True, slots=True)
class RecordsExpected:
    """The source told how many records it holds in all: `records` is for planning, it may lie or change."""

    route: str
    records: int


@dataclass(frozen=True, slots=True)
class RecordsRead:
    """`records` new source records were seen, in one page of the source."""

    route: str
    records: int


@dataclass(frozen=True, slots=True)
class RecordsSettled:
    """`records` source records got this outcome (written, unchanged, skipped, rejected, unknown)."""

    route: str
    outcome: str
    records: int


@dataclass(frozen=True, slots=True)
class RouteFinished:
    """`is_complete`: everything was read and nothing is pending."""

    route: str
    counts: Counts
    is_complete: bool


@dataclass(frozen=True, slots=True)
class Phase:
    """What a route does now, for people: "reading the target's keys", "reading back", …"""

    route: str
    text: str


# Why a host rests that somebody paused: for as long as they like, and told as a second each time.
PAUSED_BY_HAND = "paused by hand"


@dataclass(frozen=True, slots=True)
class HostSample:
    """A host at a moment, about twice a second.

    `allowed_per_s` is the rate that its windows admit, lowered after a 429, or that was found by now (None: no limit), `paused_s` how long it still rests,
    at least, and `reason` why. `requests`, `retries` and `throttled` (answers with 429) are since the run began, and so are
    `latencies`: how many answers took how long, by bucket (see `transport.latencies`); `latency_s` is the sum of the seconds that
    they took.
    """

    host: str
    requests: int
    used_per_s: float
    allowed_per_s: float | None
    in_flight: int
    paused_s: float
    reason: str | None
    retries: int = 0
    throttled: int = 0
    latencies: Mapping[int, int] = field(default_factory=dict)
    latency_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Note:
    """Something that a person should know: a warning that does not end the run."""

    text: str
    route: str | None = None


Event = (
    RouteStarted
    | RouteRehearsed
    | RecordsExpected
    | RecordsRead
    | RecordsSettled
    | RouteFinished
    | Phase
    | HostSample
    | Note
)
