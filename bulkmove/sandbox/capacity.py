"""What an API can work on in a second: it serves one request after the other, and those beyond that wait their turn."""

from __future__ import annotations

from collections.abc import Iterable

from bulkmove.sandbox.conditions import RateWindow


class Capacity:
    """A queue in front of one worker; without an end where no capacity is set."""

    def __init__(self, capacities: Iterable[RateWindow] = ()) -> None:
        self._takes_s = 0.0
        self._free_at = 0.0
        self.set(capacities)

    def set(self, capacities: Iterable[RateWindow]) -> None:
        """The least of them holds from now on; who waits already is served as was meant."""
        self._takes_s = max((each.period_s / each.count for each in capacities), default=0.0)

    def serve(self, now: float) -> float:
        """One more is to be worked on: the seconds until it is done. `now` is a clock that never goes back."""
        self._free_at = max(self._free_at, now) + self._takes_s
        return self._free_at - now if self._takes_s else 0.0
