"""A list read whole beside a route: a target's keys, writes in doubt, look-ups, or to be printed.

Nothing of the reading itself is kept in a ledger.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from bulkmove import clock
from bulkmove.entries import Span
from bulkmove.exact import name_of_content
from bulkmove.extract.keyset import read_keyset
from bulkmove.extract.once import read_unkeyed
from bulkmove.extract.plan import plan_spans
from bulkmove.extract.reader import ReadPage
from bulkmove.extract.tally import Tally
from bulkmove.extract.undated import count_undated
from bulkmove.model import PageQuery, Record
from bulkmove.protocols import Derive, FindsById, Source

RowsSink = Callable[[Sequence[Record]], Awaitable[None]]

# A row that was made a moment ago by a host whose clock runs ahead is among those that are read, and so is one that
# is dated in the future: then up to a year that dates can still name.
_AHEAD_S = 86_400
_END_OF_TIME = 250_000_000_000
_QUIET_ANSWERS = 2
# A record can't come to match these, or cease to, by a change.
LASTING_FILTERS = frozenset({"created_after", "created_before", "id", "ids"})


# Of long pages fewer at a time: each is some megabytes before its rows are taken out of it.
MOST_ROWS_AT_ONCE = 6_000


async def read_list(
    source: Source,
    sink: RowsSink,
    *,
    readers: Callable[[], int],
    derive: Derive | None = None,
    looks_behind: bool = True,
) -> int:
    """Read a list as a route would, proof and all; `sink` gets each row once, rows without an id by their content.

    Returns how many rows have no date, by the host's own counts, and were not read: of a list that is read along its
    dates alone. `readers`: how many pages to fetch at a time. `derive`: what each row that is read becomes
    (`StreamSpec.derive`). `looks_behind`: see `read_passes`. Raises UnprovenError, BadAnswerError and what the transport raises; what `sink` raises ends
    the reading.
    """
    async with Tally() as seen, Tally() as passes:

        async def show(records: Sequence[Record]) -> None:
            rows = [row for record in records for row in derive(record)] if derive is not None else records
            by_name = {
                row.id if row.id is not None else "\0" + name_of_content(row.data): row for row in rows
            }
            new = await seen.add(1, list(by_name))
            if fresh := [row for name, row in by_name.items() if name in new]:
                await sink(fresh)

        async def show_page(page: ReadPage) -> None:
            await show(page.records)

        listing = source.listing
        if listing.reading != "keyset":
            # Passes hand each row on once by themselves.
            is_once_each = listing.reading == "passes" and derive is None
            await read_unkeyed(
                source,
                concurrency=lambda: min(readers(), max(2, MOST_ROWS_AT_ONCE // listing.page_limit)),
                sink=sink if is_once_each else show,
                tally=passes,
                looks_behind=looks_behind,
            )
            return 0
        spans = await plan_spans(source, cutoff=await last_key(source), count=readers())
        await read_keyset(
            source, spans, limit=listing.page_limit, workers=readers, sink=show_page, on_split=_forget
        )
    return await count_undated(source)


async def last_key(source: Source) -> int:
    """A key after which there is no row: soon, so that spans are cut where rows are, unless a row lies beyond it."""
    page = await source.fetch(PageQuery(limit=1))
    now = page.date if page.date is not None else clock.now()
    soon = int(now) + _AHEAD_S
    beyond = await source.fetch(PageQuery(limit=1, after=soon))
    is_later = any(record.key is not None and record.key > soon for record in beyond.records)
    return _END_OF_TIME if is_later else soon


async def _forget(shortened: Span, new: Span) -> None:
    """There is nothing to resume."""


async def find_all(source: FindsById, ids: Sequence[str]) -> dict[str, Record]:
    """Those of the rows that are there, by their ids.

    A page may be cut shorter than was asked for: what is missing is asked for until two answers in a row bring none.
    """
    found: dict[str, Record] = {}
    left, quiet = list(ids), 0
    while left and quiet < _QUIET_ANSWERS:
        brought = {record.id: record for record in await source.find(left) if record.id is not None}
        quiet = 0 if brought else quiet + 1
        found |= brought
        left = [each for each in left if each not in brought]
    return found
