"""All that a report tells, as values, and what follows from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bulkmove.ledger.history import HostSpan, RestSpan, RouteSpan
from bulkmove.ledger.milestones import Milestone
from bulkmove.ledger.reporting import PassRow, VerificationRow
from bulkmove.model import Counts
from bulkmove.settings import MigrationSettings
from bulkmove.transport.latencies import percentile_s


@dataclass(frozen=True, slots=True)
class Group:
    """Records that failed for one cause. Their messages may quote values, and are not told here."""

    outcome: str
    cause: str
    records: int
    ids: tuple[str, ...]
    hint: str


@dataclass(frozen=True, slots=True)
class RouteFacts:
    """A route. `listed`: its source records, counted page by page, apart from the records themselves."""

    name: str
    source: str = ""
    target: str = ""
    counts: Counts = field(default_factory=Counts)
    listed: int = 0
    expected: int | None = None
    faults: tuple[str, ...] = ()
    is_finished: bool = False
    groups: tuple[Group, ...] = ()
    gone: int = 0
    gone_ids: tuple[str, ...] = ()
    spans: tuple[RouteSpan, ...] = ()

    @property
    def accounted(self) -> int:
        return self.counts.read - self.counts.pending

    @property
    def adds_up(self) -> bool:
        return self.listed == self.counts.read and not self.faults


@dataclass(frozen=True, slots=True)
class HostFacts:
    """A host: what was sent to it, over all runs that kept a history. `place`: its address, without credentials."""

    name: str
    api: str
    place: str
    spans: tuple[HostSpan, ...] = ()
    rests: tuple[RestSpan, ...] = ()

    @property
    def requests(self) -> int:
        return sum(span.requests for span in self.spans)

    @property
    def retries(self) -> int:
        return sum(span.retries for span in self.spans)

    @property
    def throttled(self) -> int:
        return sum(span.throttled for span in self.spans)

    @property
    def seconds(self) -> float:
        return sum(span.seconds for span in self.spans)

    @property
    def allowed(self) -> float | None:
        """How many requests its rate would have admitted, None where there was no limit."""
        each = [span.allowed for span in self.spans]
        known = [allowed for allowed in each if allowed is not None]
        return sum(known) if known and len(known) == len(each) else None

    @property
    def rested_s(self) -> float:
        return sum(rest.seconds for rest in self.rests)

    def latency_s(self, share: float) -> float | None:
        return percentile_s(sum_of(self.spans), share)


@dataclass(frozen=True, slots=True)
class RunFacts:
    """A run. `end`: "ended", "going", or "cut off", at its last sign of life."""

    number: int
    kind: str
    started_at: float
    until: float
    end: str
    exit_code: int | None
    settled: int
    requests: int

    @property
    def seconds(self) -> float:
        return max(0.0, self.until - self.started_at)


@dataclass(frozen=True, slots=True)
class Facts:
    """A migration as a report tells it. `made_at`: epoch seconds; `is_begun`: there is a ledger."""

    settings: MigrationSettings
    made_at: float
    is_begun: bool = False
    is_going: bool = False
    schema: int = 0
    routes: tuple[RouteFacts, ...] = ()
    hosts: tuple[HostFacts, ...] = ()
    runs: tuple[RunFacts, ...] = ()
    passes: tuple[tuple[str, PassRow], ...] = ()
    verification: VerificationRow | None = None
    steps: tuple[Milestone, ...] = ()
    undone: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def total(self) -> Counts:
        return Counts(
            **{
                name: sum(getattr(route.counts, name) for route in self.routes)
                for name in Counts.__dataclass_fields__
            }
        )

    @property
    def noun(self) -> str:
        """What the records are called, where all routes read lists of one name."""
        names = {route.source.partition(".")[2] for route in self.routes}
        return names.pop().replace("-", " ") if len(names) == 1 and all(names) else "records"


def sum_of(spans: Sequence[HostSpan]) -> Counter[int]:
    """The latencies of several rows together."""
    total: Counter[int] = Counter()
    for span in spans:
        total.update(span.latencies)
    return total
