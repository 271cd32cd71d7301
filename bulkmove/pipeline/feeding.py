"""A route's pages handed to its writers, in their order, while others are read: what they can't take yet waits in the ledger."""

from __future__ import annotations

from collections import deque

import anyio

from bulkmove.entries import Item
from bulkmove.load.loader import Loader
from bulkmove.pipeline.job import RouteJob
from bulkmove.pipeline.settling import resend_open

# Pages of bodies that wait for the writers in memory.
PAGES_HELD = 4


class Feeding:
    """Pages are added as they are put down; `run` hands them on until the end."""

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
