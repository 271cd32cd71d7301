"""One reading for routes with the same source: each page that one of them asks for goes to all of them.

They read together where they stand equally far, or can go on from where the hindmost is. Each puts its own rows down, with
its own progress, and writes at its own pace, so that the slowest target holds up no other route. Where the reading ends
early, as its route did, the others read the rest for themselves.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from bulkmove.entries import RouteProgress, Span
from bulkmove.errors import BulkmoveError, single_error
from bulkmove.events import Note
from bulkmove.load.loader import Loader
from bulkmove.model import Record
from bulkmove.pipeline.feeding import Feeding
from bulkmove.pipeline.for_all import NotesForAll, emitting_for, merged
from bulkmove.pipeline.intake import take
from bulkmove.pipeline.job import RouteJob, TakePage
from bulkmove.pipeline.settling import resend_open
from bulkmove.protocols import Source

# Pages that a route may lag behind the reading.
PAGES_BEHIND = 2

_Page = tuple[Sequence[Record], Span | None]

# Reads a route's list whole, each page handed on; whether it came to the end.
Read = Callable[[RouteJob, TakePage], Awaitable[bool]]


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
        feeding = Feeding(job, loader)
        with single_error():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(feeding.run, job.ledger.reserve_chunk(), name=f"{job.name} feeding writers")
                if job.name == self._leader:
                    tasks.start_soon(self._lead, job, read, failed, name=f"{job.name} reading for all")
                async for records, span in pages:
                    if not job.is_ending:
                        feeding.add(await take(job, records, span))
                feeding.end()
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
        together = replace(
            job,
            source=self.source,
            emit=emitting_for(job, jobs),
            notes_for_all=NotesForAll(job.ledger, [each.name for each in jobs], self._progress),
        )
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
