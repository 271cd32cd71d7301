"""Rate and room of a host together, as its gate asks for them; what was found, in words."""

from __future__ import annotations

import math
import re
from typing import Literal, NamedTuple

from bulkmove.model import Request
from bulkmove.transport.knee.rate import RateSearch
from bulkmove.transport.knee.room import FLAT, RoomSearch

THROTTLED = 429
UNAVAILABLE = 503
LOWERED_TO = 0.8
UNAVAILABLE_PROBE_S = 120.0
_FROM_FAILURE = 500
_WITH_DIGITS = re.compile(r"[^/]*[0-9][^/]*")
_LEAST_WHOLE_PER_S = 5.0


class Found(NamedTuple):
    """What a host was found to take. `told_by` is None where it took all that was asked of it.

    `refusals`: how often it answered 429 although it was another thing that held it at `per_s`: it takes less than that.
    """

    per_s: float
    at_once: int
    told_by: Literal["429", "latency"] | None
    refusals: int = 0

    @property
    def rate(self) -> str:
        """As it is written into a configuration, rounded down."""
        if self.per_s >= _LEAST_WHOLE_PER_S:
            return f"{math.floor(self.per_s)}/s"
        return f"{max(1, math.floor(60 * self.per_s))}/min"


class Knee:
    """Told of each request that goes out and each answer. `most_at_once`: the concurrency that is never exceeded."""

    def __init__(self, *, most_at_once: int, most_per_s: float = math.inf) -> None:
        self._rate = RateSearch(most_per_s=most_per_s)
        self._room = RoomSearch(most_at_once)
        self._lowered_at = -math.inf
        self._has_served = False
        self._at_once = 1
        self._refusals = 0

    @property
    def rate_per_s(self) -> float:
        """The rate that can be used now: where the room holds it up, what that comes to."""
        rate = self._rate
        return rate.used if self._room.is_full and rate.used is not None else rate.rate

    @property
    def room(self) -> int:
        return self._room.room

    def wait_s(self, now: float) -> float:
        """Seconds until the next request may go, by the rate; the room is the gate's to count."""
        return self._rate.wait_s(now)

    def take(self, now: float, *, in_flight: int) -> None:
        self._rate.take(now)
        self._room.take(in_flight)

    def answered(self, kind: str, status: int | None, *, sent_at: float, now: float) -> None:
        """`status`: None where no answer came. A 429 tells nothing of how long work takes, and `throttled` of it."""
        if status == THROTTLED:
            return
        if status == UNAVAILABLE:
            self._overloaded(now)
            return
        if status is None or status >= _FROM_FAILURE:
            # A time-out took at least so long; what failed at once tells nothing.
            if now - sent_at > self._room.latency_s > 0:
                self._room.answered(kind, sent_at=sent_at, now=now)
            return
        self._has_served = True
        room = self._room
        room.answered(kind, sent_at=sent_at, now=now)
        if self._rate.look(
            now, latency_s=room.latency_s, may_rise=room.load <= FLAT, is_held_up=room.is_full
        ):
            self._at_once = room.room if room.is_full else max(1, math.ceil(room.in_use))

    def throttled(self, now: float) -> None:
        """The host answered 429: told once of those that meet one limit together."""
        self._refusals += self._room.is_full
        self._rate.throttled(now)

    def rest_until(self, now: float, moment: float) -> None:
        """The host rests from now to then."""
        self._rate.rest_until(now, moment)
        self._room.rest_until(moment)

    def limit(self, most_at_once: int) -> None:
        self._room.limit(most_at_once)

    def found(self) -> Found | None:
        """None before it was ever used to the full."""
        rate, room = self._rate, self._room
        if rate.used is None:
            return None
        at_once = min(self._at_once, room.most)
        if rate.is_found and rate.good and not room.is_full:
            return Found(min(rate.rate, rate.good, rate.used), at_once, "429")
        # Held up by the room, it never found where the 429s begin: a limit by the minute lies below what it works on.
        return Found(rate.used, at_once, "latency" if room.is_found else None, self._refusals)

    def _overloaded(self, now: float) -> None:
        """A 503 beside answers that are served is a limit in other words; those in flight together meet it together."""
        if now - self._lowered_at <= max(1.0, 2 * self._room.latency_s):
            return
        self._lowered_at = now
        if self._room.is_full:
            self._room.overloaded(now)
        elif self._has_served:
            # Which is what becomes of a write is open after it: it is seldom tried whether there is more by now.
            self._rate.throttled(now, probe_after_s=UNAVAILABLE_PROBE_S)
        else:
            self._rate.lower(now, LOWERED_TO)
        self._has_served = False


def kind_of(request: Request) -> str:
    """What tells requests apart that take their host different times: the method, and the path without its ids."""
    return f"{request.method} {_WITH_DIGITS.sub('#', request.path)}"
