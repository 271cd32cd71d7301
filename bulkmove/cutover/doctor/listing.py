"""One list, looked at by a few GETs: does it answer, in whole pages, one after the other, sorted, by filters that take effect?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bulkmove.cutover.doctor.finding import Findings
from bulkmove.exact import name_of_content
from bulkmove.model import Page, PageQuery, Record
from bulkmove.protocols import Source

# Enough rows to tell one page from another, few enough to be quick.
_ROWS_TO_COMPARE = 10
# Fewer rows than these can come in the same order twice by chance.
_ROWS_BEYOND_CHANCE = 5
_FAR_AHEAD_S = 10 * 365 * 86_400


@dataclass(frozen=True, slots=True)
class ListLook:
    """What is looked at. `name` begins each question; `now` is the host's time, in epoch seconds."""

    name: str
    source: Source
    now: int

    def query(self, *, limit: int, offset: int = 0) -> PageQuery:
        """As a run asks, by the dates that the user's own filter names."""
        listing = self.source.listing
        after = None if listing.first_key is None else listing.first_key - 1
        before = None if listing.last_key is None else listing.last_key + 1
        return PageQuery(limit=limit, offset=offset, after=after, before=before)


async def look_at_list(look: ListLook, findings: Findings) -> Sequence[Record]:
    """At most 5 requests; the rows of the first page. Raises what Source.fetch raises."""
    listing = look.source.listing
    first = await look.source.fetch(look.query(limit=listing.page_limit))
    rows = first.records
    _judge_rows(look, first, findings)
    if listing.reading == "once":
        return rows
    _judge_page_size(look, first, findings)
    await _look_at_pages(look, first, findings)
    keys = _keys(rows)
    if listing.reading == "keyset":
        await _look_at_dates(look, first, findings)
    elif keys:
        await _look_at_unused_filter(look, keys, findings)
    return rows


def _judge_rows(look: ListLook, first: Page, findings: Findings) -> None:
    rows = len(first.records)
    question = f"{look.name}: rows"
    if not rows and first.has_next is not True and not first.total:
        findings.good(question, "answers; the list is empty")
    elif first.total is not None:
        findings.good(question, f"{_rows(first.total)}, as the host counts them")
    elif look.source.listing.reading == "once":
        findings.good(question, f"{_rows(rows)}{' and more' if first.has_next else ''}")
    elif first.has_next is False:
        findings.note(question, f"all {_rows(rows)} in one page; how many there are is not told")
    else:
        findings.note(
            question,
            f"{_rows(rows)} in a page; "
            + ("more follow, how many is not told" if first.has_next else "how many there are is not told"),
        )
    nameless = sum(row.id is None for row in first.records)
    if nameless:
        findings.note(question, f"{nameless} of the first {_rows(rows)} show no id")
    faults = [row.fault for row in first.records if row.fault is not None]
    if faults:
        findings.note(question, f"{len(faults)} of the first {_rows(rows)} can't be read: {faults[0]}")


def _judge_page_size(look: ListLook, first: Page, findings: Findings) -> None:
    rows, limit = len(first.records), look.source.listing.page_limit
    question, asked = f"{look.name}: page size", f"{limit:,} rows were asked for, {rows:,} came"
    has_more = first.has_next is True or (first.total or 0) > rows
    if rows > limit:
        findings.note(question, f"{asked}: it is not heeded")
    elif rows == limit:
        findings.good(question, f"{limit:,} rows, as asked for")
    elif has_more:
        findings.note(question, f"{asked}: a run will get pages of {rows:,}")


async def _look_at_pages(look: ListLook, first: Page, findings: Findings) -> None:
    """Ask for rows that the first page showed already, as a page of their own."""
    question = f"{look.name}: pages"
    size = min(_ROWS_TO_COMPARE, len(first.records) // 2)
    if not size:
        findings.assumed(
            question, "fewer than 2 rows are there: that pages follow each other could not be seen"
        )
        return
    names = [_name(row) for row in first.records]
    page = await look.source.fetch(look.query(limit=size, offset=size))
    if [_name(row) for row in page.records[:size]] == names[:size]:
        _judge_repeat(question, first, size=size, findings=findings)
    else:
        _judge_second(look, names, page, size=size, findings=findings)


def _judge_repeat(question: str, first: Page, *, size: int, findings: Findings) -> None:
    said = "the first rows came again when later ones were asked for: offsets are not heeded"
    if first.has_next is False:
        findings.note(question, f"{said}; the whole list comes in one page, so that none is missed")
    elif size < _ROWS_BEYOND_CHANCE:
        findings.assumed(question, "too few rows are there to tell whether pages follow each other")
    else:
        findings.bad(question, said)


def _judge_second(look: ListLook, names: Sequence[str], page: Page, *, size: int, findings: Findings) -> None:
    question = f"{look.name}: pages"
    is_one = size == 1
    asked, were = ("row 2", "was") if is_one else (f"rows {size + 1} to {2 * size}", "were")
    second = [_name(row) for row in page.records]
    if not second:
        if look.source.listing.can_overlap:
            findings.bad(
                question, f"{asked} {were} asked for and did not come, though the first page showed them"
            )
        else:
            findings.note(
                question,
                f"{asked} {were} asked for and did not come: the host's pages have a size of their own",
            )
        return
    if len(second) > size:
        findings.note(
            f"{look.name}: page size",
            f"a page of {size:,} was asked for and {len(second):,} rows came: the host's pages have a size of their own",
        )
    if set(second) & set(names[:size]):
        findings.note(question, "the second page repeats rows of the first: their order is not stable")
    else:
        findings.good(
            question, f"{asked} follows the first" if is_one else f"{asked} follow the first {size:,}"
        )


async def _look_at_dates(look: ListLook, first: Page, findings: Findings) -> None:
    keys = _keys(first.records)
    undated = len(first.records) - len(keys)
    if undated:
        text = (
            f"{undated} of the first {_rows(len(first.records))} show none: no run reads rows without a date"
        )
        findings.note(f"{look.name}: dates", text)
    if undated and not keys:  # they are sorted first, and fill a page
        dated = await look.source.fetch(PageQuery(limit=look.source.listing.page_limit, after=0))
        keys = _keys(dated.records)
    _judge_order(look, keys, findings)
    await _look_at_filter(look, keys, findings)


def _judge_order(look: ListLook, keys: Sequence[int], findings: Findings) -> None:
    question = f"{look.name}: order"
    if len(set(keys)) < 2:
        findings.assumed(
            question, "fewer than 2 dates are there: that rows come oldest first could not be seen"
        )
    elif list(keys) == sorted(keys):
        findings.good(question, "oldest first")
    elif list(keys) == sorted(keys, reverse=True):
        findings.bad(question, "newest first, although oldest first was asked for: sorting takes no effect")
    else:
        findings.bad(question, "rows are not in the order of their dates: sorting takes no effect")


async def _look_at_filter(look: ListLook, keys: Sequence[int], findings: Findings) -> None:
    question = f"{look.name}: filter"
    if not keys:
        findings.assumed(question, "no row shows a date: that the filter by date takes effect was not seen")
        return
    far = max(look.now, *keys) + _FAR_AHEAD_S
    ahead = await look.source.fetch(PageQuery(limit=1, after=far))
    if any(row.key is not None for row in ahead.records):
        findings.bad(question, "rows from after a date in ten years came: the filter by date takes no effect")
        return
    middle = sorted(keys)[len(keys) // 2]
    limit = look.source.listing.page_limit
    alone = await look.source.fetch(PageQuery(limit=limit, after=middle - 1, before=middle + 1))
    dated = _keys(alone.records)
    if any(not middle - 1 <= key <= middle + 1 for key in dated):
        findings.bad(question, "one second was asked for and rows of others came: a bound takes no effect")
    elif middle not in dated:
        findings.bad(
            question,
            "a row's own second was asked for and the row did not come: the filter is coarser than a second, or in "
            "another time zone",
        )
    else:
        findings.good(question, "takes effect, to the second")


async def _look_at_unused_filter(look: ListLook, keys: Sequence[int], findings: Findings) -> None:
    """The list is read in passes all the same; but the user may count on it in `where`."""
    far = max(look.now, *keys) + _FAR_AHEAD_S
    ahead = await look.source.fetch(PageQuery(limit=1, after=far))
    if any(row.key is not None and row.key <= far for row in ahead.records):
        findings.note(
            f"{look.name}: filter", "by date takes no effect: leave it out of `where`; the list is read whole"
        )
    else:
        findings.good(f"{look.name}: filter", "by date takes effect")


def _keys(rows: Sequence[Record]) -> list[int]:
    return [row.key for row in rows if row.key is not None]


def _name(row: Record) -> str:
    return row.id if row.id is not None else "\0" + name_of_content(row.data)


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"
