"""What was let out lately, whatever windows held meanwhile: what new ones are told when a host's limits are changed.

The last minute is kept as finely as it takes to begin a window of seconds with; what is older, in grains.
"""

from __future__ import annotations

from array import array
from collections import deque

from bulkmove.transport.meters import Entry
from bulkmove.transport.spent import GRAIN_S

FINE_S = 61.0
FINE_GRAIN_S = 0.01
LONGEST_S = 86_400.0


class Lately:
    """Told of each request as a meter is, and bounded: a few thousand entries, however many requests there are."""

    def __init__(self) -> None:
        self._fine: deque[Entry] = deque()
        self._open: Entry | None = None
        # The older ones as bare numbers: when the last request of a grain went out, and how many it had.
        self._last, self._counts = array("d"), array("I")
        self._newest_began = 0.0

    def take(self, now: float) -> Entry:
        """One request is let out now."""
        entry = self._open
        if entry is not None and now - entry.first < FINE_GRAIN_S:
            entry.last = max(entry.last, now)
            entry.count += 1
            entry.unsent += 1
            return entry
        self._age(now)
        self._open = entry = Entry(now)
        self._fine.append(entry)
        return entry

    def remember(self, at: float, count: int) -> None:
        """So many went out by then, in a run before this one. To be called in the order of time, before anything else."""
        self._put(at, count)

    def entries(self, now: float) -> list[Entry]:
        """All that is known, in the order of time.

        Those of the last minute are the very ones that are told of their sending; nothing more is counted on them.
        """
        self._age(now)
        self._open = None
        old = [_sent(last, count) for last, count in zip(self._last, self._counts, strict=True)]
        return [*old, *self._fine]

    def _age(self, now: float) -> None:
        fine = self._fine
        while fine and not fine[0].unsent and fine[0].last < now - FINE_S:
            entry = fine.popleft()
            self._put(entry.last, entry.count)
        if self._last and self._last[0] < now - LONGEST_S - GRAIN_S:
            del self._last[0]
            del self._counts[0]

    def _put(self, at: float, count: int) -> None:
        if self._last and at - self._newest_began < GRAIN_S:
            self._last[-1] = max(self._last[-1], at)
            self._counts[-1] += count
            return
        self._newest_began = at
        self._last.append(at)
        self._counts.append(count)


def _sent(at: float, count: int) -> Entry:
    entry = Entry(at)
    entry.count, entry.unsent = count, 0
    return entry
