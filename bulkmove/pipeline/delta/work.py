"""What the steps of one route's pass share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

from bulkmove.entries import Item
from bulkmove.errors import single_error
from bulkmove.events import Note, Phase
from bulkmove.extract.tally import Tally
from bulkmove.ledger.delta_work import Passing
from bulkmove.load.loader import Loader
from bulkmove.pipeline.delta.sources import Requests
from bulkmove.pipeline.job import RouteJob
from bulkmove.pipeline.whole import LASTING_FILTERS
from bulkmove.protocols import Source

_MOST_NAMED = 5
THE_PASS = 1


@dataclass(slots=True)
class Named:
    """So many records, the first of them by name."""

    count: int = 0
    ids: list[str] = field(default_factory=list)

    def add(self, ids: Sequence[str]) -> None:
        self.count += len(ids)
        self.ids = [*self.ids, *ids][:_MOST_NAMED]

    def __str__(self) -> str:
        more = f" and {self.count - len(self.ids):,} more" if self.count > len(self.ids) else ""
        return f"{', '.join(self.ids)}{more}"


@dataclass(slots=True)
class PassWork:
    """One route's pass while it goes.

    `versions`: the list at its least, None where the source has none. `second_of`: the second of a version that is a date. `shown`: the ids that the source showed. `turn` is
    held while a page is worked, so that none is cut off. `left`: changed records that are of unknown fate. `outside`:
    records that are there and that `where` does not ask for any more.
    """

    job: RouteJob
    passing: Passing
    loader: Loader
    requests: Requests
    versions: Source | None
    shown: Tally
    second_of: Callable[[str], int | None]
    new_only: bool = False
    turn: anyio.Lock = field(default_factory=anyio.Lock)
    left: Named = field(default_factory=Named)
    outside: Named = field(default_factory=Named)
    is_unfinished: bool = False

    async def show(self, ids: Sequence[str]) -> None:
        """The source showed these."""
        await self.shown.add(THE_PASS, ids)

    async def begin_writing(self) -> None:
        """Before a record is put down that may be open when this process is killed."""
        if not self.is_unfinished:
            self.is_unfinished = True
            await self.job.ledger.mark(self.job.name, is_finished=False)

    async def send(self, items: Sequence[Item]) -> None:
        """Where rows are of the list that is read, nothing is sent before all of them are mapped."""
        if not self.job.is_self_route:
            await self.loader.put(items)

    def phase(self, text: str) -> None:
        self.job.emit(Phase(self.job.name, text))

    def note(self, text: str) -> None:
        self.job.emit(Note(f"route {self.job.name}: {text}", route=self.job.name))

    @property
    def changing_filters(self) -> list[str]:
        """Filters that a record can come to match, or cease to, by a change."""
        return sorted(self.job.settings.where.keys() - LASTING_FILTERS)


@asynccontextmanager
async def until_stopped(work: PassWork) -> AsyncIterator[None]:
    """Leave the block where the run is to stop, not within a page."""
    with single_error():
        async with anyio.create_task_group() as tasks:

            async def stop() -> None:
                await work.job.stop.wait()
                async with work.turn:
                    tasks.cancel_scope.cancel()

            tasks.start_soon(stop, name=f"{work.job.name} pass until")
            yield
            tasks.cancel_scope.cancel()
