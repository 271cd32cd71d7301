"""What a run tells its observers, as it happens. All times are seconds."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class HostSample:
    """A host at a moment, about twice a second.

    `allowed_per_s` is the rate that its windows admit, lowered after a 429 (None: no limit), `paused_s` how long it still rests
    and `reason` why.
    """

    host: str
    requests: int
    used_per_s: float
    allowed_per_s: float | None
    in_flight: int
    paused_s: float
    reason: str | None


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
