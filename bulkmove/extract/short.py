"""Pages shorter than they should be: a host that leaves rows out inside a page is found out by asking again.

A page is as long as was asked for, or as the longest that the host sends, or it ends with the list. One that is
shorter is asked for again, until what it showed in all is as long, or until it shows the same again and again: then
the host sends no longer ones, counts rows that it does not show, or counts wrong.
"""

from __future__ import annotations

from dataclasses import replace

from bulkmove.errors import UnprovenError
from bulkmove.extract.facts import ListFacts
from bulkmove.extract.offsets import TRIES
from bulkmove.model import Page, PageQuery, Record

SAME_ANSWERS = 2  # times that the same rows come again before they are believed to be all
_SHORT_PAGES = 3  # after so many that showed the same rows again, one such answer is enough


class ShortPages:
    """The answers to one query, joined until they make a page."""

    def __init__(self, facts: ListFacts) -> None:
        self._facts = facts
        self._query: PageQuery | None = None
        self._rows: dict[str, Record] = {}
        self._asked = self._same = 0
        self._lowest: int | None = None  # the interval that all of the answers cover
        self._highest: int | None = None

    @property
    def is_asking_again(self) -> bool:
        return self._query is not None

    def joined(self, query: PageQuery, page: Page) -> Page | None:
        """The page with the rows that it showed before; None where it has to be asked for again.

        Raises UnprovenError where other rows are missing each time.
        """
        rows = {record.id or repr(record.data): record for record in page.records}
        full = self._facts.full_length(page, query)
        if len(rows) >= full or (not rows and page.has_next):
            # That nothing comes where more is said to follow is the walk's to judge.
            self._query = None
            return page
        if query != self._query:
            self._begin(query)
        is_news = not rows.keys() <= self._rows.keys()
        is_same = not is_news and len(rows) == len(self._rows)
        self._join(rows)
        self._same = 0 if is_news else self._same + 1
        if not self._is_settled(full, is_same=is_same):
            if self._asked > TRIES:
                raise UnprovenError(f"pages come back with rows left out, others each time ({TRIES} tries)")
            return None
        if is_same and len(self._rows) < full:
            self._facts.short_pages += 1
        self._query = None
        return self._page(page)

    def _begin(self, query: PageQuery) -> None:
        self._query, self._rows = query, {}
        self._asked = self._same = 0
        self._lowest = self._highest = None

    def _join(self, rows: dict[str, Record]) -> None:
        self._asked += 1
        keys = [record.key for record in rows.values() if record.key is not None]
        if keys:
            self._lowest = keys[0] if self._lowest is None else max(self._lowest, keys[0])
            self._highest = keys[-1] if self._highest is None else min(self._highest, keys[-1])
        self._rows |= rows

    def _is_settled(self, full: int, *, is_same: bool) -> bool:
        if len(self._rows) >= full:
            return self._same > 0
        needed = 1 if self._facts.short_pages >= _SHORT_PAGES else SAME_ANSWERS
        return is_same and self._same >= needed

    def _page(self, page: Page) -> Page:
        """All rows within the interval that every answer covered, in order."""
        kept = [
            record
            for record in self._rows.values()
            if record.key is None
            or self._lowest is None
            or self._highest is None
            or self._lowest <= record.key <= self._highest
        ]
        return replace(page, records=sorted(kept, key=lambda record: -1 if record.key is None else record.key))
