"""What a window admits, and when it will admit more; less of it for a host that answered 429.

Every window has a log of what was let out, which alone keeps its promise: in any half-open interval of its
length at most `count` requests start, with about 1 % to spare for requests that overtake each other on their
way. A short window also has slots, `period / count` apart, so that its requests go out evenly. A long one has
none: a short migration need not be slowed to the daily average. For the same reason only the short ones follow the
host's pace: a full day stretched to ten would be a stop of hours for one 429.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Protocol

from aiolimiter import AsyncLimiter

from bulkmove.settings import Window
from bulkmove.transport.spent import SHORTEST_KEPT_S

LONGEST_SPACED_S = 60.0
# Slots that are further apart are kept one by one, by the line before the wire: what a busy event loop is late costs less
# than a hundredth there. Of closer ones, late ones are made up for; a host that allows no burst at all refuses the first
# that comes too close, and from then on each gap is kept there, too.
SHORTEST_EXACT_S = 0.2
LONG_WINDOW_GRAINS = 240
SHORT_WINDOW_GRAINS = 10_000
MARGIN = 0.01
LEAST_MARGIN_S = 0.005
MOST_MARGIN_S = 0.2

# A timer of an event loop is up to 1 ms late: at 1,000/s that is a whole slot, which must not be lost.
LATE_CREDIT_S = 0.005
# Slots lie a little closer than the log lets them follow each other, so that a late one is made up for.
CLOSER = 1.05
WAIT_PRECISION_S = 0.0005


class Meter(Protocol):
    """Part of one decision: asked for its wait first, and told only when all parts admitted."""

    def wait_s(self, now: float) -> float:
        """Seconds until one more request is admitted, 0 if it is now; infinite while that hangs on a send."""
        ...

    def take(self, now: float) -> Entry | None:
        """One request is let out now. To be called only when `wait_s(now)` is 0."""
        ...

    def follow(self, share: float) -> None:
        """Admit this share of the rate from now on, at most 1."""
        ...

    def remember(self, at: float, count: int) -> None:
        """So many went out by then, in a run before this one. To be called in the order of time, before anything else."""
        ...

    def stand_in_line(self) -> None:
        """What is let out waits before the wire, where short windows are kept (see `Wire`): one more may set out."""
        ...


class Entry:
    """Requests that were let out close together: when the first, when the last went on the wire, how many still have not."""

    __slots__ = ("count", "first", "last", "unsent")

    def __init__(self, now: float) -> None:
        self.first = now
        self.last = now
        self.count = 1
        self.unsent = 1

    def sent(self, at: float) -> None:
        self.unsent -= 1
        self.last = max(self.last, at)


def _on_wire_at(entry: Entry) -> float:
    return math.inf if entry.unsent else entry.last


class Slots:
    """Slots spaced evenly, of which `burst` may be used together after a rest.

    The meter is aiolimiter's leaky bucket, `burst` and a few milliseconds high, so that a late wake-up is not
    lost: the next slot comes as much sooner. That such a bucket lets more than its rate through in its first
    period does no harm, as the log stands beside it.
    """

    def __init__(self, window: Window, burst: int, *, is_used_up: bool = False) -> None:
        """`is_used_up`: the first slot comes after a whole gap, as behind a request."""
        self._rate_per_s = CLOSER * window.count / window.period_s
        self._burst = burst
        self.follow(1.0)
        if is_used_up:
            self._fill(self._limiter.max_rate)

    def wait_s(self, now: float) -> float:
        del now  # aiolimiter reads the clock of the event loop
        if self._limiter.has_capacity():
            return 0.0
        # aiolimiter tells only whether an amount fits: halve until the missing part of a slot is known.
        fits, too_much = 0.0, 1.0
        while (too_much - fits) * self._spacing_s > WAIT_PRECISION_S:
            middle = (fits + too_much) / 2
            if self._limiter.has_capacity(middle):
                fits = middle
            else:
                too_much = middle
        return (1 - fits) * self._spacing_s

    def take(self, now: float) -> None:
        del now
        self._fill(1)

    def _fill(self, amount: float) -> None:
        # With room for it `acquire` doesn't suspend: driven by hand, nothing can come between asking and taking.
        taking = self._limiter.acquire(amount)
        try:
            taking.send(None)
        except StopIteration:
            return
        taking.close()
        raise RuntimeError("a slot was taken that was not admitted")

    def stand_in_line(self) -> None:
        """It is the log that counts what is on its way."""

    def follow(self, share: float) -> None:
        # A new bucket is empty: one request more at each step of the pace, which the log still counts.
        rate_per_s = share * self._rate_per_s
        height = self._burst + LATE_CREDIT_S * rate_per_s
        self._spacing_s = 1 / rate_per_s
        self._limiter = AsyncLimiter(height, height / rate_per_s)

    def remember(self, at: float, count: int) -> None:
        """The log alone sets the rate in the long run."""


class SlidingLog:
    """When requests were let out and went on the wire. Those within one grain share an entry, and count as its last.

    What is not on the wire yet could arrive at any time, so it counts until it is: a request that has to
    connect first arrives late, and the first one that needn't is close behind it.
    """

    def __init__(self, *, count: int, span_s: float, grain_s: float, is_spaced: bool = True) -> None:
        self._count = count
        self._whole_span_s = self._span_s = span_s
        self._grain_s = grain_s
        self._is_spaced = is_spaced
        self._spare = 0
        self._entries: deque[Entry] = deque()
        self._open: Entry | None = None
        self._total = 0

    def wait_s(self, now: float) -> float:
        entries = self._entries
        # The same sum as below: by another, rounding could make the wait 0 while the entry still counts.
        while entries and not entries[0].unsent and entries[0].last + self._span_s - now <= 0:
            self._total -= entries.popleft().count
        if self._total < self._count + self._spare:
            return 0.0
        if self._put_late_ones_back():
            return self.wait_s(now)
        oldest = entries[0]
        return math.inf if oldest.unsent else oldest.last + self._span_s - now

    def _put_late_ones_back(self) -> bool:
        """What went on the wire after others that were let out later leaves after them, and must not hold them up.

        Nor must those that still hang on their way, however many they are.
        """
        first = _on_wire_at(self._entries[0])
        if all(first <= _on_wire_at(entry) for entry in self._entries):
            return False
        self._entries = deque(sorted(self._entries, key=_on_wire_at))
        return True

    def take(self, now: float) -> Entry:
        self._total += 1
        entry = self._open
        if entry is not None and now - entry.first < self._grain_s:
            entry.last = max(entry.last, now)
            entry.count += 1
            entry.unsent += 1
        else:
            self._open = entry = Entry(now)
            self._entries.append(entry)
        return entry

    def carry_over(self, entries: Iterable[Entry], now: float) -> None:
        """What was let out before this log began, in the order of time; each is still told of its sending."""
        for entry in entries:
            if entry.unsent or entry.last + self._span_s > now:
                self._entries.append(entry)
                self._total += entry.count

    def stand_in_line(self) -> None:
        if self._is_spaced:
            self._spare = 1

    def follow(self, share: float) -> None:
        if self._is_spaced:
            self._span_s = self._whole_span_s / share

    def remember(self, at: float, count: int) -> None:
        if self._span_s >= SHORTEST_KEPT_S:
            entry = Entry(at)
            entry.count, entry.unsent = count, 0
            self._entries.append(entry)
            self._total += count


def margin_s(period_s: float) -> float:
    return min(max(MARGIN * period_s, LEAST_MARGIN_S), MOST_MARGIN_S)


def meters_of(
    windows: Sequence[Window], burst: int, *, before: Sequence[Entry] = (), now: float = 0.0
) -> tuple[Meter, ...]:
    """The parts of the decision whether a request may start, for all windows at once.

    `before`: what was let out before they held, which counts for them all the same.
    """
    meters: list[Meter] = []
    for window in windows:
        is_spaced = window.period_s <= LONGEST_SPACED_S
        grains = SHORT_WINDOW_GRAINS if is_spaced else LONG_WINDOW_GRAINS
        log = SlidingLog(
            count=window.count,
            span_s=window.period_s + margin_s(window.period_s),
            grain_s=window.period_s / grains,
            is_spaced=is_spaced,
        )
        log.carry_over(before, now)
        meters.append(log)
        if is_spaced and (burst > 1 or window.period_s < SHORTEST_EXACT_S * window.count):
            meters.append(Slots(window, max(1, min(burst, window.count)), is_used_up=bool(before)))
    return tuple(meters)


def rate_per_s(windows: Sequence[Window]) -> float | None:
    """The rate that can be used now: of the tightest short window, or of the tightest long one where only those are."""
    rates = [window.count / window.period_s for window in windows if window.period_s <= LONGEST_SPACED_S]
    rates = rates or [window.count / window.period_s for window in windows]
    return min(rates, default=None)
