"""Which rows of a list a call asks for: by page, or by limit and offset. The other's parameters are passed over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bulkmove.sandbox import drf
from bulkmove.sandbox.calls import Answer, Call, whole_number

Paging = Literal["page", "limit-offset"]

_DEFAULT_SIZE = 100
MOST_A_PAGE = 5000


@dataclass(frozen=True, slots=True)
class Slice:
    """Places `begin` to `end` of a list, and what to change in the call's query for the pages beside it."""

    begin: int
    end: int
    next_changes: dict[str, int] | None
    previous_changes: dict[str, int] | None


def slice_of(call: Call, total: int, paging: Paging, *, most: int = MOST_A_PAGE) -> Slice | None:
    """The slice of a list of `total` rows, `most` at most; None for a page that is not there.

    An offset past the end is empty.
    """
    return _by_page(call, total, most) if paging == "page" else _by_offset(call, total, most)


def page_answer(call: Call, body: bytes, *, total: int, at: Slice, is_envelope: bool) -> Answer:
    """Rows that are encoded already, as an array by themselves or in an envelope."""
    if not is_envelope:
        return Answer(200, body)
    return drf.envelope(
        call, body, total=total, next_changes=at.next_changes, previous_changes=at.previous_changes
    )


def _size(call: Call, name: str, most: int) -> int:
    size = whole_number(call.query.get(name)) or _DEFAULT_SIZE
    return min(size if size > 0 else _DEFAULT_SIZE, most)


def _by_page(call: Call, total: int, most: int) -> Slice | None:
    size, page = _size(call, "page_size", most), drf.page_number(call)
    if page is None or (page > 1 and (page - 1) * size >= total):
        return None
    return Slice(
        begin=(page - 1) * size,
        end=min(page * size, total),
        next_changes={"page": page + 1} if page * size < total else None,
        previous_changes={"page": page - 1} if page > 1 else None,
    )


def _by_offset(call: Call, total: int, most: int) -> Slice:
    size = _size(call, "limit", most)
    offset = max(whole_number(call.query.get("offset")) or 0, 0)
    return Slice(
        begin=min(offset, total),
        end=min(offset + size, total),
        next_changes={"limit": size, "offset": offset + size} if offset + size < total else None,
        previous_changes={"limit": size, "offset": max(offset - size, 0)} if offset else None,
    )
