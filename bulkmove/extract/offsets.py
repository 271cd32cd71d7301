"""Walking the offsets of one filter, page after page, until its end is shown."""

from __future__ import annotations

from collections.abc import Sequence

from bulkmove.errors import UnprovenError
from bulkmove.extract.facts import ListFacts
from bulkmove.model import Page, Record

TRIES = 40  # empty pages before "more follows" is no longer believed


class OffsetWalk:
    """Where the next page of a walk begins.

    `offset`, `limit`: what to ask for next. `slots`: how many places of the list lie before the end of what was
    read. `is_end_shown`: its last page was not full, so that not the host's word alone ended it. `has_hole`: the host
    skipped places, so the walk is not contiguous. Numbered pages keep one limit, the length of the first page, since
    their offsets are multiples of it. `fills_last`: the last page begins so early that it is full, where the host tells
    its place.
    """

    def __init__(
        self,
        facts: ListFacts,
        *,
        limit: int,
        start: int = 0,
        stop: int | None = None,
        overlap: int,
        is_numbered: bool,
        fills_last: bool = False,
    ) -> None:
        self._facts = facts
        self._stop = stop
        self._overlap = 0 if is_numbered else overlap
        self._is_numbered = is_numbered
        self._fills_last = fills_last and not is_numbered
        self._empty = 0
        self.limit = limit
        self.offset = start
        self.slots = start
        self.is_over = False
        self.is_at_end = False
        self.is_end_shown = False
        self.has_hole = False

    def take(self, page: Page) -> None:
        """Move on past `page`, which was asked for at `offset`. Raises UnprovenError where empty pages never end."""
        self._facts.note(page)
        rows = len(page.records)
        if not rows and page.has_next is True:
            self._skip()
            return
        if self._is_numbered and self.offset == 0 and 0 < rows < self.limit:
            self.limit = rows
        self.slots = max(self.slots, self.offset + rows) if rows else min(self.slots, self.offset)
        if self._facts.shows_end(page, offset=self.offset, overlap=self._overlap):
            self._facts.note_end(page, self.slots)
            self.is_over = self.is_at_end = True
            self.is_end_shown = rows < self._facts.longest
        elif self._stop is not None and self.slots > self._stop:
            self.is_over = True
        else:
            self.offset = self._next(page)
            self.is_over = self._is_numbered and self._stop is not None and self.offset >= self._stop

    def _next(self, page: Page) -> int:
        if self._is_numbered:
            return self.offset + self.limit
        rows = len(page.records)
        step = max(1, rows - self._overlap)
        if self._fills_last and page.total is not None and self._facts.is_total_honest:
            to_last = page.total - rows - self.offset
            if 0 < to_last < step:
                # Once: on a list that grows meanwhile each page would be the last but one.
                step, self._fills_last = to_last, False
        return self.offset + step

    def _skip(self) -> None:
        self._empty += 1
        self.has_hole = True
        if self._empty > TRIES:
            raise UnprovenError(
                f"the list answers an empty page at offset {self.offset} again and again, and says that more follows"
            )
        if self._empty % 2 == 0:
            self.offset += self.limit


class RepeatWatch:
    """Notices a host that answers the same page for whatever offset it is asked."""

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._count = 0

    def is_stuck(self, records: Sequence[Record], *, must_differ: bool) -> bool:
        """Whether this page is once more the page before. Few rows in unstable order can be so by chance."""
        ids = [repr(record.data) if record.id is None else record.id for record in records]
        if must_differ and ids and set(ids) == set(self._ids):
            self._count += 1
        else:
            self._ids, self._count = ids, 0
        return self._count >= 3 and self._count * len(records) >= 24
