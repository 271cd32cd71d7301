"""What was let out to a host lately, in grains of time coarse enough to be kept over a restart.

Windows of a minute and more outlive a run: what an earlier one sent an hour ago still counts against 3,600 an hour.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from bulkmove.settings import Window

GRAIN_S = 15
# Shorter ones are over before another run has started.
SHORTEST_KEPT_S = 60.0


class Spent(NamedTuple):
    """`requests` were let out in the grain that ends `at` these epoch seconds."""

    at: int
    requests: int


def longest_kept_s(windows: Sequence[Window]) -> float:
    """How long what was spent has to be remembered; 0 where no window outlives a run."""
    return max((w.period_s for w in windows if w.period_s >= SHORTEST_KEPT_S), default=0.0)


class Spending:
    """Counts what one transport lets out. `kept_s`: how far back that matters; 0: not at all, and nothing is counted."""

    def __init__(self, windows: Sequence[Window]) -> None:
        self.kept_s = longest_kept_s(windows)
        self._grains: dict[int, int] = {}

    def note(self, at: float) -> None:
        """A request goes out now, in epoch seconds."""
        if not self.kept_s:
            return
        grain = math.ceil(at / GRAIN_S) * GRAIN_S
        if grain not in self._grains:
            oldest = at - self.kept_s - GRAIN_S
            self._grains = {end: count for end, count in self._grains.items() if end >= oldest}
        self._grains[grain] = self._grains.get(grain, 0) + 1

    def grains(self) -> tuple[Spent, ...]:
        return tuple(Spent(at, count) for at, count in self._grains.items())


def on_clock(
    spent: Iterable[tuple[float, int]], *, wall_now: float, clock_now: float
) -> list[tuple[float, int]]:
    """What was spent by the time of a clock that never goes back, the oldest first.

    A wall clock that was set back since must not make old requests count for longer than a new one would.
    """
    latest = wall_now + GRAIN_S
    return [(clock_now + min(at, latest) - wall_now, count) for at, count in sorted(spent) if count > 0]
