"""What a run and its routes work with while they run."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import anyio

from bulkmove import clock
from bulkmove.entries import Entry, Item, ListState, RouteProgress, Settled, Span, TargetKey
from bulkmove.errors import BulkmoveError
from bulkmove.events import Event, Note, RecordsSettled
from bulkmove.ledger import SqliteLedger
from bulkmove.load.batching import SizeLimit
from bulkmove.load.checking import BodyCheck
from bulkmove.load.gate import ListGate
from bulkmove.load.held import HeldRows
from bulkmove.load.loader import Loader
from bulkmove.load.matching import Body, Rules
from bulkmove.load.verdicts import ATTEMPTS_OVER_S
from bulkmove.mapping.context import RouteContext
from bulkmove.mapping.lookups.resolver import Lookups
from bulkmove.mapping.masking import Mask
from bulkmove.model import JsonObject, Record, State, WriteItem
from bulkmove.pipeline.budget import ErrorBudget
from bulkmove.pipeline.canaries import Canaries, Canary, CanaryWatch
from bulkmove.pipeline.plan import MigrationPlan
from bulkmove.protocols import Derive, Ledger, Mapper, Observer, Source, Target, Transport
from bulkmove.settings import HostSettings, RejectionLimit, RouteSettings, Sweep
from bulkmove.transport import HostTransport

# A page with the progress of its span.
TakePage = Callable[[Sequence[Record], Span | None], Awaitable[None]]
# What a route's requests are for, by the side that they go to.
Use = Literal["source", "target"]


class TargetList:
    """One list that is written to, shared by all routes to it: its keys are read once, and creates pause for a reading.

    `name` tells lists apart: the API and the host's address, the stream, and the natural key. `held`: see `load/held.py`.
    """

    def __init__(self, name: str, held: HeldRows) -> None:
        self.name = name
        self.held = held
        self.gate = ListGate()
        self.lock = anyio.Lock()
        # Held from looking a key up until it is claimed, so that two routes never claim one key.
        self.claiming = anyio.Lock(fast_acquire=True)
        self.is_atomic: bool | None = None
        self.size = SizeLimit()
        self.has_keys = False

    def learn(self, state: ListState) -> None:
        """What earlier runs learnt of the list's host."""
        self.is_atomic = state.is_atomic
        if state.max_bytes is not None:
            self.size.most_bytes = min(self.size.most_bytes, state.max_bytes)


class Onlooker(Protocol):
    """Looks on while a migration is rehearsed; a preview is made of what it saw.

    `opened` and `begin` come before anything is sent, to all hosts and for a route. `counted` is asked what a route
    sends through.
    """

    def opened(self, transports: Mapping[str, HostTransport]) -> None: ...

    def counted(self, route: str, use: Use, transport: Transport) -> Transport: ...

    async def begin(self, job: RouteJob) -> None: ...


@runtime_checkable
class SeesMapping(Onlooker, Protocol):
    """An Onlooker that is shown what records become.

    `see` gets the records before they are mapped, `note` what each became: the encoded bodies belong to the first
    entries, the others have none. `matched` gets bodies with their entries, one by one: `known` is what the list held
    of their keys, `own_rows` are the rows of a self-route that they were made of; `found` gets rows of the target's list, while it
    is read for its keys. `rehearsed` is told what a write request would have carried.
    """

    def found(self, job: RouteJob, records: Sequence[Record]) -> None: ...

    async def matched(
        self,
        job: RouteJob,
        bodies: Sequence[Body],
        entries: Sequence[Entry],
        *,
        known: Mapping[str, TargetKey],
        own_rows: Mapping[str, JsonObject],
    ) -> None: ...

    def rehearsed(self, route: str, items: Sequence[WriteItem]) -> None: ...

    def see(self, route: str, records: Sequence[Record]) -> None: ...

    def note(self, route: str, entries: Sequence[Entry], encoded: Sequence[bytes]) -> None: ...


@runtime_checkable
class SeesJoined(Protocol):
    """An Onlooker that is told how changes are joined as they go out (see `batching.Told`)."""

    def joined(self, route: str, spare: int, again: int) -> None: ...


def witness_in(onlooker: Onlooker | None) -> SeesMapping | None:
    """Who looks on and is to be shown what records become, if anybody."""
    return onlooker if isinstance(onlooker, SeesMapping) else None


class ReadingNotes(Protocol):
    """Where the progress of a reading is noted: the ledger itself, or for each route that reads along (see `Ledger`)."""

    async def progress(self, route: str) -> RouteProgress: ...

    async def mark(self, route: str, *, cutoff: int | None = None, expected: int | None = None) -> None: ...

    async def save_spans(self, route: str, spans: Sequence[Span]) -> None: ...

    async def note_gone(self, route: str, ids: Sequence[str]) -> None: ...


class ReadsTogether(Protocol):
    """What routes share that are read for by one of them (see `shared_reading`)."""

    @property
    def fields(self) -> tuple[str, ...] | None: ...

    source: Source | None

    def leave(self, name: str) -> None: ...

    async def read(
        self, job: RouteJob, loader: Loader, read: Callable[[RouteJob, TakePage], Awaitable[bool]]
    ) -> bool | None: ...


@dataclass(slots=True)
class RouteJob:
    """A route that is ready to run: everything opened, nothing started.

    `is_self_route`: source and target are one list, whatever their hosts are called. `keeps_before`: rows are kept as they
    stand before they are changed. `writers`: how many requests may go out to the target at once by now. `attempts_over_s`: how long
    a record has to have failed before it is set aside. `limit`: the most records still to be mapped in this run, None without a limit. `stop` is set when the run
    is to end early, `enough` when the limit is reached. `derive`: makes the stream's rows of what its source reads.
    `check_body`: holds a body against what the target documents. `served_at`: when the target last did what was
    asked (epoch seconds). `hide`: takes credentials out of what a mapper says. `sweep`: when its list is looked through for doubles. `budget`: how many records this run may reject.
    `notes_for_all`: where its reading is noted, where it reads for other routes, too.
    """

    settings: RouteSettings
    source: Source
    target: Target
    target_host: HostSettings
    target_list: TargetList
    rules: Rules
    mapper: Mapper
    context: RouteContext
    ledger: Ledger
    emit: Callable[[Event], None]
    stop: anyio.Event
    readers: Callable[[], int]
    listers: Callable[[], int]
    is_self_route: bool = False
    keeps_before: bool = False
    writers: Callable[[], int] | None = None
    attempts_over_s: float = ATTEMPTS_OVER_S
    limit: int | None = None
    derive: Derive | None = None
    check_body: BodyCheck | None = None
    onlooker: Onlooker | None = None
    served_at: float = 0.0
    hide: Callable[[str], str] = str
    sweep: Sweep = "doubts"
    budget: ErrorBudget = field(default_factory=lambda: ErrorBudget("", None))
    canary: Canary | None = None
    sharing: ReadsTogether | None = None
    notes_for_all: ReadingNotes | None = None
    enough: anyio.Event = field(default_factory=anyio.Event)
    witness: SeesMapping | None = field(init=False)

    def __post_init__(self) -> None:
        self.witness = witness_in(self.onlooker)

    @property
    def is_ending(self) -> bool:
        """No further page is to be taken: the run stops, or the route is at its limit."""
        return self.stop.is_set() or self.enough.is_set()

    @property
    def reading_notes(self) -> ReadingNotes:
        """Where the progress of its reading is noted."""
        return self.ledger if self.notes_for_all is None else self.notes_for_all

    async def admitted(self, items: Sequence[Item]) -> Sequence[Item]:
        """Those of the items that may be sent by now: all, unless the first records are still to be looked at."""
        return items if self.canary is None else await self.canary.admitted(items)

    def note_mapped(self, count: int) -> None:
        if self.limit is not None:
            self.limit -= count
            if self.limit <= 0:
                self.enough.set()

    @property
    def name(self) -> str:
        return self.settings.name

    def note_rejected(self, causes: Mapping[str, int]) -> None:
        """So many records more were rejected, by cause. Where that spends the error budget, the run is to end."""
        self.budget.reject(causes)
        if self.budget.is_spent:
            self.stop.set()

    def note_settled(self, settled: Sequence[Settled]) -> None:
        """Tell the observers, and remember that the target serves."""
        totals: dict[State, int] = {}
        for each in settled:
            totals[each.state] = totals.get(each.state, 0) + (each.member.part == 0)
        if State.REJECTED in totals:
            rejected = {s.member.source_id: s.cause or "" for s in settled if s.state is State.REJECTED}
            self.note_rejected(Counter(rejected.values()))
        for state, count in totals.items():
            self.emit(RecordsSettled(self.name, state.name.lower(), count))
        if State.WRITTEN in totals or State.UNCHANGED in totals:
            self.served_at = clock.now()


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What one run is asked for. `limit`: the most records mapped a route. `attempts_over_s`: see RouteJob.

    `onlooker`: the run is a preview, whose causes are told by whoever asked for it. `on_lookups`: is handed the run's
    look-ups, which then put down what does not resolve (`Lookups.unresolved`). `has_budget`: `max_rejected` ends it; not
    a retry, which would reject the same records first each time. `before` is awaited when all is opened and nothing has
    begun: what it raises ends the run. `most_rejected`: a second budget of each route, beside `max_rejected`.
    """

    limit: int | None = None
    is_dry: bool = False
    accept_changes: bool = False
    attempts_over_s: float = ATTEMPTS_OVER_S
    onlooker: Onlooker | None = None
    on_lookups: Callable[[Lookups], None] | None = None
    has_budget: bool = True
    canary: CanaryWatch | None = None
    before: Callable[[Run], Awaitable[None]] | None = None
    most_rejected: Callable[[str], RejectionLimit] | None = None


@dataclass(slots=True)
class Run:
    """One run while it goes: what its routes share."""

    plan: MigrationPlan
    ledger: SqliteLedger
    options: RunOptions
    observer: Observer | None
    stop: anyio.Event
    transports: dict[str, HostTransport] = field(default_factory=dict)
    lists: dict[str, TargetList] = field(default_factory=dict)
    held: dict[str, HeldRows] = field(default_factory=lambda: defaultdict(HeldRows))
    lookups: Lookups = field(default_factory=Lookups)
    mask: Mask | None = None
    canaries: Canaries | None = None
    jobs: dict[str, RouteJob] = field(default_factory=dict)
    sharings: Mapping[str, ReadsTogether] = field(default_factory=dict)
    ended: dict[str, anyio.Event] = field(default_factory=dict)
    finished: dict[str, bool] = field(default_factory=dict)
    errors: list[BulkmoveError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def emit(self, event: Event) -> None:
        if isinstance(event, Note):
            self.notes.append(event.text)
        if self.observer is not None:
            self.observer.on_event(event)
