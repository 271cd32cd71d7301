"""Clock, sleep and chance, handed to whatever needs them."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio

from bulkmove.clock import now


@dataclass(frozen=True, slots=True)
class Timing:
    """`clock` never goes back and starts anywhere; `wall_clock` is seconds since the epoch; `chance` is in [0, 1).

    Neither is moved where somebody sets the machine's clock.
    """

    clock: Callable[[], float] = time.monotonic
    wall_clock: Callable[[], float] = now
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    chance: Callable[[], float] = random.random
