"""The machine that a simulated run stands on: its clock, its threads, its disk, and the death of its process.

For as long as a simulation goes, `time.time`, `time.monotonic` and anyio's worker threads are the machine's: a thread's
work is done on the loop itself, in the order in which it is asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any, TypeVar

import anyio
import anyio.lowlevel
from anyio import CapacityLimiter, to_thread

from tests.simulation.clock import Clock

T = TypeVar("T")


class GoneError(Exception):
    """What a process meets that was killed: nothing that it asks for happens any more."""


class Process:
    """One process. `fuse`: it dies at that boundary between itself and the world; None: not by itself.

    From its death on it has no effect: not on the ledger, not on a host. Its tasks are then cancelled, which tidies up
    the simulation and nothing else.
    """

    def __init__(self, fuse: int | None = None) -> None:
        self.is_dead = False
        self.boundaries = 0
        self.scope = anyio.CancelScope()
        self._fuse = fuse

    def pass_boundary(self) -> None:
        """To be called before and after whatever has an effect. Raises GoneError where the process is dead."""
        if not self.is_dead:
            self.boundaries += 1
            if self.boundaries == self._fuse:
                self.die()
        if self.is_dead:
            raise GoneError

    def die(self) -> None:
        self.is_dead = True
        self.scope.cancel()


class Machine:
    """`skew_s`: how far its clock is off. `slow_disk_s`: how long a change of the ledger may take."""

    def __init__(self, clock: Clock, dice: Random) -> None:
        self.clock = clock
        self.skew_s = 0.0
        self.slow_disk_s = 0.0
        self.process: Process
        self._dice = dice

    def wall(self) -> float:
        return self.clock.true + self.skew_s

    def monotonic(self) -> float:
        return self.clock.now

    async def run_sync(
        self, work: Callable[..., T], *args: Any, limiter: CapacityLimiter | None = None, **_: Any
    ) -> T:
        """What `anyio.to_thread.run_sync` does: cancelled before it begins, or not at all."""
        await anyio.lowlevel.checkpoint()
        if not self.slow_disk_s or limiter is None:
            return self._do(work, args)
        async with limiter:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(self._dice.random() * self.slow_disk_s)
            return self._do(work, args)

    def _do(self, work: Callable[..., T], args: tuple[Any, ...]) -> T:
        process = self.process
        process.pass_boundary()
        done = work(*args)
        process.pass_boundary()
        return done

    @contextmanager
    def in_charge(self) -> Iterator[None]:
        real = time.time, time.monotonic, to_thread.run_sync
        time.time, time.monotonic, to_thread.run_sync = self.wall, self.monotonic, self.run_sync  # type: ignore[assignment]
        try:
            yield
        finally:
            time.time, time.monotonic, to_thread.run_sync = real
