"""How many pages are asked for at once where this machine, not the host, is what takes the time."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio

# One page at work here and one on its way from the host keep both busy.
LEAST_READERS = 2
FIRST_READERS = 16
FEWER, MORE = 0.7, 2


class Backlog:
    """Pages take turns at being mapped. Those that wait tell that fewer readers would do.

    A page that waits holds megabytes, and has left the processor's caches when its turn comes: then everything that
    is done with it takes half as long again. So after each round, of as many pages as there are readers, there are
    fewer readers if most pages found others waiting, down to `LEAST_READERS`, and twice as many if most came to their
    turn at once, up to what `readers` asks for: a slow host is kept busy within a few rounds. What comes before the
    first turn is over tells nothing: that one waits for the target's keys.
    """

    def __init__(self, readers: Callable[[], int]) -> None:
        self._wanted = readers
        self._turn = anyio.Lock(fast_acquire=True)
        self._most = FIRST_READERS
        self._pages = self._at_once = self._behind_others = 0
        self._has_begun = False

    def readers(self) -> int:
        """How many pages should be asked for at once by now."""
        return min(self._wanted(), self._most)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Held while a page is worked on."""
        if self._has_begun:
            self._note()
        async with self._turn:
            yield
        self._has_begun = True

    def _note(self) -> None:
        self._pages += 1
        if not self._turn.locked():
            self._at_once += 1
        elif self._turn.statistics().tasks_waiting:
            self._behind_others += 1
        readers = self.readers()
        if self._pages < readers:
            return
        if 2 * self._behind_others > self._pages:
            self._most = max(LEAST_READERS, math.floor(FEWER * readers))
        elif 2 * self._at_once > self._pages:
            self._most = max(self._most, MORE * readers)
        self._pages = self._at_once = self._behind_others = 0
