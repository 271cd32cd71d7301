"""How much of its rate a host gets: a 429 lowers it, and it creeps back while none comes. Pure: told of the time.

Additive increase, multiplicative decrease. One 429 may be chance, a request that overtook another on its way: it takes
a fifth, which is back within half a minute, and a twentieth, back within seconds, where two whole windows were served
since the last: a rate that is too high is refused sooner. A second one on the way back is none: it takes half of what
there was, or a fifth where a whole window was served since the last, and the way back is then quick to nine tenths of
the place where it came, slow past that place, which is where the next one is to be expected, and quick again once none
came there.
"""

from __future__ import annotations

import math

LOWERED_TO = 0.8
RARELY_LOWERED_TO = 0.95
LOWERED_AGAIN_TO = 0.5
# A host that is configured with ten times what it allows is held by its pauses.
LEAST_SHARE = 0.1
CREEP_PER_S = 0.008
NEAR = 0.9
# A 429 costs about a minute: the place where they come is passed in ten.
PASSED_OVER_S = 600.0
# What follows the share is set anew for each step of it, not for each request.
STEPS = 100


class Pace:
    """The share of the configured rate that may be used: 1 until the first 429, never more, never under LEAST_SHARE."""

    def __init__(self) -> None:
        self._from = 1.0
        self._near = 1.0
        self._ceiling = 1.0
        self._since = -math.inf

    def lower(self, now: float, *, used: float = 1.0, is_rare: bool = False, is_late: bool = False) -> None:
        """The host asked for less. `used`: the share that was in use, where it was less than the share allowed.

        `is_rare`: two whole windows were served since the last one; `is_late`: one was.
        """
        was_whole = self._exact(now) == 1.0
        self._ceiling = max(min(self._exact(now), used), LEAST_SHARE)
        again = LOWERED_TO if was_whole or is_late else LOWERED_AGAIN_TO
        self._from = max(LEAST_SHARE, self._ceiling * (RARELY_LOWERED_TO if is_rare else again))
        self._near = self._ceiling if was_whole or is_rare else max(self._from, NEAR * self._ceiling)
        self._since = now

    def rest_until(self, moment: float) -> None:
        """While the host rests nothing is learnt of it, and the share stays where it is."""
        self._since = max(self._since, moment)

    def share(self, now: float) -> float:
        """In steps of a hundredth, rounded down."""
        return max(LEAST_SHARE, math.floor(self._exact(now) * STEPS + 1e-6) / STEPS)

    def _exact(self, now: float) -> float:
        left_s = now - self._since
        if left_s <= 0:
            return self._from
        to_near_s = (self._near - self._from) / CREEP_PER_S
        if left_s < to_near_s:
            return self._from + CREEP_PER_S * left_s
        left_s -= to_near_s
        slow_s = PASSED_OVER_S * (self._ceiling - self._near) / (self._ceiling * (1 - NEAR))
        if left_s < slow_s:
            return self._near + (self._ceiling - self._near) * left_s / slow_s
        return min(1.0, self._ceiling + CREEP_PER_S * (left_s - slow_s))
