"""Pages shorter than they should be: a host that leaves rows out inside a page is found out by asking again.

A page is as long as was asked for, or as the longest that the host sends, or it ends with the list. One that is
shorter is asked for again: until it showed the same rows time after time (the host sends no longer pages, counts rows
that it does not show, or counts wrong), or so often that a row which was never shown would be a wonder, by the share
of the others that each answer left out. Only rows between the first and the last second of a page tell: those of its
edges come in any order, and others each time. Where a page ends with the list, the filter is its edge, and all tell.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from bulkmove.errors import UnprovenError
from bulkmove.extract.facts import ListFacts
from bulkmove.extract.offsets import TRIES
from bulkmove.model import Page, PageQuery, Record

SAME_ANSWERS = 3  # times that the same rows come again before they are believed to be all
_KNOWN_TO_BE_SHORT = 3  # short pages that showed the same rows again, before one such answer is enough
_WONDER = 1e-5  # how likely a row may be never to have been shown
_WARY = 1.5  # times the share that was seen to be left out, since few answers tell it badly


@dataclass(slots=True)
class _Asked:
    """The answers to one query. `low`, `high`: the seconds that all of them cover. `is_afresh`: others came before."""

    query: PageQuery
    is_afresh: bool = False
    rows: dict[str, Record] = field(default_factory=dict)
    answers: list[frozenset[str]] = field(default_factory=list)
    totals: list[int | None] = field(default_factory=list)
    low: int | None = None
    high: int | None = None

    def add(self, rows: dict[str, Record], page: Page) -> None:
        """One more answer."""
        is_end = _is_end(self.query, page)
        keys = [record.key for record in rows.values() if record.key is not None]
        if keys:
            if self.query.offset:  # else the filter is the lower edge
                self.low = keys[0] if self.low is None else max(self.low, keys[0])
            if not is_end:
                self.high = keys[-1] if self.high is None else min(self.high, keys[-1])
        self.rows |= rows
        self.answers.append(frozenset(rows))
        self.totals.append(page.total)

    def shown(self) -> list[frozenset[str]]:
        """What each answer showed of the rows that it had to show."""
        inner = {name for name, row in self.rows.items() if self._is_within(row, edges=0)}
        return [answer & inner for answer in self.answers]

    def covered(self) -> list[Record]:
        """All rows that came, in order, as far as every answer reached."""
        kept = [row for row in self.rows.values() if self._is_within(row, edges=1)]
        return sorted(kept, key=lambda row: -1 if row.key is None else row.key)

    def _is_within(self, row: Record, *, edges: int) -> bool:
        """Whether a row lies within the seconds that all answers cover, the edges themselves counted or not."""
        if row.key is None:
            return True
        is_low = self.low is None or row.key > self.low - edges
        return is_low and (self.high is None or row.key < self.high + edges)


class ShortPages:
    """The answers to one query, joined until they make a page."""

    def __init__(self, facts: ListFacts) -> None:
        self._facts = facts
        self._asked: _Asked | None = None

    @property
    def is_asking_again(self) -> bool:
        return self._asked is not None

    def joined(self, query: PageQuery, page: Page) -> Page | None:
        """The page, with the rows that it left out and showed before; None where it has to be asked for again.

        Raises UnprovenError where so many are missing each time that nothing can be told.
        """
        rows = {record.id or repr(record.data): record for record in page.records}
        full = self._facts.full_length(page, query)
        if len(rows) >= full or (not rows and page.has_next):
            # That nothing comes where more is said to follow is the walk's to judge.
            if self._asked is not None and self._asked.query == query:
                self._asked.add(rows, page)
                self._learn(self._asked)
            self._asked = None
            return page
        if self._asked is None or self._asked.query != query:
            self._asked = _Asked(query)
        asked = self._asked
        asked.add(rows, page)
        shown = asked.shown()
        if len(asked.answers) < self._needed(shown):
            if len(asked.answers) > TRIES:
                self._begin_afresh(asked)
            return None
        self._asked = None
        if len(set(shown)) == 1:
            self._facts.short_pages += 1
            return page
        self._learn(asked)
        return replace(page, records=asked.covered())

    def _learn(self, asked: _Asked) -> None:
        shown = asked.shown()
        if _flickers(shown):
            left_out, due = _left_out(shown)
            self._facts.note_left_out(left_out, due=due)
            self._facts.note_counts(asked.totals)

    def _begin_afresh(self, asked: _Asked) -> None:
        """What a list showed while it still moved is held against it once, not for ever."""
        if asked.is_afresh:
            raise UnprovenError(f"pages come back with rows left out, others each time ({2 * TRIES} tries)")
        self._asked = _Asked(asked.query, is_afresh=True)

    def _needed(self, shown: Sequence[frozenset[str]]) -> int:
        """How many answers it takes. What other pages of the list left out tells where this one did not yet."""
        left_out, due = _left_out(shown)
        left_out_share = max(self._facts.left_out_share, left_out / due if due else 0.0)
        if left_out_share > 0:
            rows = max(1, due // len(shown))
            share = min(0.99, _WARY * left_out_share)
            return max(1 + SAME_ANSWERS, math.ceil(math.log(_WONDER / rows) / math.log(share)))
        return 2 if self._facts.short_pages >= _KNOWN_TO_BE_SHORT else 1 + SAME_ANSWERS


def _left_out(shown: Sequence[frozenset[str]]) -> tuple[int, int]:
    """How many rows the answers left out, of how many that they had to show."""
    due = len(frozenset().union(*shown)) * len(shown)
    return due - sum(map(len, shown)), due


def _is_end(query: PageQuery, page: Page) -> bool:
    """Whether the host says that nothing follows the page, and counts no more than it may hold."""
    return page.has_next is False and (page.total is None or page.total <= query.offset + query.limit)


def _flickers(shown: Iterable[frozenset[str]]) -> bool:
    """Whether a row came, was left out, and came again: one that was deleted or made meanwhile does not."""
    before: set[str] = set()
    left_out: set[str] = set()
    for answer in shown:
        if left_out & answer:
            return True
        left_out |= before - answer
        before |= answer
    return False
