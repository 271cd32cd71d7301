"""How many requests at once a host works on: more than that only wait there, and its latency rises. Pure.

Latency is held against the least that was seen of the same kind of request. What it is above that is a queue, and of
`room` requests `room × baseline ÷ latency` are worked on: where the queue grows long, the room is cut to those.
A baseline is no more than a memory: it is learnt anew every while with half of the room, and at once where less in
flight is just as slow, which is a host that became slower and no queue.
"""

from __future__ import annotations

import math

START = 2
# The least answers that are looked at together, and the seconds that they take at least. Where latencies differ much,
# so many that the mean of their logarithms is known to this, or that it took long.
FEWEST = 8
SHORTEST_S = 0.1
KNOWN_TO = 0.13
LONGEST_S = 3.0
LEARN = 0.2
LEARN_UP = 0.05
# Latency over its baseline: up to the first nothing waits, from the second too many do.
FLAT = 1.35
HIGH = 1.8
SLACK = 1.3  # beside what is worked on, so that the host is never without
AS_SLOW = 0.85
FULL = 0.5  # share of the requests that found the room full behind them
OVERLOADED_TO = 0.7
RELEARN_S = 20.0
RELEARN_PER_LOOK = 40.0  # half of the room costs half of what is served meanwhile
MOST_KINDS = 16
OTHERS = "others"


class _Kind:
    """Requests whose latencies can be compared: the logarithm of the baseline, and of those since the last look."""

    __slots__ = ("base", "count", "squares", "total")

    def __init__(self) -> None:
        self.base = math.nan
        self.total = self.squares = 0.0
        self.count = 0

    @property
    def mean(self) -> float:
        return self.total / self.count

    @property
    def scatter(self) -> float:
        """The sum of the squares of the distances from the mean."""
        return max(0.0, self.squares - self.total * self.mean) if self.count else 0.0

    def clear(self) -> None:
        self.total, self.squares, self.count = 0.0, 0.0, 0


class RoomSearch:
    """The most requests in flight now: 1 to `most`."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.room = min(START, most)
        self.load = 1.0  # latency over its baseline, when it was looked at last
        self.latency_s = 0.0
        self.in_use = 0.0  # requests in flight, on average, when it was looked at last
        self.is_full = False
        self.is_found = False
        self._is_doubling = True
        self._kinds: dict[str, _Kind] = {}
        self._since = -math.inf
        self._learnt_at = -math.inf
        self._before_probe: int | None = None
        self._cuts: list[tuple[int, float]] = []  # room and load before each of those in a row
        self._answers = self._takes = self._full = self._flying = 0

    def take(self, in_flight: int) -> None:
        """One goes now; so many are in flight with it."""
        self._takes += 1
        self._flying += in_flight
        self._full += in_flight >= self.room

    def answered(self, kind: str, *, sent_at: float, now: float) -> None:
        """An answer came. Those that were sent before the last change tell nothing of what holds now."""
        if sent_at < self._since:
            return
        if self._since == -math.inf:
            self._since = self._learnt_at = sent_at
        entry = self._kinds.get(kind)
        if entry is None:
            name = kind if len(self._kinds) < MOST_KINDS else OTHERS
            entry = self._kinds.setdefault(name, _Kind())
        took = math.log(max(now - sent_at, 1e-4))
        entry.total += took
        entry.squares += took * took
        entry.count += 1
        self._answers += 1
        lasted_s = now - self._since
        is_enough = self._answers >= max(FEWEST, self.room) and lasted_s >= SHORTEST_S
        if is_enough and (lasted_s >= LONGEST_S or self._is_sure):
            self._look(now)

    @property
    def _is_sure(self) -> bool:
        """Whether the mean is known well enough, by how much the answers differ."""
        scatter = sum(kind.scatter for kind in self._kinds.values())
        return scatter <= (KNOWN_TO * self._answers) ** 2

    def overloaded(self, now: float) -> None:
        """The host says that it is too much, without a limit."""
        self.room = max(1, math.floor(OVERLOADED_TO * self.room))
        self._is_doubling = False
        self._begin(now)

    def rest_until(self, moment: float) -> None:
        self._begin(moment)

    def limit(self, most: int) -> None:
        """Never more than so many from now on."""
        self.most = most
        self.room = min(self.room, most)

    def _look(self, now: float) -> None:
        self.is_full = self._full >= FULL * self._takes
        self.in_use = self._flying / self._takes if self._takes else 0.0
        kinds = [kind for kind in self._kinds.values() if kind.count]
        self.latency_s = math.exp(sum(kind.total for kind in kinds) / self._answers)
        if self._before_probe is not None:
            self._relearn(now, kinds)
        else:
            self._compare(kinds)
            self._change(now)
        self._begin(now)

    def _compare(self, kinds: list[_Kind]) -> None:
        """What the load is by those kinds that are known; the others become known."""
        over = [kind.count * (kind.mean - kind.base) for kind in kinds if not math.isnan(kind.base)]
        count = sum(kind.count for kind in kinds if not math.isnan(kind.base))
        self.load = math.exp(sum(over) / count) if count else 1.0
        for kind in kinds:
            if math.isnan(kind.base):
                kind.base = kind.mean
            elif kind.count >= FEWEST // 2 and (kind.mean < kind.base or self.load <= FLAT):
                # Not at once: of many looks at latencies that differ, one is always low by chance.
                share = LEARN if kind.mean < kind.base else LEARN_UP
                kind.base += share * (kind.mean - kind.base)

    def _change(self, now: float) -> None:
        if self.load > HIGH:
            self._cut(now)
            return
        self._cuts.clear()
        if self.load <= FLAT and self.is_full:
            self.room = min(self.most, 2 * self.room if self._is_doubling else self.room + 1)
        elif self.load > FLAT:
            self._is_doubling = False
            self.is_found = self.is_found or self.is_full
        if self.load > FLAT and now - self._learnt_at >= max(
            RELEARN_S, RELEARN_PER_LOOK * (now - self._since)
        ):
            self._before_probe = self.room
            self.room = max(1, self.room // 2)

    def _cut(self, now: float) -> None:
        """To what is worked on; back to what it was, where with less in flight each is as slow as before."""
        self._is_doubling, self.is_found = False, True
        cuts = self._cuts
        # The first look may be of a time before the change, in part: two after it are compared.
        is_as_slow = len(cuts) > 1 and self.load >= AS_SLOW * cuts[-1][1]
        if is_as_slow or (cuts and self.room == 1):
            for kind in self._kinds.values():
                kind.base += math.log(self.load)
            self.room, self._learnt_at = min(self.most, cuts[0][0]), now
            cuts.clear()
            return
        cuts.append((self.room, self.load))
        in_use = min(self.in_use, self.room)
        self.room = min(max(1, self.room - 1), max(1, math.ceil(SLACK * in_use / self.load)))

    def _relearn(self, now: float, kinds: list[_Kind]) -> None:
        for kind in kinds:
            kind.base = kind.mean
        self.room = min(self.most, self._before_probe or 1)
        self._before_probe, self._learnt_at, self.load = None, now, 1.0

    def _begin(self, moment: float) -> None:
        self._since = max(self._since, moment)
        self._answers = self._takes = self._full = self._flying = 0
        for kind in self._kinds.values():
            kind.clear()
