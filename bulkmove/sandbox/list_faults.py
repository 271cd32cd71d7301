"""Lists that are not what was asked for, or not what they say they are: what happens to one page.

the call is heard otherwise     ignored-offset, ignored-filter, ignored-sort (merchantpro), clamped-page
rows of the page                dropped-rows (others each time), hidden-rows (always the same), doubled-rows,
                                unsorted-page, empty-page (the links say that more follows), same-page (the first
                                page that was ever asked for, whatever is asked)
what is said of the list        count-high, count-low, count-odd (another each time), count-none, next-null, next-none,
                                ends-early (the list is said to end with a page half-way through it)
the host's clock                date-ahead, date-behind (both by hours), date-none
"""

from __future__ import annotations

import random
import zlib
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

import orjson

from bulkmove.sandbox.calls import JSON_TYPE, Answer, Call, Json, whole_number

LIST_KINDS = frozenset({"list", "orders", "products"})
CLAMP = 30
CLOCK_OFF_S = 5 * 3600
_OFFSETS = ("start", "offset", "page")
_FILTERS = ("created_after", "created_before", "createdafter")
_LIMITS = ("limit", "page_size")
_SORTS = ("sort",)
_HEARD = frozenset({"ignored-offset", "ignored-filter", "ignored-sort", "clamped-page"})
_CLOCK = {"date-ahead": CLOCK_OFF_S, "date-behind": -CLOCK_OFF_S}
LIST_FAULTS = (
    *sorted(_HEARD),
    "dropped-rows", "hidden-rows", "doubled-rows", "unsorted-page", "empty-page", "same-page",
    "count-high", "count-low", "count-odd", "count-none", "next-null", "next-none",
    "ends-early",
    "date-ahead", "date-behind", "date-none",
)  # fmt: skip


@dataclass(slots=True)
class ListFaults:
    """Makes the faults; `first` are the first pages that each list answered with, for same-page."""

    first: dict[str, bytes] = field(default_factory=dict)

    def hear(self, name: str, call: Call) -> None:
        """Change what is heard of the call, where the fault is of that kind."""
        query = call.query
        taken = {"ignored-offset": _OFFSETS, "ignored-filter": _FILTERS, "ignored-sort": _SORTS}.get(name, ())
        for each in taken:
            query.pop(each, None)
        if name == "clamped-page":
            for each in _LIMITS:
                limit = whole_number(query.get(each))
                if limit is not None and limit > CLAMP:
                    query[each] = str(CLAMP)

    def tell(self, name: str, call: Call, answer: Answer, *, dice: random.Random, now: float) -> Answer:
        """The answer as the client gets it."""
        if name in _CLOCK:
            answer.headers["Date"] = formatdate(now + _CLOCK[name], usegmt=True)
        elif name == "date-none":
            answer.headers["Date"] = ""
        elif name not in _HEARD and answer.is_success and answer.content_type == JSON_TYPE:
            if name == "same-page":
                answer.body = self.first.setdefault(call.path, answer.body)
            else:
                page = orjson.loads(answer.body)
                answer.body = orjson.dumps(_spoilt(name, page, dice, place=_place(call)))
        return answer


def _place(call: Call) -> int:
    """Where the page that is asked for begins."""
    query = call.query
    start = whole_number(query.get("start", query.get("offset")))
    if start is not None:
        return start
    return ((whole_number(query.get("page")) or 1) - 1) * (whole_number(query.get("page_size")) or 0)


def _spoilt(name: str, page: Any, dice: random.Random, *, place: int) -> Any:
    rows: list[Json] = page if isinstance(page, list) else page["data" if "data" in page else "results"]
    if name == "dropped-rows" and rows:
        lost = {dice.randrange(len(rows))} | {number for number in range(len(rows)) if dice.random() < 0.05}
        rows[:] = [row for number, row in enumerate(rows) if number not in lost]
    elif name == "hidden-rows":
        rows[:] = [row for row in rows if not is_hidden(row)]
    elif name == "doubled-rows" and rows:
        doubled = dice.randrange(len(rows))
        rows.insert(doubled, rows[doubled])
    elif name == "unsorted-page":
        dice.shuffle(rows)
    elif name == "empty-page":
        rows.clear()
    elif isinstance(page, dict):
        _misstate(name, page, dice, place=place, length=len(rows))
    return page


def is_hidden(row: Json) -> bool:
    """Whether hidden-rows never shows this row: one in ten."""
    row_id = row.get("id", row.get("order_id"))
    return zlib.crc32(str(row_id).encode()) % 10 == 0


def _misstate(name: str, page: Json, dice: random.Random, *, place: int, length: int) -> None:
    counts, total = (page["meta"]["count"], "total") if "meta" in page else (page, "count")
    links = page["meta"]["links"] if "meta" in page else page
    said = counts[total]
    if name == "count-none":
        del counts[total]
    elif name == "next-none":
        del links["next"]
    elif name == "next-null":
        links["next"] = None
    elif name == "ends-early":
        end = counts[total] = length * -(-said // max(1, 2 * length))
        if place + length >= end:
            links["next"] = None
    else:
        odd = dice.randint(0, 2 * said + 3)
        counts[total] = {"count-high": said + said // 2 + 3, "count-low": said // 2}.get(name, odd)
