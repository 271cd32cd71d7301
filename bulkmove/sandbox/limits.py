"""Strict rate limits: a log of the requests in each window, sliding or fixed, and the most that any window held."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from typing import Protocol

from bulkmove.sandbox.calls import Json
from bulkmove.sandbox.conditions import RateWindow


class _Log(Protocol):
    """What a window holds at a time: that is never before the last one it was told of."""

    most: int

    def expire(self, now: float) -> int:
        """How many it holds now."""
        ...

    def add(self, now: float) -> None: ...

    def frees_at(self, count: int) -> float:
        """When fewer than `count` will be left."""
        ...


class _SlidingLog:
    """Times of the last `period_s` seconds, half open: what is exactly one period old has left."""

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._times: deque[float] = deque()
        self.most = 0

    def expire(self, now: float) -> int:
        while self._times and self._times[0] <= now - self._period_s:
            self._times.popleft()
        return len(self._times)

    def add(self, now: float) -> None:
        self._times.append(now)
        self.most = max(self.most, self.expire(now))

    def frees_at(self, count: int) -> float:
        return self._times[len(self._times) - count] + self._period_s


class _FixedLog:
    """A count that begins anew when `period_s` is over, by a clock that all windows of a length share."""

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._number = -1
        self._count = 0
        self.most = 0

    def expire(self, now: float) -> int:
        number = math.floor(now / self._period_s)
        if number != self._number:
            self._number, self._count = number, 0
        return self._count

    def add(self, now: float) -> None:
        self._count = self.expire(now) + 1
        self.most = max(self.most, self._count)

    def frees_at(self, count: int) -> float:
        del count
        return (self._number + 1) * self._period_s


class Limit:
    """All windows of one API. Refused requests are counted, but take no place in a window."""

    def __init__(self, windows: Iterable[RateWindow], *, is_sliding: bool = True) -> None:
        self._log: type[_SlidingLog | _FixedLog] = _SlidingLog if is_sliding else _FixedLog
        self._windows: list[tuple[RateWindow, _Log, _Log]] = []
        self._second = _SlidingLog(1.0)
        self.set(windows)

    def set(self, windows: Iterable[RateWindow]) -> None:
        """These hold from now on, and begin empty."""
        log = self._log
        self._windows = [(window, log(window.period_s), log(window.period_s)) for window in windows]

    def admit(self, now: float) -> float | None:
        """None where every window has room, and the request then stands in each; else the seconds until all have.

        `now` is a clock that never goes back, in seconds.
        """
        self._second.add(now)
        frees_at = now
        is_full = False
        for window, arrived, admitted in self._windows:
            arrived.add(now)
            if admitted.expire(now) >= window.count:
                is_full = True
                frees_at = max(frees_at, admitted.frees_at(window.count))
        if is_full:
            return frees_at - now
        for _, _, admitted in self._windows:
            admitted.add(now)
        return None

    @property
    def most_in_a_second(self) -> int:
        return self._second.most

    def statistics(self) -> list[Json]:
        """A row a window: the most requests that it saw and that it let through."""
        return [
            {
                "window": str(window),
                "limit": window.count,
                "max_requests": arrived.most,
                "max_admitted": admitted.most,
            }
            for window, arrived, admitted in self._windows
        ]
