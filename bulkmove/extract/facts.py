"""What the pages of one list have shown about its host: how long its pages are, where it ends, whether it counts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from bulkmove.model import Page, PageQuery

LIES = 3  # wrong counts before none is believed: a host may count a moment before or after it lists


class ListFacts:
    """Shared by all readers of one list. Hosts clamp pages without a word, so `longest` is learnt, not asked for.

    `short_pages`: how many pages were shorter than they should be, and showed the same rows whenever they were asked
    for. Only then is a page that is shorter than was asked for known to be as long as the host sends them.
    `leaves_rows_out`: rows were missing inside a page and came when it was asked for again; from then on no length but
    the one that was asked for shows that a page is whole. `left_out_share`: how many of the rows of such pages.
    """

    def __init__(self) -> None:
        self.longest = 0
        self.short_pages = 0
        self._left_out = self._due = 0
        self._lies = 0

    @property
    def leaves_rows_out(self) -> bool:
        return self._left_out > 0

    @property
    def left_out_share(self) -> float:
        return self._left_out / self._due if self._due else 0.0

    @property
    def is_total_honest(self) -> bool:
        return self._lies < LIES

    def note(self, page: Page) -> None:
        self.longest = max(self.longest, len(page.records))

    def note_left_out(self, rows: int, *, due: int) -> None:
        """So many rows were missing in the answers to one query, of those that were due in all of them."""
        self._left_out += rows
        self._due += due

    def note_counts(self, totals: Sequence[int | None]) -> None:
        """What the answers to one query, which left rows out, counted.

        A count that is another nearly each time follows what was left out, and does not show that anything was.
        """
        changes = sum(one != other for one, other in pairwise(totals))
        if 2 * changes >= len(totals):
            self._lies += changes

    def note_end(self, page: Page, rows: int) -> None:
        """`page` was the last one of a filter, and ended at place `rows`: what the host counts in the same answer.

        One that leaves rows out is not held to count wrong: its count is what shows that some are missing.
        """
        if self.leaves_rows_out and page.total is not None and page.total > rows:
            return
        if page.total is not None and (page.total != rows if page.records else page.total > rows):
            self._lies += 1

    def full_length(self, page: Page, query: PageQuery) -> int:
        """How many rows the page should hold, by what it says of the list itself; 0 where it says nothing."""
        is_clamp_known = self.short_pages > 0 and not self.leaves_rows_out
        longest = min(self.longest, query.limit) if is_clamp_known else query.limit
        if page.total is not None and self.is_total_honest:
            return min(longest, max(0, page.total - query.offset))
        return longest if page.has_next is True or self.leaves_rows_out else 0

    def planned(self, page: Page) -> int | None:
        """How many rows the filter holds, as far as that can be planned with."""
        return page.total if self.is_total_honest else None

    def shows_end(self, page: Page, *, offset: int, overlap: int) -> bool:
        """Whether nothing follows a page at `offset`, the first `overlap` rows of which the page before held too.

        For readings by offset, which are compared with each other afterwards. A short page of a host that does not
        say whether more follows ends nothing: the next page has to bring nothing new.
        """
        rows = len(page.records)
        if page.has_next is True:
            return False
        if rows <= (overlap if offset else 0):
            return True
        is_counted = page.total is not None and offset + rows >= page.total
        if page.has_next is False:
            return rows < self.longest or is_counted
        return rows < self.longest and is_counted
