"""One reading for routes with the same source: each page that one of them asks for goes to all of them.

Routes share where they may begin together, read the same list along its dates with the same filters, and stand equally far
or can go on from where the hindmost is. Each puts its own rows down, with its own progress, and writes at its own pace: what
its target can't take yet waits in the ledger, so that the slowest target holds up no other route. Where the reading ends
early, as its route did, the others read the rest for themselves.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, cast

import anyio
import orjson
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from bulkmove.entries import Item, RouteProgress, Span
from bulkmove.errors import BulkmoveError, single_error
from bulkmove.events import Event, Note, RecordsExpected
from bulkmove.load.loader import Loader
from bulkmove.model import Record
from bulkmove.pipeline.intake import take
from bulkmove.pipeline.job import RouteJob, TakePage
from bulkmove.pipeline.opening import is_self_route
from bulkmove.pipeline.plan import MigrationPlan, RoutePlan
from bulkmove.pipeline.settling import resend_open
from bulkmove.protocols import Ledger, Source

# Pages that a route may lag behind the reading, and pages of bodies that wait for its writers in memory.
PAGES_BEHIND = 2
PAGES_HELD = 4

_Page = tuple[Sequence[Record], Span | None]

# Reads a route's list whole, each page handed on; whether it came to the end.
Read = Callable[[RouteJob, TakePage], Awaitable[bool]]


def sharings(plan: MigrationPlan, names: Iterable[str]) -> dict[str, Sharing]:
    """For those of the routes that can share a reading, what they share."""
    found: dict[bytes, list[str]] = {}
    for name in names:
        route = plan.routes[name].settings
        is_own_list = is_self_route(route, plan.settings.hosts)
        if not is_own_list and not route.canary and not plan.connectors[route.source.host].is_local:
            found.setdefault(_reading_of(plan, plan.routes[name]), []).append(name)
    groups = [_sharing(plan, group) for group in found.values() if len(group) > 1]
    return {name: group for group in groups for name in group.names}


def _reading_of(plan: MigrationPlan, route: RoutePlan) -> bytes:
    """What is asked for, but for the fields; and when."""
    settings = route.settings
    own = {name: settings.options.get(name) for name in plan.connectors[settings.source.host].options}
    asked = [str(settings.source), dict(settings.where), own, sorted(settings.after)]
    return orjson.dumps(asked, option=orjson.OPT_SORT_KEYS, default=str)


def _sharing(plan: MigrationPlan, names: Sequence[str]) -> Sharing:
    used = {name: plan.routes[name].settings.fields_used for name in names}
    always = plan.routes[names[0]].source.always_sent
    together: dict[str, None] = {}
    keeps: dict[str, frozenset[str] | None] = {}
    for name, fields in used.items():
        together |= dict.fromkeys(fields or ())
        keeps[name] = None if fields is None else frozenset(map(_top, fields)) | always
    return Sharing(tuple(names), None if None in used.values() else tuple(together), keeps)


def _top(path: str) -> str:
    """Parts of a field ask for the whole."""
    return path.partition(".")[0].partition("[")[0]


def merged(progresses: Sequence[RouteProgress]) -> RouteProgress | None:
    """Where a reading for all of them begins: where the hindmost is. None where they read different stretches."""
    first = progresses[0]
    if any(_stretches(each) != _stretches(first) for each in progresses):
        return None
    spans = zip(*(sorted(each.spans, key=lambda span: span.id) for each in progresses), strict=True)
    return replace(first, spans=[min(same, key=_far) for same in spans])


def _stretches(progress: RouteProgress) -> object:
    return progress.cutoff, sorted((span.id, span.lower, span.upper) for span in progress.spans)


def _far(span: Span) -> tuple[bool, bool, int]:
    return span.is_done, span.reached is not None, span.reached or 0


@dataclass(slots=True)
class _Member:
    """A route that reads along. `keeps`: the fields that its own reading would bring, None for all."""

    job: RouteJob
    pages: MemoryObjectSendStream[_Page]
    keeps: frozenset[str] | None

    async def give(self, records: Sequence[Record], span: Span | None) -> None:
        """Hand a page over, unless the route ended."""
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            await self.pages.send(([self._copied(record) for record in records], span))

    def _copied(self, record: Record) -> Record:
        """The row as the route's own reading would bring it; its mapper may change it."""
        keeps, data = self.keeps, record.data
        return record._replace(
            data={name: _copy(value) for name, value in data.items() if keeps is None or name in keeps}
        )


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copy(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_copy(inner) for inner in value]
    return value


@dataclass(slots=True)
class Sharing:
    """Implements `bulkmove.pipeline.job.ReadsTogether` for the routes of one group.

    `fields`: those that any of them uses, None for all; `keeps`: those that the reading of each alone would bring.
    `source`: reads `fields`; it is set before any route starts.
    """

    names: tuple[str, ...]
    fields: tuple[str, ...] | None
    keeps: Mapping[str, frozenset[str] | None]
    source: Source | None = None
    _missing: set[str] = field(default_factory=set)
    _members: dict[str, _Member] = field(default_factory=dict)
    _ready: anyio.Event = field(default_factory=anyio.Event)
    _decided: anyio.Event = field(default_factory=anyio.Event)
    _leader: str | None = None
    _progress: RouteProgress | None = None
    _is_whole: bool = False

    def __post_init__(self) -> None:
        self._missing = set(self.names)

    def leave(self, name: str) -> None:
        """The route will not read along, or does no longer."""
        self._members.pop(name, None)
        self._missing.discard(name)
        if not self._missing:
            self._ready.set()

    async def read(self, job: RouteJob, loader: Loader, read: Read) -> bool | None:
        """Read along; whether the list was read whole. None where the route is to read it, or the rest, for itself.

        What earlier runs left open is sent meanwhile. Raises what ended the reading where this route did it for all,
        and what ends the route.
        """
        if self._decided.is_set():  # it comes too late
            await resend_open(job, loader)
            return None
        pages, receive = anyio.create_memory_object_stream[_Page](PAGES_BEHIND)
        async with pages, receive:
            self._members[job.name] = _Member(job, pages, self.keeps[job.name])
            self._missing.discard(job.name)
            if not self._missing:
                self._ready.set()
            try:
                if await self._is_shared(job):
                    return await self._read_along(job, loader, receive, read)
            finally:
                # Cut off, it leaves the others to themselves.
                self._decided.set()
                if job.name == self._leader:
                    self._close()
                self.leave(job.name)
        await resend_open(job, loader)
        return None

    async def _is_shared(self, job: RouteJob) -> bool:
        """Whether this route reads along with others, once all are there."""
        await _either(self._ready, job.stop)
        first = next(name for name in self.names if name in self._members)
        if job.name == first and not self._decided.is_set() and len(self._members) > 1:
            jobs = [member.job for member in self._members.values()]
            progress = merged([await each.ledger.progress(each.name) for each in jobs])
            if not self._decided.is_set():
                self._progress, self._leader = progress, job.name
            if progress is None:
                _tell_apart(jobs)
            self._decided.set()
        elif job.name == first:
            self._decided.set()
        await self._decided.wait()
        return self._progress is not None and job.name in self._members

    async def _read_along(
        self, job: RouteJob, loader: Loader, pages: MemoryObjectReceiveStream[_Page], read: Read
    ) -> bool | None:
        failed: list[BulkmoveError] = []
        writing = _Writing(job, loader)
        with single_error():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(writing.run, job.ledger.reserve_chunk(), name=f"{job.name} feeding writers")
                if job.name == self._leader:
                    tasks.start_soon(self._lead, job, read, failed, name=f"{job.name} reading for all")
                async for records, span in pages:
                    if not job.is_ending:
                        writing.add(await take(job, records, span))
                writing.end()
        if failed:
            raise failed[0]
        if job.is_ending:
            return False
        return self._is_whole or None

    async def _lead(self, job: RouteJob, read: Read, failed: list[BulkmoveError]) -> None:
        """Read for all; what ends the reading is kept until the pages that were read are put down."""

        async def hand_out(records: Sequence[Record], span: Span | None) -> None:
            for member in list(self._members.values()):
                await member.give(records, span)

        if self.source is None or self._progress is None:
            raise RuntimeError("a reading is led when all is open and decided")
        jobs = [member.job for member in self._members.values()]
        together = replace(job, source=self.source, emit=_emitting_for(job, jobs))
        together.ledger = cast("Ledger", _LedgerForAll(job, jobs, self._progress))
        try:
            self._is_whole = await read(together, hand_out)
        except BulkmoveError as error:
            failed.append(error)
        finally:
            self._close()

    def _close(self) -> None:
        """No more pages come."""
        for member in self._members.values():
            member.pages.close()


async def _either(event: anyio.Event, other: anyio.Event) -> None:
    """Wait until one of them is set."""
    async with anyio.create_task_group() as tasks:

        async def wait() -> None:
            await other.wait()
            tasks.cancel_scope.cancel()

        tasks.start_soon(wait, name="until the other")
        await event.wait()
        tasks.cancel_scope.cancel()


def _tell_apart(jobs: Sequence[RouteJob]) -> None:
    names = " and ".join(job.name for job in jobs)
    text = (
        f"routes {names} read {jobs[0].settings.source} each for itself: they stand at different places of it"
    )
    jobs[0].emit(Note(text, route=jobs[0].name))


def _emitting_for(leader: RouteJob, jobs: Sequence[RouteJob]) -> Callable[[Event], None]:
    """What is told of the reading is told of each route."""
    head = f"route {leader.name}: "

    def emit(event: Event) -> None:
        for job in jobs:
            if isinstance(event, Note) and event.text.startswith(head):
                job.emit(Note(f"route {job.name}: {event.text.removeprefix(head)}", route=job.name))
            elif isinstance(event, RecordsExpected):
                job.emit(RecordsExpected(job.name, event.records))
            elif job is leader:
                job.emit(event)

    return emit


class _LedgerForAll:
    """A ledger that notes the progress of a reading for all routes that share it."""

    def __init__(self, leader: RouteJob, jobs: Sequence[RouteJob], progress: RouteProgress) -> None:
        self._ledger = leader.ledger
        self._names = [job.name for job in jobs]
        self._progress = progress

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    async def progress(self, route: str) -> RouteProgress:
        return self._progress if self._progress.spans else await self._ledger.progress(route)

    async def mark(self, route: str, **settings: Any) -> None:
        del route
        for name in self._names:
            await self._ledger.mark(name, **settings)

    async def save_spans(self, route: str, spans: Sequence[Span]) -> None:
        del route
        for name in self._names:
            await self._ledger.save_spans(name, spans)

    async def note_gone(self, route: str, ids: Sequence[str]) -> None:
        del route
        for name in self._names:
            await self._ledger.note_gone(name, ids)


class _Writing:
    """Hands a route's pages to its writers, in their order: what they can't take yet waits in the ledger."""

    def __init__(self, job: RouteJob, loader: Loader) -> None:
        self._job = job
        self._loader = loader
        self._waiting: deque[tuple[int, list[Item] | None]] = deque()
        self._held = 0
        self._has_more = anyio.Event()
        self._is_ended = False

    def add(self, items: list[Item]) -> None:
        """A page that was put down."""
        if not items:
            return
        is_held = self._held < PAGES_HELD
        self._held += is_held
        self._waiting.append((items[0].member.chunk, items if is_held else None))
        self._has_more.set()

    def end(self) -> None:
        self._is_ended = True
        self._has_more.set()

    async def run(self, first: int) -> None:
        """First what stands in the ledger before chunk `first`; then all that is added, until the end."""
        await resend_open(self._job, self._loader, before=first)
        while not self._job.stop.is_set():
            if not self._waiting:
                if self._is_ended:
                    return
                await self._has_more.wait()
                self._has_more = anyio.Event()
                continue
            chunk, items = self._waiting.popleft()
            if items is None:
                found = await self._job.ledger.next_pending(self._job.name, chunk - 1)
                items = [] if found is None else found[1]
            else:
                self._held -= 1
            await self._loader.put(await self._job.admitted(items))
