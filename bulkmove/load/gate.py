"""Creating on a list, or reading it back: never both, since a row that is just being made would be missed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio


class ListGate:
    """Any number of writers, or one reader, who is let in as soon as the writers in flight are done.

    Every batch passes here: where nobody has to wait, it does so without a turn of the event loop.
    """

    def __init__(self) -> None:
        self._changed: anyio.Event | None = None
        self._writers = 0
        self._readers = 0

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        while self._readers:
            await self._change()
        self._writers += 1
        try:
            yield
        finally:
            self._writers -= 1
            self._tell()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        self._readers += 1
        try:
            while self._writers:
                await self._change()
            yield
        finally:
            self._readers -= 1
            self._tell()

    async def _change(self) -> None:
        if self._changed is None:
            self._changed = anyio.Event()
        await self._changed.wait()

    def _tell(self) -> None:
        if self._changed is not None:
            self._changed.set()
            self._changed = None
