"""One span's way through a sorted list: what to ask for next, and what each answer proves. No I/O.

The cursor is the last key reached, less a second: the next page repeats the rows of that second alone. Where the
cursor can't move, because two neighbouring seconds fill a page, the offset inside the same filter does, so that the
page still begins in the earlier of the two. A second that fills a page by itself is left to be read in passes.
Whether the host's bounds are inclusive makes no difference to any of this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bulkmove.entries import Span
from bulkmove.errors import BadAnswerError, UnprovenError
from bulkmove.extract import cover
from bulkmove.extract.facts import ListFacts
from bulkmove.extract.offsets import TRIES, RepeatWatch
from bulkmove.extract.short import ShortPages
from bulkmove.model import Page, PageQuery, Record

ODD_PAGES = 3  # unsorted pages, or rows outside the filter, in a row before it is no accident
CUT_PAGES = 3  # pages in a row that lacked a row which the filter should have brought


class Walk:
    """Reads one span. Ask for `query()`, hand the answer to `take`, until `span.is_done`.

    `second`: set when that second has to be read in passes, after which `close_second` goes on.
    """

    def __init__(self, span: Span, *, limit: int, facts: ListFacts, is_numbered: bool = False) -> None:
        self.span = span
        self.second: int | None = None
        self._facts = facts
        self._limit = limit
        self._page_limit = limit
        self._is_numbered = is_numbered
        self._after = None if span.reached is None else span.reached - 1
        self._offset = 0
        self._floor = self._after  # the filter of the page that `reached` rests on
        self._edge: frozenset[str] = frozenset()  # ids of the rows at `reached` that this page showed
        self._is_looking_back = False
        self._is_end_likely = False
        self._tie_rows = 0  # how many rows the second before `reached` was counted to hold
        self._tries = 0
        self._odd = 0
        self._cuts = 0
        self._watch = RepeatWatch()
        self._short = ShortPages(facts)

    def query(self) -> PageQuery:
        return PageQuery(limit=self._limit, offset=self._offset, after=self._after, before=self.span.upper)

    def shorten(self, span: Span) -> None:
        """The rest of the span went to another reader. An answer on its way may still prove more than is left."""
        self.span = span

    def take(self, query: PageQuery, page: Page) -> bool:
        """Judge the answer to `query`. Returns whether its rows count as read; how far that goes, `span` tells.

        Raises BadAnswerError where sort, filter or offset take no effect, UnprovenError after too many tries.
        """
        self._facts.note(page)
        keys = cover.dated_keys(page.records)
        if self._is_odd(query, keys):
            return False
        must_differ = query.offset != 0 and not self._short.is_asking_again
        if self._watch.is_stuck(page.records, must_differ=must_differ):
            raise BadAnswerError(f"the list answers the same page at every offset, {self._where()}")
        joined = self._short.joined(query, page)
        return bool(page.records) if joined is None else self._take_whole(query, joined)

    def _take_whole(self, query: PageQuery, page: Page) -> bool:
        keys = cover.dated_keys(page.records)
        if self._lacks_edge(query, keys):
            self._look_back()
            return False
        if self._is_looking_back:
            self._judge_cut(page)
        is_end = self._is_end(query, page, keys)
        if not page.records and not is_end:
            self._try_again("pages came back empty")
            self._step_left(query, page)
            return False
        return self._admit(query, page, is_end=is_end)

    def close_second(self, rows: int) -> None:
        """The second was read in passes, which agreed on `rows` rows."""
        if self.second is None:
            raise ValueError("no second is open")
        self._reach(self.second + 1, after=self.second, evidence=1)
        self._edge = frozenset()
        self._tie_rows = rows
        self.second = None

    def _admit(self, query: PageQuery, page: Page, *, is_end: bool) -> bool:
        reached = self.span.reached
        is_start = reached is None and bool(page.records) and page.records[0].key is None
        proof = cover.prove(page.records, query, is_end=is_end, is_start=is_start)
        if proof is None:
            self._next_offset(query, read=len(page.records))
            return True
        if not cover.chains(proof, reached):
            self._try_again("rows kept moving between the pages")
            self._step_left(query, page)
            return False
        if is_end and query.offset == 0:
            self._facts.note_end(page, len(page.records))
        new = cover.advance(reached, proof, upper=self.span.upper)
        if new == reached:
            self._pass_ties(query, page)
            return True
        self._floor = query.after
        self._edge = frozenset(r.id for r in page.records if r.key == new and r.id is not None)
        self._reach(new, after=new - 1)
        return True

    def _reach(self, reached: int, *, after: int, evidence: int = 0) -> None:
        self.span = replace(
            self.span,
            reached=reached,
            is_done=reached >= self.span.upper,
            evidence=self.span.evidence + evidence,
        )
        self._after, self._offset, self._limit = after, 0, self._page_limit
        self._is_looking_back = False
        self._tries = self._tie_rows = 0

    def _pass_ties(self, query: PageQuery, page: Page) -> None:
        """A page that reached nothing new: go on inside the filter, from the last row that is read for certain."""
        rows = len(page.records)
        lead = cover.leading(page.records, self.span.reached)
        if self._is_end_likely and query.offset == 0:
            return  # what looks like the end is asked for once more
        if lead <= 1 or (self._is_numbered and lead < rows):
            self.second = self.span.reached
        elif lead == rows and self._tie_rows > query.offset + rows and not self._is_numbered:
            self._offset = self._tie_rows - 1
        else:
            self._next_offset(query, read=lead)

    def _next_offset(self, query: PageQuery, *, read: int) -> None:
        """Overlap by a row with the first `read` rows of the page. Numbered pages can't, and follow each other."""
        if self._is_numbered:
            self._limit = self._facts.longest if query.offset == 0 else query.limit
            self._offset = query.offset + self._limit
        else:
            self._offset = query.offset + max(1, read - 1)

    def _step_left(self, query: PageQuery, page: Page) -> None:
        """Rows before the offset went away meanwhile: begin further left, so that the page begins in what is read."""
        if self._is_numbered:
            self._offset = max(0, query.offset - query.limit)
            self.second = self.span.reached if query.offset else None
        else:
            self._offset = max(0, query.offset - max(1, (len(page.records) or self._facts.longest) // 2))

    def _is_end(self, query: PageQuery, page: Page, keys: list[int]) -> bool:
        """Whether nothing follows. A total never shows that.

        Where the clamp is known, a short page does if the host says so too, and if the host says nothing, once a
        page brings no later key. Where it is not, two pages in a row have to say so.
        """
        rows, reached = len(page.records), self.span.reached
        was_likely, self._is_end_likely = self._is_end_likely, False
        if page.has_next is True:
            return False
        if not rows:
            return query.offset == 0 or reached is None
        is_news = bool(keys) and (reached is None or keys[-1] > reached)
        if rows < self._facts.longest:
            return page.has_next is False or not is_news
        self._is_end_likely = page.has_next is False and rows < query.limit
        return was_likely and self._is_end_likely and not is_news

    def _lacks_edge(self, query: PageQuery, keys: list[int]) -> bool:
        """Whether a page should begin with the rows that `reached` rests on, and does not.

        They may have been deleted; or the host's filter is coarser than a second and leaves rows out.
        """
        reached = self.span.reached
        if not self._edge or query.offset or self._is_looking_back or reached is None:
            return False
        if keys and keys[0] <= reached:
            self._cuts = 0
            return False
        return True

    def _look_back(self) -> None:
        self._after, self._offset = self._floor, 0
        self._is_looking_back = True

    def _judge_cut(self, page: Page) -> None:
        if any(record.id in self._edge and record.key == self.span.reached for record in page.records):
            self._cuts += 1
            self._edge = frozenset()
        if self._cuts >= CUT_PAGES:
            raise BadAnswerError(
                f"the filter by date leaves out rows that meet it (is it coarser than a second?), {self._where()}"
            )

    def _is_odd(self, query: PageQuery, keys: list[int]) -> bool:
        fault = None
        if not cover.is_ascending(keys):
            fault = "pages are not sorted by the list's key"
        elif not cover.is_within(keys, query):
            fault = (
                "pages hold rows outside the dates that were asked for: the filter by date takes no effect"
            )
        if fault is None:
            self._odd = 0
            return False
        self._odd += 1
        if self._odd >= ODD_PAGES:
            raise BadAnswerError(f"{fault}, {self._where()}")
        return True

    def _try_again(self, why: str) -> None:
        self._tries += 1
        if self._tries >= TRIES:
            raise UnprovenError(f"could not be proven read after {TRIES} tries ({why}), {self._where()}")

    def _where(self) -> str:
        span = self.span
        start = "the first row" if span.lower is None else span.lower
        stand = "nothing proven yet" if span.reached is None else f"read up to {span.reached}"
        return f"in the window from {start} to {span.upper} ({stand}; seconds since 1970)"


def wanted(records: Sequence[Record], first_key: int | None, last_key: int | None) -> Sequence[Record]:
    """The rows within the keys that the user asked for, both included, and those without a key."""
    if first_key is None and last_key is None:
        return records
    return tuple(
        record
        for record in records
        if record.key is None
        or ((first_key is None or record.key >= first_key) and (last_key is None or record.key <= last_key))
    )
