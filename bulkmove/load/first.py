"""Deletions before the first: one at a time, until the ledger holds for good that a row was deleted.

A row that is gone counts as deleted by an earlier run once one row was: then its address is right. What many deletions
did at once, and a kill forgot, nothing would tell from an address that is wrong.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

from bulkmove.protocols import Ledger, SeesDeletions, Target

# Where so many rows are gone, one after the other would take too long.
MOST_ALONE = 100


@dataclass(slots=True)
class FirstAlone:
    """What the writers of one route take turns at; for a target that deletes nothing there are no turns.

    `left`: how many go alone yet, None before the first was asked for.
    """

    left: int | None = None
    _turn: anyio.Lock = field(default_factory=anyio.Lock)

    @asynccontextmanager
    async def held(self, target: Target, ledger: Ledger, route: str) -> AsyncIterator[None]:
        """Around a write and the noting of its outcome."""
        if self.left is None:
            is_open = isinstance(target, SeesDeletions) and not target.has_deleted
            self.left = MOST_ALONE if is_open else 0
        if self.left:
            async with self._turn:
                if self.left:
                    yield
                    self.left -= 1
                    if isinstance(target, SeesDeletions) and target.has_deleted:
                        await ledger.written(route)  # durable when it returns
                        self.left = 0
                    return
        yield
