"""Virtual time: an event loop whose clock jumps to the next timer as soon as nothing is ready."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Mapping
from typing import Any

# When the simulated world begins, by its own time of day.
EPOCH = 1_750_000_000.0
# A seed takes a thousand or so; more than this, and somebody runs in circles while no time passes.
_MOST_TURNS = 1_000_000
# Timers closer together than this fire together, as they do on a real loop.
_RESOLUTION_S = 1e-6


class StuckError(Exception):
    """Outside of a simulation, this would wait for ever, or run in circles."""


class Clock:
    """`now` never goes back. `true` is the time of day in the simulated world, which nobody in it knows for certain."""

    __slots__ = ("now",)

    def __init__(self) -> None:
        self.now = 0.0

    @property
    def true(self) -> float:
        return EPOCH + self.now


class _Jumps(selectors.BaseSelector):
    """Waits for nothing: where a real selector would sleep, time passes at once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._turns = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._turns += 1
        if self._turns > _MOST_TURNS:
            raise StuckError(f"{_MOST_TURNS:,} turns of the loop, and no end")
        if timeout is None:
            raise StuckError("nothing is ready, and no timer is set")
        if timeout > 0:
            self._clock.now += timeout
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        del fileobj, events, data
        raise RuntimeError("a simulation opens no sockets")

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        del fileobj
        raise RuntimeError("a simulation opens no sockets")

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return {}


class VirtualLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop, without its pipe for signals and threads: there are none."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(_Jumps(clock))
        self._clock = clock
        self._clock_resolution = _RESOLUTION_S

    def time(self) -> float:
        return self._clock.now

    def _make_self_pipe(self) -> None:
        pass

    def _close_self_pipe(self) -> None:
        pass
