"""The end of a run at a host: who is still to wait for it, and who is sent away."""

from __future__ import annotations

import math

from bulkmove.events import PAUSED_BY_HAND

# Whoever would wait longer for a slot while the run ends is sent away: nothing of it is in flight. For so long what fails
# is still tried again.
LONGEST_AT_END_S = 5.0


class LeftError(Exception):
    """The run ends, and nobody is to wait for the host any longer. Its text says why it was waited for."""


class Leaving:
    """Whether the run ends, and since when, by the clock of whoever tells it."""

    def __init__(self) -> None:
        self._since: float | None = None

    def begin(self, now: float) -> None:
        self._since = now

    def is_over(self, now: float) -> bool:
        """The run has been ending for so long that what still fails is not tried again."""
        return self._since is not None and now - self._since >= LONGEST_AT_END_S

    def send_away(self, wait_s: float, now: float, *, came_at: float, is_held_by_hand: bool) -> None:
        """Raises LeftError for whoever would wait so long while the run ends, with the wait for others, or for a person."""
        if self._since is None:
            return
        if is_held_by_hand:
            raise LeftError(f"is {PAUSED_BY_HAND}")
        if LONGEST_AT_END_S < wait_s < math.inf:
            raise LeftError(f"takes no request for {wait_s:.0f} s")
        if LONGEST_AT_END_S < now - max(self._since, came_at) + wait_s < math.inf:
            raise LeftError("has others to serve before it")
