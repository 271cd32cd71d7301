"""One who waits for a moment, and can be woken before it."""

from __future__ import annotations

import asyncio
import math

# Timers of event loops count in milliseconds; asking for less only spins.
LEAST_WAIT_S = 0.001


class Sleeper:
    """For one task at a time: whoever else would wait stands behind a lock."""

    def __init__(self) -> None:
        self._wake: asyncio.Future[None] | None = None

    async def sleep(self, wait_s: float) -> None:
        """Wait for so long, or without end where it is infinite, or until `rouse`."""
        loop = asyncio.get_running_loop()
        self._wake = loop.create_future()
        timer = loop.call_later(max(wait_s, LEAST_WAIT_S), self.rouse) if wait_s < math.inf else None
        try:
            await self._wake
        finally:
            self._wake = None
            if timer is not None:
                timer.cancel()

    def rouse(self) -> None:
        """Wake whoever sleeps; nobody may."""
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)
