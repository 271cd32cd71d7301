"""How a host that rested is met again: by one request, not by all that waited."""

from __future__ import annotations


class Comeback:
    """How many may be in flight of those that were let out since the host last rested.

    After a pause one goes out alone, and each that comes back lets one more out beside its own successor, up to `most`.
    """

    def __init__(self, most: int) -> None:
        self._most = self._room = most
        self._in_flight = 0

    @property
    def is_full(self) -> bool:
        return self._in_flight >= self._room

    def paused(self) -> None:
        """The host rests. What is in flight was let out before, and tells nothing of it afterwards."""
        self._in_flight = 0
        self._room = 1

    def take(self) -> None:
        self._in_flight += 1

    def give_back(self) -> None:
        """One that was let out since the last pause came back."""
        self._in_flight -= 1
        if self._room < self._most:
            self._room += 1

    def limit(self, most: int) -> None:
        """Whoever had come back all the way stays there."""
        self._room = most if self._room >= self._most else min(self._room, most)
        self._most = most
