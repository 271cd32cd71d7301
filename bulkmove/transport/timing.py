"""Clock, sleep and chance, handed to whatever needs them."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio


@dataclass(frozen=True, slots=True)
class Timing:
    """`clock` never goes back and starts anywhere; `wall_clock` is seconds since the epoch; `chance` is in [0, 1)."""

    clock: Callable[[], float] = time.monotonic
    wall_clock: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    chance: Callable[[], float] = random.random
