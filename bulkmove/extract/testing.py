"""A Source for tests: a list in memory that moves while it is read, by a seeded plan, and whose host has habits."""

from __future__ import annotations

import bisect
import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

import anyio

from bulkmove.model import Listing, Page, PageQuery, Reading, Record

T0 = 1_700_000_000
Move = Literal["insert", "delete", "backdate", "touch", "append", "swap"]
Totals = Literal["right", "absent", "lies", "unfiltered"]


@dataclass
class Row:
    id: str
    key: int | None
    version: int = 0
    is_hidden: bool = False


@dataclass
class Habits:
    """How the host behaves, and how much moves at each fetch."""

    reading: Reading = "keyset"
    page_limit: int = 10
    clamp: int | None = None
    can_overlap: bool = True
    is_after_inclusive: bool = False
    is_before_inclusive: bool = False
    has_stable_ties: bool = False
    totals: Totals = "right"
    says_next: bool = True
    moves: float = 0.0  # mean number of changes between two fetches
    moves_until: int = 10**9  # fetches after which nothing moves any more
    kinds: tuple[Move, ...] = get_args(Move)
    ignores: frozenset[str] = frozenset()  # offset, after, before, sort
    drops: float = 0.0  # share of the rows of an answer that are left out of it
    filter_grain_s: int = 1  # of the lower bound
    shows_undated: bool = False  # whether rows without a key pass an upper bound
    latency_s: float = 0.0
    first_key: int | None = None
    last_key: int | None = None


@dataclass
class MovingList:
    """`stood()` are the ids of rows that stood, with one key, from the first fetch to now."""

    habits: Habits
    rows: list[Row]
    seed: int = 0
    requests: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    asked: list[PageQuery] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.at_start = {row.id: row.key for row in self.rows}
        self.disturbed: set[str] = set()
        self.cutoff = max((row.key for row in self.rows if row.key is not None), default=T0)
        self._born = 0
        self._moves: dict[Move, Callable[[], None]] = {
            "insert": self._insert,
            "delete": self._delete,
            "backdate": self._backdate,
            "touch": self._touch,
            "append": self._append,
            "swap": self._swap,
        }

    @property
    def listing(self) -> Listing:
        habits = self.habits
        return Listing(
            habits.reading,
            habits.page_limit,
            can_overlap=habits.can_overlap,
            first_key=habits.first_key,
            last_key=habits.last_key,
        )

    def stood(self) -> set[str]:
        visible = {row.id for row in self.rows if not row.is_hidden}
        return (visible & set(self.at_start)) - self.disturbed

    async def fetch(self, query: PageQuery) -> Page:
        self.asked.append(query)
        await self._pass_time()
        return self._answer(query)

    async def _pass_time(self) -> None:
        self.requests += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await anyio.sleep(self.habits.latency_s)
        finally:
            self.in_flight -= 1
        if self.requests <= self.habits.moves_until:
            self._move()

    def _answer(self, query: PageQuery) -> Page:
        habits = self.habits
        matching = self._matching(query)
        length = query.limit if habits.clamp is None else min(query.limit, habits.clamp)
        if not habits.can_overlap:
            if query.offset % query.limit:
                raise ValueError(f"numbered pages of {query.limit} have no offset {query.offset}")
            start = query.offset // query.limit * length
        else:
            start = query.offset
        if "offset" in habits.ignores:
            start = 0
        shown = [row for row in matching[start : start + length] if not row.is_hidden]
        if habits.drops:
            shown = [row for row in shown if self.random.random() >= habits.drops]
        has_next = start + length < len(matching)
        return Page(
            records=tuple(Record(row.id, row.key, str(row.version), {"id": row.id}) for row in shown),
            total=self._total(len(matching)),
            has_next=has_next if habits.says_next else None,
        )

    def _matching(self, query: PageQuery) -> list[Row]:
        return [row for row in self._sorted() if self._meets(row, query)]

    def _sorted(self) -> list[Row]:
        if self.habits.reading == "passes":
            return list(self.rows)
        if "sort" in self.habits.ignores:
            return sorted(self.rows, key=lambda row: zlib.crc32(row.id.encode()))
        ties = {
            row.id: row.id if self.habits.has_stable_ties else str(self.random.random()) for row in self.rows
        }
        return sorted(self.rows, key=lambda row: (-1 if row.key is None else row.key, ties[row.id]))

    def _meets(self, row: Row, query: PageQuery) -> bool:
        habits = self.habits
        after = None if "after" in habits.ignores else query.after
        before = None if "before" in habits.ignores else query.before
        if row.key is None:
            return after is None and (before is None or habits.shows_undated)
        grain = habits.filter_grain_s
        floor = row.key // grain * grain
        if after is not None and not (floor > after or (habits.is_after_inclusive and floor == after)):
            return False
        return before is None or row.key < before or (habits.is_before_inclusive and row.key == before)

    def _total(self, matching: int) -> int | None:
        kind = self.habits.totals
        if kind == "absent":
            return None
        if kind == "unfiltered":
            return len(self.rows)
        if kind == "lies":
            return max(0, matching + self.random.randint(-matching, 2 * matching + 3))
        return matching

    def _move(self) -> None:
        count = self.random.random() * 2 * self.habits.moves
        while self.random.random() < count:
            count -= 1
            self._moves[self.random.choice(self.habits.kinds)]()

    def _new_id(self) -> str:
        self._born += 1
        return f"new-{self._born}"

    def _delete(self) -> None:
        if self.rows:
            self.disturbed.add(self.rows.pop(self.random.randrange(len(self.rows))).id)

    def _insert(self) -> None:
        key = self.random.choice(self.rows).key if self.rows else T0
        self.rows.insert(self.random.randint(0, len(self.rows)), Row(self._new_id(), key))

    def _append(self) -> None:
        self.rows.append(Row(self._new_id(), self.cutoff + self.random.randint(0, 3)))

    def _backdate(self) -> None:
        if self.rows:
            row = self.random.choice(self.rows)
            self.disturbed.add(row.id)
            row.key = T0 + self.random.randint(-5, 20)

    def _touch(self) -> None:
        if self.rows:
            self.random.choice(self.rows).version += 1

    def _swap(self) -> None:
        """One row for another in the same second: no count tells."""
        if self.rows:
            place = self.random.randrange(len(self.rows))
            old = self.rows[place]
            self.disturbed.add(old.id)
            self.rows[place] = Row(self._new_id(), old.key)


def make_rows(
    seed: int, *, groups: int, gap_s: int = 3, most: int = 6, crowds: tuple[int, ...] = ()
) -> list[Row]:
    """Rows in `groups` seconds, up to `most` in each, and one crowd of each given size in some second."""
    rng = random.Random(seed)
    seconds, key = [], T0
    for _ in range(groups):
        key += rng.choice((1, 1, rng.randint(1, gap_s)))
        seconds.append(key)
    keys = [second for second in seconds for _ in range(rng.randint(1, most))]
    for crowd in crowds if seconds else ():
        keys += [rng.choice(seconds)] * crowd
    keys.sort()
    return [Row(f"row-{number}", key) for number, key in enumerate(keys)]


class QuietList(MovingList):
    """A long list at rest, quick to ask. Its bounds are exclusive and rows of a second keep their order."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._ordered = sorted(
            (row for row in self.rows if row.key is not None), key=lambda row: row.key or 0
        )
        self._keys = [row.key or 0 for row in self._ordered]

    def _matching(self, query: PageQuery) -> list[Row]:
        low = 0 if query.after is None else bisect.bisect_right(self._keys, query.after)
        high = len(self._keys) if query.before is None else bisect.bisect_left(self._keys, query.before)
        return self._ordered[low:high]
