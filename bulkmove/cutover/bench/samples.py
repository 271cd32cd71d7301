"""How long answers took: percentiles of sorted samples, bounded in memory. Pure.

All samples are kept up to `MOST`, and a fair part of them beyond (Vitter's algorithm R); count and maximum are always
exact. A percentile is the nearest rank, a value that was measured, with no curve drawn between two of them.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

MOST = 20_000


@dataclass(frozen=True, slots=True)
class Spread:
    """Seconds within which so many answers came. None: too few answers to tell it from the slowest one."""

    p50: float | None = None
    p90: float | None = None
    p99: float | None = None
    p999: float | None = None
    max: float | None = None


class Samples:
    """Latencies of one step."""

    def __init__(self, most: int = MOST, *, seed: int = 1) -> None:
        self._most = most
        self._rng = random.Random(seed)
        self._kept: list[float] = []
        self.count = 0
        self.max: float | None = None

    def add(self, seconds: float) -> None:
        self.count += 1
        self.max = seconds if self.max is None else max(self.max, seconds)
        if len(self._kept) < self._most:
            self._kept.append(seconds)
        elif (place := self._rng.randrange(self.count)) < self._most:
            self._kept[place] = seconds

    def within(self, share: float) -> float | None:
        """The seconds within which this share of the answers came, None where there are none."""
        ranked = sorted(self._kept)
        return ranked[max(1, math.ceil(share * len(ranked) - 1e-9)) - 1] if ranked else None

    def spread(self) -> Spread:
        """Only what so many answers can tell: of ten, the 99th percentile is no more than the slowest."""
        p50, p90, p99, p999 = (self._told(share) for share in (0.5, 0.9, 0.99, 0.999))
        return Spread(p50, p90, p99, p999, self.max)

    def _told(self, share: float) -> float | None:
        return self.within(share) if self.count * (1 - share) >= 1 - 1e-9 else None
