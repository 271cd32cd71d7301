"""The one gate of a host: whether a request may start now, for all reasons at once."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable, Sequence

import anyio

from bulkmove.events import PAUSED_BY_HAND
from bulkmove.settings import Window
from bulkmove.transport.knee import Knee
from bulkmove.transport.lately import Lately
from bulkmove.transport.meters import LONGEST_SPACED_S, Entry, Meter, meters_of, rate_per_s
from bulkmove.transport.pace import Pace
from bulkmove.transport.rests import RestLog
from bulkmove.transport.wire import Wire

# Timers of event loops count in milliseconds; asking for less only spins.
LEAST_WAIT_S = 0.001
USUAL_DELAY_WEIGHT = 0.1


# What is told of a host that somebody paused: for how long at least.
HELD_S = 1.0


# Whoever would wait longer for a slot while the run ends is sent away: nothing of it is in flight. For so long what fails
# is still tried again.
LONGEST_AT_END_S = 5.0


class LeftError(Exception):
    """The run ends, and nobody is to wait for the host any longer. Its text says why it was waited for."""


class Slot:
    """Leave to send one request; to be given back by `Gate.release`. `pauses` had begun when it was given."""

    __slots__ = ("entries", "given_at", "had_turn", "is_on_the_way", "pauses", "sent_at")

    def __init__(self, pauses: int, given_at: float, entries: tuple[Entry, ...]) -> None:
        self.pauses = pauses
        self.given_at = self.sent_at = given_at
        self.entries = entries
        self.is_on_the_way = True
        self.had_turn = False


class Gate:
    """Windows, concurrency, pace and pauses as one decision, first come first served.

    Whoever is first in the queue waits until all of them admit a request at the same moment, takes its part of
    each without an await in between, and makes room for the next. A second gate behind this one would be left
    by a herd.

    After a pause one request goes out alone, and each that comes back lets one more out beside its own
    successor, up to `concurrency`: a host that comes back is met by one request, not by all that waited.

    After a 429 the windows of up to a minute admit a share of their rate (see `Pace`); where there are none, it is
    the concurrency that is lowered. Where a `knee` is given, rate and concurrency are looked for while no windows hold.
    """

    def __init__(
        self,
        windows: Sequence[Window],
        *,
        burst: int,
        concurrency: int,
        clock: Callable[[], float],
        knee: Knee | None = None,
    ) -> None:
        self._clock = clock
        self._knee = knee
        self.seeking = None if windows else knee
        self._concurrency = self._most_in_flight = concurrency
        self._burst = burst
        self._meters: tuple[Meter, ...] = meters_of(windows, burst)
        self._wire = Wire(windows, burst=burst, clock=clock)
        self._lately = Lately()
        self._pace = Pace()
        self._share = 1.0
        self._turn = anyio.Lock(fast_acquire=True)
        self._waiting = 0
        self._has_line = False
        self._usual_delay_s = 0.0
        self._wake: asyncio.Future[None] | None = None
        self._paused_until = -math.inf
        self._held_until = -math.inf
        self._reason: str | None = None
        self._held_since: float | None = None
        self._held_before_s = 0.0
        self._left_at: float | None = None
        self._pauses = 0
        self._recent_in_flight = 0
        self._recent_most = concurrency
        self.in_flight = 0
        self.granted = self._granted_before_whole = 0
        self.rests = RestLog()
        self.peak = 0  # most in flight since somebody set it back
        self.is_spaced = any(window.period_s <= LONGEST_SPACED_S for window in windows)
        self._rate_per_s = rate_per_s(windows)

    @property
    def rate_per_s(self) -> float | None:
        """The rate that can be used now; None if there is no limit."""
        if self.seeking is not None:
            return self.seeking.rate_per_s
        if self._rate_per_s is None or not self.is_spaced or self._share == 1.0:
            return self._rate_per_s
        self._follow_pace(self._clock())
        return self._rate_per_s * self._share

    def remember(self, spent: Iterable[tuple[float, int]]) -> None:
        """What an earlier run let out, by the clock, the oldest first. To be called before the first `acquire`."""
        for at, count in spent:
            self._lately.remember(at, count)
            for meter in self._meters:
                meter.remember(at, count)

    @property
    def pauses(self) -> int:
        """How many pauses have begun. A slot with fewer was given before the last of them."""
        return self._pauses

    @property
    def waiting(self) -> int:
        return self._waiting

    def paused(self) -> tuple[float, str | None]:
        """How many seconds the host still rests, and why."""
        left_s = max(self._paused_until, self._held_until) - self._clock()
        if self._held_since is not None:
            now = self._clock()
            self.rests.note(now, until=now + HELD_S, reason=PAUSED_BY_HAND)
            return max(left_s, HELD_S), PAUSED_BY_HAND
        return (left_s, self._reason) if left_s > 0 else (0.0, None)

    def pause(self, seconds: float, reason: str) -> None:
        """Hold everyone for `seconds` from now. Of pauses that overlap, the one that ends last holds."""
        if seconds <= 0:
            return
        now = self._clock()
        if now >= self._paused_until:
            self._pauses += 1
        if now + seconds > max(self._paused_until, self._held_until):
            self._reason = reason
            self.rests.note(now, until=now + seconds, reason=reason)
        self._paused_until = max(self._paused_until, now + seconds)
        self._pace.rest_until(self._paused_until)
        if self._knee is not None:
            self._knee.rest_until(now, self._paused_until)
        self._recent_in_flight = 0
        self._recent_most = 1

    def hold(self, seconds: float, reason: str) -> None:
        """Let nothing out for `seconds` from now, with no doubt about the host: all go on together afterwards."""
        now = self._clock()
        until = now + seconds
        if until > max(self._paused_until, self._held_until):
            self._reason = reason
            self.rests.note(now, until=until, reason=reason)
        self._held_until = max(self._held_until, until)

    def hold_by_hand(self) -> None:
        """Let nothing out until `let_go`."""
        if self._held_since is None:
            self._held_since = self._clock()

    def let_go(self) -> float:
        """End what `hold_by_hand` began; how many seconds it held, 0 where it did not."""
        if self._held_since is None:
            return 0.0
        held_s = self._clock() - self._held_since
        self._held_before_s += held_s
        self._held_since = None
        self.rests.cut(self._clock())
        self._rouse()
        return held_s

    @property
    def is_held_by_hand(self) -> bool:
        return self._held_since is not None

    @property
    def held_s(self) -> float:
        """For how many seconds in all the host was held by hand."""
        now_s = 0.0 if self._held_since is None else self._clock() - self._held_since
        return self._held_before_s + now_s

    @property
    def is_left(self) -> bool:
        """The run has been ending for so long that what still fails is not tried again."""
        return self._left_at is not None and self._clock() - self._left_at >= LONGEST_AT_END_S

    def leave(self) -> None:
        """The run ends: whoever waits while the host is held by hand, or would wait long, is sent away with LeftError."""
        self._left_at = self._clock()
        self._rouse()

    def set_limits(self, windows: Sequence[Window], *, concurrency: int) -> None:
        """Let out no more, and no less, than this from now on; what was let out before counts.

        A pace that was lowered starts anew: it was a share of other limits.
        """
        now = self._clock()
        before = self._lately.entries(now)
        self._meters = meters_of(windows, self._burst, before=before, now=now)
        self._wire.set_windows(windows, burst=self._burst)
        self._wire.follow(1.0)
        self._has_line = False
        self.is_spaced = any(window.period_s <= LONGEST_SPACED_S for window in windows)
        self._rate_per_s = rate_per_s(windows)
        self._pace, self._share = Pace(), 1.0
        if self._knee is not None:
            self._knee.limit(concurrency)
            self.seeking = None if windows else self._knee
        if self._recent_most >= self._concurrency:
            self._recent_most = concurrency
        self._recent_most = min(self._recent_most, concurrency)
        self._concurrency = self._most_in_flight = concurrency
        self._rouse()

    def lower(self) -> None:
        """The host answered 429: let less out, and creep back to what is configured."""
        now = self._clock()
        if self.seeking is not None:
            self.seeking.throttled(now)
            return
        in_use = 1.0 if self.is_spaced else (self.in_flight + 1) / self._concurrency
        self._follow_pace(now)
        served = self.granted - self._granted_before_whole if self._share == 1.0 else 0
        self._pace.lower(now, used=in_use, served=served)
        self._granted_before_whole = self.granted
        self._follow_pace(now)
        self._wire.refused()

    async def acquire(self) -> Slot:
        """Wait for a slot and take it; to be given back by `release`. Cancelled, it leaves none taken.

        Raises LeftError where the run ends and the host lets nothing out for long.
        """
        if self._waiting == 0:
            now = self._clock()
            if self._wait_s(now) <= 0:
                return self._take(now)
        self._waiting += 1
        try:
            async with self._turn:
                while (wait_s := self._wait_s(now := self._clock())) > 0:
                    self._send_away(wait_s)
                    await self._wait_for_change(wait_s)
                return self._take(now)
        finally:
            self._waiting -= 1

    async def turn(self, slot: Slot) -> None:
        """Wait until the slot's request, which is ready to be written, may be; to be followed by `sent` or `release`."""
        if not self._has_line and self._burst == 1:
            self._has_line = True
            for meter in self._meters:
                meter.stand_in_line()
        await self._wire.turn(since=slot.given_at)
        slot.had_turn = True

    def sent(self, slot: Slot) -> None:
        """The slot's request is on the wire: its windows count from here, less the delay that all requests have."""
        if not slot.is_on_the_way:
            return
        slot.is_on_the_way = False
        slot.sent_at = now = self._clock()
        self._wire.sent(now, since=slot.given_at, had_turn=slot.had_turn)
        delay_s, usual_s = now - slot.given_at, self._usual_delay_s
        self._usual_delay_s = min(delay_s, usual_s + USUAL_DELAY_WEIGHT * (delay_s - usual_s))
        for entry in slot.entries:
            entry.sent(max(slot.given_at, now - usual_s))
        slot.entries = ()
        self._rouse()

    def answered(self, slot: Slot, kind: str, status: int | None) -> None:
        """The slot's request was answered, or failed (None). To be called before `release`, by whoever sees `seeking`."""
        if self.seeking is not None:
            self.seeking.answered(kind, status, sent_at=slot.sent_at, now=self._clock())

    def release(self, slot: Slot) -> None:
        """Give a slot back, its request answered or failed or never sent. To be called once."""
        self.sent(slot)
        self.in_flight -= 1
        if slot.pauses == self._pauses and self._recent_in_flight > 0:
            self._recent_in_flight -= 1
            if self._recent_most < self._concurrency and self._clock() >= self._paused_until:
                self._recent_most += 1
        self._rouse()

    def _send_away(self, wait_s: float) -> None:
        if self._left_at is None:
            return
        if self.is_held_by_hand:
            raise LeftError(f"is {PAUSED_BY_HAND}")
        if LONGEST_AT_END_S < wait_s < math.inf:
            raise LeftError(f"takes no request for {wait_s:.0f} s")

    def _follow_pace(self, now: float) -> None:
        share = self._pace.share(now)
        if share == self._share:
            return
        self._share = share
        self._granted_before_whole = self.granted
        if self.is_spaced:
            for meter in self._meters:
                meter.follow(share)
            self._wire.follow(share)
        else:
            self._most_in_flight = max(1, int(self._concurrency * share))

    def _rouse(self) -> None:
        """Let the first in the queue look again."""
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def _wait_s(self, now: float) -> float:
        """Seconds until everything admits a request; infinite while that hangs on a `release` or a person."""
        if self._held_since is not None:
            return math.inf
        if now < self._paused_until or now < self._held_until:
            return max(self._paused_until, self._held_until) - now
        if self._share < 1.0:
            self._follow_pace(now)
        if self.in_flight >= self._most_in_flight or self._recent_in_flight >= self._recent_most:
            return math.inf
        longest_s = self._wire.wait_s(now)
        if self.seeking is not None:
            if self.in_flight >= self.seeking.room:
                return math.inf
            longest_s = max(longest_s, self.seeking.wait_s(now))
        for meter in self._meters:
            longest_s = max(longest_s, meter.wait_s(now))
        return longest_s

    def _take(self, now: float) -> Slot:
        self._wire.set_off(now)
        taken = [self._lately.take(now), *(meter.take(now) for meter in self._meters)]
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        self._recent_in_flight += 1
        self.granted += 1
        if self.seeking is not None:
            self.seeking.take(now, in_flight=self.in_flight)
        return Slot(self._pauses, now, tuple(entry for entry in taken if entry))

    async def _wait_for_change(self, wait_s: float) -> None:
        loop = asyncio.get_running_loop()
        self._wake = loop.create_future()
        timer = loop.call_later(max(wait_s, LEAST_WAIT_S), _settle, self._wake) if wait_s < math.inf else None
        try:
            await self._wake
        finally:
            self._wake = None
            if timer is not None:
                timer.cancel()


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
