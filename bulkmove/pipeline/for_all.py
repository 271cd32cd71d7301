"""What is one for routes that are read for together: where their reading begins, is noted, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from bulkmove.entries import RouteProgress, Span
from bulkmove.events import Event, Note, RecordsExpected
from bulkmove.pipeline.job import RouteJob
from bulkmove.protocols import Ledger


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


class NotesForAll:
    """Implements `bulkmove.pipeline.job.ReadingNotes`: what one route notes of its reading is noted of each.

    `progress`: where the reading begins.
    """

    def __init__(self, ledger: Ledger, names: Sequence[str], progress: RouteProgress) -> None:
        self._ledger = ledger
        self._names = names
        self._progress = progress

    async def progress(self, route: str) -> RouteProgress:
        return self._progress if self._progress.spans else await self._ledger.progress(route)

    async def mark(self, route: str, *, cutoff: int | None = None, expected: int | None = None) -> None:
        del route
        for name in self._names:
            await self._ledger.mark(name, cutoff=cutoff, expected=expected)

    async def save_spans(self, route: str, spans: Sequence[Span]) -> None:
        del route
        for name in self._names:
            await self._ledger.save_spans(name, spans)

    async def note_gone(self, route: str, ids: Sequence[str]) -> None:
        del route
        for name in self._names:
            await self._ledger.note_gone(name, ids)


def emitting_for(leader: RouteJob, jobs: Sequence[RouteJob]) -> Callable[[Event], None]:
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
