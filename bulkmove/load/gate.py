"""Creating on a list, or reading it back: never both, since a row that is just being made would be missed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio


class ListGate:
    """Any number of writers, or one reader, who is let in as soon as the writers in flight are done."""

    def __init__(self) -> None:
        self._changed = anyio.Condition()
        self._writers = 0
        self._readers = 0

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        async with self._changed:
            while self._readers:
                await self._changed.wait()
            self._writers += 1
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                async with self._changed:
                    self._writers -= 1
                    self._changed.notify_all()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        self._readers += 1
        try:
            async with self._changed:
                while self._writers:
                    await self._changed.wait()
            yield
        finally:
            with anyio.CancelScope(shield=True):
                async with self._changed:
                    self._readers -= 1
                    self._changed.notify_all()
