"""The one gate of a host: whether a request may start now, for all reasons at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext

import anyio

from bulkmove.settings import Window
from bulkmove.transport.comeback import Comeback
from bulkmove.transport.knee import Knee
from bulkmove.transport.lately import Lately
from bulkmove.transport.lateness import Lateness
from bulkmove.transport.leaving import Leaving
from bulkmove.transport.meters import LONGEST_SPACED_S, Meter, meters_of, rate_per_s
from bulkmove.transport.pace import Pace
from bulkmove.transport.pauses import Pauses
from bulkmove.transport.refusals import Refusals
from bulkmove.transport.rests import RestLog
from bulkmove.transport.senders import senders_here
from bulkmove.transport.slot import Slot
from bulkmove.transport.waking import Sleeper
from bulkmove.transport.wire import Wire

USUAL_DELAY_WEIGHT = 0.1


class Gate:
    """Windows, concurrency, pace and pauses as one decision, first come first served.

    Whoever is first in the queue waits until all of them admit a request at the same moment, takes its part of
    each without an await in between, and makes room for the next. A second gate behind this one would be left
    by a herd.

    After a pause one request goes out alone, and more by and by (see `Comeback`), up to `concurrency`.

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
        self._lately, self._lateness = Lately(), Lateness()
        self._pace = Pace()
        self._share = 1.0
        self._refusals = Refusals(windows)
        self._turn = anyio.Lock(fast_acquire=True)
        self._waiting = 0
        self._has_line = False
        self._usual_delay_s = 0.0
        self._first = Sleeper()
        self._pauses = Pauses()
        self._comeback = Comeback(concurrency)
        self._leaving = Leaving()
        self.in_flight = 0
        self.granted = self._granted_before_whole = 0
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
    def rests(self) -> RestLog:
        """When it let nothing out, and why, for whoever takes them."""
        return self._pauses.rests

    @property
    def pauses(self) -> int:
        """How many pauses have begun. A slot with fewer was given before the last of them."""
        return self._pauses.begun

    @property
    def waiting(self) -> int:
        return self._waiting

    def paused(self) -> tuple[float, str | None]:
        """How many seconds the host still rests, and why."""
        return self._pauses.told(self._clock())

    def pause(self, seconds: float, reason: str) -> None:
        """Hold everyone for `seconds` from now. Of pauses that overlap, the one that ends last holds."""
        if seconds <= 0:
            return
        now = self._clock()
        self._pauses.pause(now, seconds, reason)
        self._pace.rest_until(self._pauses.paused_until)
        if self._knee is not None:
            self._knee.rest_until(now, self._pauses.paused_until)
        self._comeback.paused()

    def hold(self, seconds: float, reason: str) -> None:
        """Let nothing out for `seconds` from now, with no doubt about the host: all go on together afterwards."""
        self._pauses.hold(self._clock(), seconds, reason)

    def hold_by_hand(self) -> None:
        """Let nothing out until `let_go`."""
        self._pauses.hold_by_hand(self._clock())

    def let_go(self) -> float:
        """End what `hold_by_hand` began; how many seconds it held, 0 where it did not."""
        held_s = self._pauses.let_go(self._clock())
        self._first.rouse()
        return held_s

    @property
    def is_held_by_hand(self) -> bool:
        return self._pauses.is_held_by_hand

    @property
    def held_s(self) -> float:
        """For how many seconds in all the host was held by hand."""
        return self._pauses.held_s(self._clock())

    @property
    def is_left(self) -> bool:
        """The run has been ending for so long that what still fails is not tried again."""
        return self._leaving.is_over(self._clock())

    def leave(self) -> None:
        """The run ends: whoever waits while the host is held by hand, or would wait long, is sent away with LeftError."""
        self._leaving.begin(self._clock())
        self._first.rouse()

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
        self._refusals.set_windows(windows, granted=self.granted)
        self._pace, self._share = Pace(), 1.0
        self._granted_before_whole = self.granted
        if self._knee is not None:
            self._knee.limit(concurrency)
            self.seeking = None if windows else self._knee
        self._comeback.limit(concurrency)
        self._concurrency = self._most_in_flight = concurrency
        self._first.rouse()

    def lower(self, *, rest_s: float = math.inf) -> None:
        """The host answered 429, and is to rest for so long: let less out, and creep back to what is configured."""
        now = self._clock()
        if self.seeking is not None:
            self.seeking.throttled(now)
            return
        is_new_to_gaps = self._wire.refused(is_chance=self._refusals.is_chance(granted=self.granted))
        in_use = 1.0 if self.is_spaced else (self.in_flight + 1) / self._concurrency
        self._follow_pace(now)
        served = self.granted - self._granted_before_whole if self._share == 1.0 else 0
        if self._refusals.came_too_close(served=served, is_new_to_gaps=is_new_to_gaps):
            return
        is_rare, is_late = self._refusals.note(now, granted=self.granted, rest_s=rest_s)
        self._pace.lower(now, used=in_use, is_rare=is_rare, is_late=is_late)
        self._granted_before_whole = self.granted
        self._follow_pace(now)

    async def acquire(self) -> Slot:
        """Wait for a slot and take it; to be given back by `release`. Cancelled, it leaves none taken.

        Raises LeftError where the run ends and it would take long, and where those that the task sends for have left.
        """
        came_at, senders = self._clock(), senders_here()
        if senders is not None:
            senders.check()
        if self._waiting == 0 and self._wait_s(came_at) <= 0:
            return self._take(came_at)
        self._waiting += 1
        try:
            with nullcontext() if senders is None else senders.waiting():
                async with self._turn:
                    while (wait_s := self._wait_s(now := self._clock())) > 0:
                        self._leaving.send_away(
                            wait_s, now, came_at=came_at, is_held_by_hand=self.is_held_by_hand
                        )
                        await self._first.sleep(wait_s)
                    self._leaving.send_away(0.0, now, came_at=came_at, is_held_by_hand=False)
                    if senders is not None:
                        senders.check()
                    return self._take(now)
        finally:
            self._waiting -= 1

    async def turn(self, slot: Slot) -> None:
        """Wait until the slot's request, which is ready to be written, may be; to be followed by `sent` or `release`."""
        if not self._has_line and self._burst == 1:
            self._has_line = True
            for meter in self._meters:
                meter.stand_in_line()
        slot.turn_at = await self._wire.turn(since=slot.given_at)

    def sent(self, slot: Slot) -> None:
        """The slot's request is on the wire: its windows count from here, less the delay that all requests have."""
        if not slot.is_on_the_way:
            return
        slot.is_on_the_way = False
        slot.sent_at = now = self._clock()
        self._wire.sent(now, since=slot.given_at, turn_at=slot.turn_at)
        delay_s, usual_s = now - slot.given_at, self._usual_delay_s
        self._usual_delay_s = min(delay_s, usual_s + USUAL_DELAY_WEIGHT * (delay_s - usual_s))
        for entry in slot.entries:
            entry.sent(max(slot.given_at, now - usual_s))
        slot.entries = ()
        self._first.rouse()

    def answered(self, slot: Slot, kind: str, status: int | None) -> None:
        """The slot's request was answered, or failed (None). To be called before `release`."""
        now = self._clock()
        if self.seeking is not None:
            self.seeking.answered(kind, status, sent_at=slot.sent_at, now=now)
        elif status is not None and status < 400 and (late_s := self._lateness.of(kind, now - slot.sent_at)):
            self._wire.came_late(slot.sent_at, late_s)

    def release(self, slot: Slot) -> None:
        """Give a slot back, its request answered or failed or never sent. To be called once."""
        self.sent(slot)
        self.in_flight -= 1
        if slot.pauses == self._pauses.begun:
            self._comeback.give_back()
        self._first.rouse()

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

    def _wait_s(self, now: float) -> float:
        """Seconds until everything admits a request; infinite while that hangs on a `release` or a person."""
        if (rest_s := self._pauses.wait_s(now)) > 0:
            return rest_s
        if self._share < 1.0:
            self._follow_pace(now)
        if self.in_flight >= self._most_in_flight or self._comeback.is_full:
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
        self._comeback.take()
        self.granted += 1
        if self.seeking is not None:
            self.seeking.take(now, in_flight=self.in_flight)
        return Slot(self._pauses.begun, now, tuple(entry for entry in taken if entry))
