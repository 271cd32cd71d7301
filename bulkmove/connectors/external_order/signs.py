"""What pages of orders show of their host's ways, a Finding a question. Pure: the pages are asked for in `examine`.

Nothing is documented of any of this. Servers of this kind pass over a parameter that they don't know without a word,
so that an effect has to be seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bulkmove.connectors.dates import epoch_seconds
from bulkmove.connectors.drf_list import Rows
from bulkmove.connectors.external_order import names
from bulkmove.connectors.external_order.dialect import Dialect, run_together
from bulkmove.model import Finding
from bulkmove.settings import HostSettings

# The first page asks for these sizes, by number and by offset.
FEW, FEWER = 3, 2


def rows_read(dialect: Dialect, found: Rows | None) -> list[Any]:
    """The rows, underscored."""
    return [] if found is None else list(dialect.read(found.rows))


def numbers(dialect: Dialect, found: Rows | None) -> list[int]:
    """The orders' ids, which rise as orders are made; none where any of them is no number."""
    ids = [row.get(names.ID) if isinstance(row, dict) else None for row in rows_read(dialect, found)]
    whole = [each for each in ids if type(each) is int]
    return whole if len(whole) == len(ids) else []


def dialect_seen(first: Rows, set_to: Dialect) -> Dialect:
    """The host's own spelling, as far as its rows show it."""
    is_underscored = _is_underscored(first)
    return set_to if is_underscored is None else Dialect(is_underscored, set_to.is_numbered)


def _is_underscored(first: Rows) -> bool | None:
    keys = {key for row in first.rows if isinstance(row, dict) for key in row}
    has_one, has_other = names.ID in keys, run_together(names.ID) in keys
    return None if has_one == has_other else has_one


def shape(first: Rows) -> Finding:
    if first.total is None and first.has_next is None:
        return Finding(
            "lists", "note", "a bare array, which tells neither how many rows there are nor the end"
        )
    return Finding("lists", "good", "an envelope with count and next")


def spelling(first: Rows, set_to: Dialect) -> Finding:
    is_underscored = _is_underscored(first)
    now = _spelling_of(set_to.is_underscored)
    if is_underscored is None:
        text = f"no order shows it; assumed {now}"
        return Finding("spelling", "assumed", text, f'options.spelling = "{now}"')
    seen = _spelling_of(is_underscored)
    if seen == now:
        return Finding("spelling", "good", seen)
    return Finding("spelling", "bad", f"{seen}, and {now} is set", f'options.spelling = "{seen}"')


def _spelling_of(is_underscored: bool) -> str:  # noqa: FBT001  the value itself
    return "underscored" if is_underscored else "run-together"


def dates(rows: Sequence[Any], host: HostSettings) -> Finding:
    """The form of `created_at`."""
    question = names.CREATED_AT
    if not rows:
        return Finding(question, "assumed", "no order shows its form; all forms are read")
    value = rows[0].get(question) if isinstance(rows[0], dict) else None
    if value is None:
        return Finding(question, "note", "absent: no row tells when it was made")
    if not isinstance(value, str) or value.isdigit():
        return Finding(question, "good", "unix seconds")
    try:
        is_date = epoch_seconds(value, None) is not None
    except LookupError:
        if host.timezone is not None:
            return Finding(question, "good", f"ISO 8601, in {host.timezone}")
        text = "ISO 8601 without a time zone, and none is set"
        return Finding(question, "bad", text, 'timezone = "Europe/Chisinau"')
    return Finding(question, "good", "ISO 8601") if is_date else Finding(question, "note", "in no known form")


def paging(first: Rows, many: Rows | None, set_to: Dialect) -> Finding:
    """`first` asked for 3 rows by number and 2 by offset, `many` for a long page by both."""
    now = "page" if set_to.is_numbered else "limit-offset"
    rows, longest = len(first.rows), 0 if many is None else len(many.rows)
    if rows > FEW and not first.has_next:
        return Finding("paging", "note", f"no size takes effect: all {rows} orders come at once")
    if rows > FEW:
        return Finding("paging", "note", f"no size takes effect: pages have {rows} orders whatever is asked")
    seen = {FEW: "page", FEWER: "limit-offset"}.get(rows)
    if seen is None or longest <= rows:
        text = f"too few orders to see what takes effect; assumed {now}"
        return Finding("paging", "assumed", text, f'options.paging = "{now}"')
    if seen == now:
        return Finding("paging", "good", f"{seen} takes effect")
    return Finding("paging", "bad", f"{seen} takes effect, and {now} is set", f'options.paging = "{seen}"')


def page_size(many: Rows | None) -> Finding:
    asked, rows = names.MOST_A_PAGE, 0 if many is None else len(many.rows)
    if rows >= asked:
        return Finding("page size", "good", f"pages of {asked} come whole")
    if many is not None and (many.has_next or (many.total or 0) > rows):
        return Finding(
            "page size", "note", f"a page of {asked} is cut to {rows}; pages are read as they come"
        )
    return Finding("page size", "assumed", f"too few orders to see whether pages of {asked} come whole")


def ordering(sorted_numbers: Sequence[int], *, is_ascending: bool) -> Finding:
    """`sorted_numbers`: of a page asked for in descending order where the first was ascending, else the other way."""
    if len(set(sorted_numbers)) < 2:
        return Finding("ordering", "assumed", "too few orders to see whether it takes effect")
    end = max(sorted_numbers) if is_ascending else min(sorted_numbers)
    if sorted_numbers[0] == end:
        return Finding("ordering", "good", "takes effect")
    return Finding("ordering", "note", "is passed over: orders come in the host's own order")
