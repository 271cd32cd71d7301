"""When a host gets nothing, until when and why: it rests, its limit is spent, or a person holds it. Pure: told of the time."""

from __future__ import annotations

import math

from bulkmove.events import PAUSED_BY_HAND
from bulkmove.transport.rests import RestLog

# What is told of a host that somebody paused: for how long at least.
HELD_S = 1.0


class Pauses:
    """Of those that overlap, the one that ends last holds; a person's holds beside them all, until it is let go."""

    def __init__(self) -> None:
        self.begun = 0
        self.paused_until = -math.inf
        self._until = -math.inf
        self._reason: str | None = None
        self._held_since: float | None = None
        self._held_before_s = 0.0
        self.rests = RestLog()

    def pause(self, now: float, seconds: float, reason: str) -> None:
        """The host rests, and there is doubt about it. Where it does so already, that is no pause that begins."""
        if now >= self.paused_until:
            self.begun += 1
        self.paused_until = max(self.paused_until, now + seconds)
        self.hold(now, seconds, reason)

    def hold(self, now: float, seconds: float, reason: str) -> None:
        """Nothing is let out, with no doubt about the host."""
        if now + seconds > self._until:
            self._until, self._reason = now + seconds, reason
            self.rests.note(now, until=self._until, reason=reason)

    def hold_by_hand(self, now: float) -> None:
        if self._held_since is None:
            self._held_since = now

    def let_go(self, now: float) -> float:
        """End what `hold_by_hand` began; how many seconds it held, 0 where it did not."""
        if self._held_since is None:
            return 0.0
        held_s = now - self._held_since
        self._held_before_s += held_s
        self._held_since = None
        self.rests.cut(now)
        if self._until > now and self._reason is not None:  # what it rests for besides goes on
            self.rests.note(now, until=self._until, reason=self._reason)
        return held_s

    @property
    def is_held_by_hand(self) -> bool:
        return self._held_since is not None

    def held_s(self, now: float) -> float:
        """For how many seconds in all a person held it."""
        return self._held_before_s + (0.0 if self._held_since is None else now - self._held_since)

    def wait_s(self, now: float) -> float:
        """Seconds until something may be let out, 0 if it may now; infinite while that hangs on a person."""
        if self._held_since is not None:
            return math.inf
        return self._until - now if now < self._until else 0.0

    def told(self, now: float) -> tuple[float, str | None]:
        """How many seconds the host still rests, and why. While a person holds it, that is noted as a rest so far."""
        left_s = self._until - now
        if self._held_since is not None:
            self.rests.note(now, until=now + HELD_S, reason=PAUSED_BY_HAND)
            return max(left_s, HELD_S), PAUSED_BY_HAND
        return (left_s, self._reason) if left_s > 0 else (0.0, None)
