"""Pages shorter than they should be: a host that leaves rows out inside a page is found out by asking again.

A page is as long as was asked for, or as the longest that the host sends, or it ends with the list. One that is
shorter is asked for again: until it showed the same rows time after time (the host sends no longer pages, counts rows
that it does not show, or counts wrong), or so often that a row which was never shown would be a wonder, by the share
of the others that each answer left out. Only rows between the first and the last second of a page tell: those of its
edges come in any order, and others each time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from bulkmove.errors import UnprovenError
from bulkmove.extract.facts import ListFacts
from bulkmove.extract.offsets import TRIES
from bulkmove.model import Page, PageQuery, Record

SAME_ANSWERS = 2  # times that the same rows come again before they are believed to be all
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
    low: int | None = None
    high: int | None = None

    def add(self, rows: dict[str, Record]) -> None:
        keys = [record.key for record in rows.values() if record.key is not None]
        if keys:
            if self.query.offset:  # else the filter is the lower edge
                self.low = keys[0] if self.low is None else max(self.low, keys[0])
            self.high = keys[-1] if self.high is None else min(self.high, keys[-1])
        self.rows |= rows
        self.answers.append(frozenset(rows))

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
            self._asked = None
            return page
        if self._asked is None or self._asked.query != query:
            self._asked = _Asked(query)
        asked = self._asked
        asked.add(rows)
        shown = asked.shown()
        if len(asked.answers) < self._needed(shown):
            if len(asked.answers) > TRIES:
                self._begin_afresh(asked)
            return None
        self._asked = None
        if len(set(shown)) == 1:
            self._facts.short_pages += 1
            return page
        self._facts.leaves_rows_out |= _flickers(shown)
        return replace(page, records=asked.covered())

    def _begin_afresh(self, asked: _Asked) -> None:
        """What a list showed while it still moved is held against it once, not for ever."""
        if asked.is_afresh:
            raise UnprovenError(f"pages come back with rows left out, others each time ({2 * TRIES} tries)")
        self._asked = _Asked(asked.query, is_afresh=True)

    def _needed(self, shown: list[frozenset[str]]) -> int:
        """How many answers it takes."""
        rows = len(frozenset().union(*shown))
        left_out = 1 - sum(map(len, shown)) / (rows * len(shown)) if rows else 0.0
        if left_out > 0:
            share = min(0.99, _WARY * left_out)
            return max(1 + SAME_ANSWERS, math.ceil(math.log(_WONDER / rows) / math.log(share)))
        is_known = self._facts.short_pages >= _KNOWN_TO_BE_SHORT and not self._facts.leaves_rows_out
        return 2 if is_known else 1 + SAME_ANSWERS


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
