"""When requests go on the wire: never closer than the host's limits count, whatever held them up on the way there.

A slot of the gate lets a request set out. Before it arrives where the host counts it may have to connect, or wait for
its turn on a busy event loop; of two that set out one gap apart the second can be close behind the first. Servers that
allow no burst (nginx's `limit_req`, for one) refuse it then. So requests that are ready to be written wait in line
here for the rest of their gap, which begins when the one before them is known to be written.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Sequence

import anyio

from bulkmove.settings import Window
from bulkmove.transport.meters import LONGEST_SPACED_S, SHORTEST_EXACT_S, margin_s

# Beyond the bare gap, where gaps are kept: by so much more may one request be held up on its way than the next. Where
# they are not, the windows' margin grows as this does.
GUARD, MOST_GUARD_S = 0.01, 0.005
# Twice as much after each refusal, up to here: nginx counts whole milliseconds, which is a gap of 20/s to 2 %. Half
# as much again after so long without one.
MOST_GUARD, GUARD_KEPT_S = 0.04, 300.0
# The first ones after a rest connect, and meet everything cold: they keep further apart.
FRESH_REQUESTS, FRESH_GUARD, REST_S = 20, 0.08, 2.0
# Requests set out a little early, so that a late timer costs nothing: here they wait to the very moment.
EARLY_S = 0.0015
MOST_LEAD_S = 0.05
LEAD_KEPT = 0.9
WAY_WEIGHT = 0.1
LEAST_WAIT_S = 1e-6
LATE_S = 0.005
# A connection is idle while its request waits in line, and hosts drop idle ones.
LONGEST_IN_LINE_S = 0.25
# A timer of uvloop counts in whole milliseconds, and one of less than half is no timer: the last stretch is spent
# looking at the clock.
SPIN_S = 0.002
SPIN_STEP_S = 0.0004


class Wire:
    """The line before the wire. Moments are those of the clock that it is asked with."""

    def __init__(self, windows: Sequence[Window], *, burst: int, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._line = anyio.Lock(fast_acquire=True)
        self._wake: asyncio.Future[None] | None = None
        self._moments: deque[float] = deque()
        self._last = self._set_out = -math.inf
        # What the way to the wire takes, and how far ahead of their turn requests set out.
        self._usual_s = self._lead_s = 0.0
        self._on_the_way = 0
        self._waiting = 0
        self._is_writing = False
        self._is_strict = False
        self._guard, self._refused_at = GUARD, -math.inf
        self._fresh = FRESH_REQUESTS
        self._share = 1.0
        self._spans: list[tuple[int, float]] = []
        self._gap_s = 0.0
        self._former: tuple[Sequence[tuple[int, float]], float] = (), 0.0
        self._keeping_former = 0
        self.set_windows(windows, burst=burst)

    def set_windows(self, windows: Sequence[Window], *, burst: int) -> None:
        """What sets out from now on keeps these; what was written before counts.

        What has set out already keeps those that let it: it has a slot, and would time out in a line of minutes.
        """
        if not self._keeping_former:
            self._former = self._spans, self._gap_s
        self._keeping_former = self._on_the_way
        self._windows = tuple(window for window in windows if window.period_s <= LONGEST_SPACED_S)
        self._burst = burst
        most = max((window.count for window in self._windows), default=0)
        if self._keeping_former:
            most = max(most, self._moments.maxlen or 0)
        self._moments = deque(self._moments, maxlen=most)
        self._reckon()

    def follow(self, share: float) -> None:
        """Keep this share of the rate."""
        self._share = share
        self._reckon()

    def refused(self, *, is_chance: bool = False) -> bool:
        """The host refused something: from now on no two go closer than a gap, whatever the rate. Whether that is new.

        Where it is not, gaps get a little longer. `is_chance`: it can't be that gaps are counted, since so many were
        served before without; one was held up on its way for longer than the windows' margin, which gets larger, twice.
        """
        was_kept = self._gap_s > 0
        self._is_strict |= not is_chance or self._guard >= MOST_GUARD
        if was_kept or is_chance:
            self._guard = min(MOST_GUARD, 2 * self._guard)
        self._refused_at = self._clock()
        self._reckon()
        return self._gap_s > 0 and not was_kept

    def wait_s(self, now: float) -> float:
        """Seconds until the next one may set out."""
        wait_s = self._crowded_until() - LONGEST_IN_LINE_S - now
        if not self._gap_s:
            return wait_s if wait_s > LEAST_WAIT_S else 0.0
        before = self._waiting + self._is_writing
        lead_s = max(self._usual_s, self._lead_s)
        ready_at = self._last + self._gap_s * (before + 1) - lead_s
        connecting = self._on_the_way - before
        if connecting:
            # One that should be here by now leaves its turn to another; not many, who would then wait in line for long.
            is_short = connecting == 1 and self._gap_s <= LONGEST_IN_LINE_S
            late_s = min(self._gap_s, lead_s + LATE_S) if is_short else self._gap_s
            ready_at = max(ready_at, self._set_out + late_s)
        wait_s = max(wait_s, ready_at - now)
        return wait_s if wait_s > LEAST_WAIT_S else 0.0

    def _crowded_until(self) -> float:
        """When the windows have room for one more behind those that have set out: sooner it would only stand in line."""
        ahead = self._on_the_way - self._is_writing
        ends = [
            self._moments[ahead - count] + span_s
            for count, span_s in self._spans
            if ahead < count <= len(self._moments) + ahead
        ]
        return max(ends, default=-math.inf)

    def set_off(self, now: float) -> None:
        """One sets out; to be followed by `sent`, whatever becomes of it, and before it by `turn` where there is a line."""
        self._set_out = now
        self._on_the_way += 1
        while self._guard > GUARD and now - self._refused_at > GUARD_KEPT_S:
            self._guard, self._refused_at = self._guard / 2, self._refused_at + GUARD_KEPT_S
            self._reckon()

    async def turn(self, *, since: float) -> float | None:
        """Wait in line until what set out at `since` may be written, and begin. First come first served.

        Returns the moment of its turn, which `sent` is to be told; None where there is no line.
        """
        if not self._windows:
            return None
        took_s = self._clock() - since
        self._note_way(took_s)
        self._lead_s = min(MOST_LEAD_S, self._gap_s / 2, max(took_s + EARLY_S, self._lead_s * LEAD_KEPT))
        self._waiting += 1
        try:
            async with self._line:
                while (wait_s := self._due_s(now := self._clock())) > 0:
                    await self._wait(wait_s)
                self._is_writing = self._gap_s > 0
                self._moments.append(now)
                return now
        finally:
            self._waiting -= 1

    def sent(self, now: float, *, since: float, turn_at: float | None) -> None:
        """What set out at `since` is written by now, or never will be: the windows count it from here."""
        self._on_the_way -= 1
        self._keeping_former = max(0, self._keeping_former - 1)
        self._fresh = (
            FRESH_REQUESTS if now - self._last > max(REST_S, 2 * self._gap_s) else max(0, self._fresh - 1)
        )
        self._last = now
        if turn_at is None:
            self._note_way(now - since)
            if self._windows:
                self._moments.append(now)
            return
        self._count_from(now, turn_at)
        if self._is_writing:
            self._is_writing = False
            self._rouse()

    def came_late(self, sent_at: float, late_s: float) -> None:
        """What was written at `sent_at` got to the host so much later: the windows count it from then.

        So they do what was written after it, which can't be followed any sooner.
        """
        self._count_from(sent_at + late_s, sent_at)

    def _count_from(self, moment: float, before: float) -> None:
        """What was counted from `before` on counts from `moment`; none is kept where other windows hold meanwhile."""
        moments = self._moments
        for place in reversed(range(len(moments))):
            if moments[place] <= before:
                moments[place] = moment
                return

    def _note_way(self, took_s: float) -> None:
        self._usual_s = min(took_s, self._usual_s + WAY_WEIGHT * (took_s - self._usual_s))

    def _reckon(self) -> None:
        gaps = [window.period_s / window.count for window in self._windows]
        gap_s = max(gaps, default=0.0) / self._share
        is_kept = self._burst == 1 and (gap_s >= SHORTEST_EXACT_S or self._is_strict)
        self._gap_s = gap_s + min(self._guard * gap_s, MOST_GUARD_S) if is_kept else 0.0
        margins = 1.0 if is_kept else self._guard / GUARD
        # Whole even where only a share of the rate is used: that is spread over the gaps, and a line must not be long.
        self._spans = [
            (window.count, window.period_s + margins * margin_s(window.period_s)) for window in self._windows
        ]
        self._rouse()

    def _due_s(self, now: float) -> float:
        if self._is_writing:
            return math.inf
        due_at = self._due_at(self._spans, self._gap_s)
        if self._keeping_former:
            due_at = min(due_at, self._due_at(*self._former))
        return due_at - now

    def _due_at(self, spans: Sequence[tuple[int, float]], gap_s: float) -> float:
        fresh_s = min(FRESH_GUARD * gap_s, MOST_GUARD_S) if self._fresh else 0.0
        due_at = self._last + gap_s + fresh_s
        for count, span_s in spans:
            if len(self._moments) >= count:
                due_at = max(due_at, self._moments[-count] + span_s)
        return due_at

    async def _wait(self, wait_s: float) -> None:
        loop = asyncio.get_running_loop()
        self._wake = wake = loop.create_future()
        timer = None
        if wait_s < math.inf:
            timer = loop.call_later(
                wait_s - EARLY_S if wait_s > SPIN_S else min(wait_s, SPIN_STEP_S), self._rouse
            )
        try:
            await wake
        finally:
            self._wake = None
            if timer is not None:
                timer.cancel()

    def _rouse(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)
