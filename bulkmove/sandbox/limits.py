"""Strict rate limits: a log of the requests in each sliding window, and the most that any window held."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from bulkmove.sandbox.calls import Json
from bulkmove.sandbox.settings import RateWindow


class _Log:
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
        """When fewer than `count` will be left."""
        return self._times[len(self._times) - count] + self._period_s


class SlidingLimit:
    """All windows of one API. Refused requests are counted, but take no place in a window."""

    def __init__(self, windows: Iterable[RateWindow]) -> None:
        self._windows = [(window, _Log(window.period_s), _Log(window.period_s)) for window in windows]
        self._second = _Log(1.0)

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
