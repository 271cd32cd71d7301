"""What a host did lately, and when that is enough to give it up. Pure: told of events, with their times."""

from __future__ import annotations

import math

FIRST_CONTACT_S = 10.0
FIRST_CONTACT_FAILURES = 3
LEAST_FAILURES = 6
MOST_THROTTLE_PAUSES = 10


class HostHealth:
    """Counts since the host last served something. Served is whatever settles a request, a 404 too.

    A host is given up when its failures since then reach over `give_up_after_s` and are at least 6; one that
    never answered at all in this run, after 10 s and 3 of them. A 429 is neither served nor failed; more than
    10 pauses for it without anything served in between end it as well.
    """

    def __init__(self, give_up_after_s: float) -> None:
        self._give_up_after_s = give_up_after_s
        self._failing_since = math.inf
        self._last_failed_at = -math.inf
        self.failures = 0
        self.last_failure = ""
        self.trips = 0
        self.throttle_pauses = 0
        self.last_served_at = -math.inf
        self.has_answered = False

    def served(self, now: float) -> None:
        self.has_answered = True
        self.last_served_at = now
        if self.failures or self.throttle_pauses or self.trips:
            self._failing_since = math.inf
            self.failures = self.trips = self.throttle_pauses = 0

    def failed(self, *, started_at: float, now: float, what: str = "") -> None:
        """A request that started then has failed now, in any way that isn't a 429; `what` happened is kept."""
        self.last_failure = what or self.last_failure
        self._failing_since = min(self._failing_since, max(started_at, self.last_served_at))
        self._last_failed_at = now
        self.failures += 1

    def tripped(self) -> int:
        """The host rests for its failures, or for a 429 that names no time; returns how often it has in a row."""
        self.trips += 1
        return self.trips

    def throttled(self) -> None:
        """A pause for a 429 begins."""
        self.throttle_pauses += 1

    @property
    def has_failed_enough(self) -> bool:
        """Whether it has served nothing for so long that it is given up."""
        limit_s, least = self._limits()
        return self.failures >= least and self._last_failed_at - self._failing_since >= limit_s

    @property
    def has_throttled_enough(self) -> bool:
        return self.throttle_pauses > MOST_THROTTLE_PAUSES

    def is_given_up(self, now: float) -> bool:
        """Whether nothing should be sent: it failed enough, and did so lately, so that nothing speaks for another try."""
        return self.has_failed_enough and now - self._last_failed_at < self._give_up_after_s

    @property
    def failing_s(self) -> float:
        """How long it has been failing, up to its last failure."""
        return max(0.0, self._last_failed_at - self._failing_since) if self.failures else 0.0

    def shortened(self, wait_s: float, now: float) -> float:
        """`wait_s`, cut so that the try which may give the host up comes in time. Past that, at most a second."""
        limit_s, least = self._limits()
        if self.failures + 1 < least:
            return wait_s
        left_s = self._failing_since + limit_s - now
        return min(wait_s, left_s if left_s > 0 else 1.0)

    def _limits(self) -> tuple[float, int]:
        if self.has_answered:
            return self._give_up_after_s, LEAST_FAILURES
        return min(FIRST_CONTACT_S, self._give_up_after_s), FIRST_CONTACT_FAILURES
