"""What a host did lately, and when that is enough to give it up. Pure: told of events, with their times."""

from __future__ import annotations

import math

FIRST_CONTACT_S = 10.0
FIRST_CONTACT_FAILURES = 3
LEAST_FAILURES = 6
MOST_THROTTLE_PAUSES = 10
MOST_SUSPECTS = 1000
# However short `give_up_after_s` is: those who wait their turn shall find the host given up.
LEAST_MEMORY_S = 10.0


class Streak:
    """Failures in a row: how many, from when to when, and how often the host rested for them."""

    __slots__ = ("failures", "last_at", "since", "trips")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.since = math.inf
        self.last_at = -math.inf
        self.failures = self.trips = 0

    def add(self, *, since: float, now: float) -> None:
        self.since = min(self.since, since)
        self.last_at = now
        self.failures += 1

    def rested(self, seconds: float) -> None:
        self.since += seconds
        self.last_at += seconds

    @property
    def lasted_s(self) -> float:
        return max(0.0, self.last_at - self.since) if self.failures else 0.0


class HostHealth:
    """Counts since the host last served something. Served is whatever settles a request, a 404 too.

    A host is given up when its failures since then reach over `give_up_after_s` and are at least 6; one that
    never answered at all in this run, after 10 s and 3 of them. A 429 is neither served nor failed; more than
    10 pauses for it without anything served in between end it as well.

    Writes have a streak of their own, which only a write ends: a host that shows its lists and fails on whatever
    changes them is given up for writes. It does not count writes that failed before the last one was served: a few
    bad records, tried again at the end, say nothing of their host.
    """

    def __init__(self, give_up_after_s: float) -> None:
        self._give_up_after_s = give_up_after_s
        self._streak = Streak()
        self._writes = Streak()
        self._failing_writes: set[int] = set()
        self._suspects: dict[int, None] = {}
        self.last_failure = ""
        self.throttle_pauses = 0
        self.last_served_at = -math.inf
        self._last_write_served_at = -math.inf
        self.has_answered = False

    def served(self, now: float, *, is_write: bool = False) -> None:
        self.has_answered = True
        self.last_served_at = now
        self.throttle_pauses = 0
        self._streak.clear()
        if is_write:
            self._last_write_served_at = now
            self._writes.clear()
            if self._failing_writes:
                self._suspects.update(dict.fromkeys(self._failing_writes))
                self._failing_writes.clear()
                while len(self._suspects) > MOST_SUSPECTS:
                    del self._suspects[next(iter(self._suspects))]

    def failed(self, *, started_at: float, now: float, what: str = "", write: int | None = None) -> None:
        """A request that started then has failed now, in any way that isn't a 429; `what` happened is kept.

        `write`: what tells this write from others, None for a reading.
        """
        self.last_failure = what or self.last_failure
        self._streak.add(since=max(started_at, self.last_served_at), now=now)
        if write is not None and write not in self._suspects:
            self._failing_writes.add(write)
            self._writes.add(since=max(started_at, self._last_write_served_at), now=now)

    def tripped(self) -> int:
        """The host rests for its failures, or for a 429 that names no time; returns how often it has in a row."""
        self._streak.trips += 1
        if self._fails_several_writes:
            self._writes.trips += 1
        return max(self._streak.trips, self._writes.trips)

    def rested(self, seconds: float) -> None:
        """A person held the host for so long: the time counts for no failure."""
        self._streak.rested(seconds)
        self._writes.rested(seconds)

    def throttled(self) -> None:
        """A pause for a 429 begins."""
        self.throttle_pauses += 1

    @property
    def failures(self) -> int:
        """Of any kind, in a row."""
        return self._streak.failures

    @property
    def is_failing(self) -> bool:
        """Whether it failed again with nothing served in between, or failed different writes with none served."""
        return self._streak.failures > 1 or self._fails_several_writes

    def has_failed_enough(self, *, is_write: bool = False) -> bool:
        """Whether it has served nothing, or nothing of this kind, for so long that it is given up."""
        return any(self._is_enough(streak) for streak in self._streaks(is_write=is_write))

    @property
    def has_throttled_enough(self) -> bool:
        return self.throttle_pauses > MOST_THROTTLE_PAUSES

    @property
    def fails_writes_alone(self) -> bool:
        """Whether it is given up for writes, and serves readings."""
        return self._is_enough(self._writes) and not self._is_enough(self._streak)

    def is_given_up(self, now: float, *, is_write: bool = False) -> bool:
        """Whether nothing should be sent: it failed enough, and did so lately, so that nothing speaks for another try."""
        memory_s = max(self._give_up_after_s, LEAST_MEMORY_S)
        return any(
            self._is_enough(streak) and now - streak.last_at < memory_s
            for streak in self._streaks(is_write=is_write)
        )

    @property
    def failing_s(self) -> float:
        """How long it has been failing, up to its last failure."""
        return self._streak.lasted_s

    @property
    def failing_writes(self) -> tuple[int, float]:
        """How often writes failed in a row, and over how many seconds."""
        return self._writes.failures, self._writes.lasted_s

    @property
    def _fails_several_writes(self) -> bool:
        return len(self._failing_writes) > 1

    def shortened(self, wait_s: float, now: float, *, is_write: bool = False) -> float:
        """`wait_s`, cut so that the try which may give the host up comes in time. Past that, at most a second.

        It is cut to a part of the time, too, so that there are enough tries in it.
        """
        limit_s, least = self._limits()
        wait_s = min(wait_s, max(1.0, limit_s / 4))
        for streak in self._streaks(is_write=is_write):
            if streak.failures + 1 >= least:
                left_s = streak.since + limit_s - now
                wait_s = min(wait_s, left_s if left_s > 0 else 1.0)
        return wait_s

    def _streaks(self, *, is_write: bool) -> tuple[Streak, ...]:
        return (self._streak, self._writes) if is_write else (self._streak,)

    def _is_enough(self, streak: Streak) -> bool:
        limit_s, least = self._limits()
        return streak.failures >= least and streak.last_at - streak.since >= limit_s

    def _limits(self) -> tuple[float, int]:
        if self.has_answered:
            return self._give_up_after_s, LEAST_FAILURES
        return min(FIRST_CONTACT_S, self._give_up_after_s), FIRST_CONTACT_FAILURES
