"""Updates that come too late: their row was written for another record, which is newer or was written since.

Functions of a connection inside a transaction. `records` has no index of target ids, so that a question walks a
route's records once for all the rows that are asked about.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import orjson

from bulkmove.entries import Entry
from bulkmove.model import State

CAUSE = "row-written-since"

_WRITERS = """
SELECT r.target_id, r.source_id, r.state, r.page, r.request, p.was IS NOT NULL AND u.kind = 'retry',
    EXISTS (SELECT 1 FROM former AS f WHERE f.route = r.route AND f.source_id = r.source_id AND f.body = r.body)
FROM records AS r LEFT JOIN pages AS p ON p.id = r.page LEFT JOIN runs AS u ON u.id = p.run
WHERE r.route = ? AND r.state IN (2, 4) AND r.target_id IN (SELECT value FROM json_each(?))
ORDER BY r.page DESC, r.request DESC
"""
_FIRST_PAGE = """
WITH RECURSIVE before (id) AS
(SELECT ?1 UNION SELECT p.was FROM pages AS p JOIN before ON p.id = before.id WHERE p.was IS NOT NULL)
SELECT min(id) FROM before
"""


class Past(NamedTuple):
    """Where a record that is mapped anew was put down so far, and the last request that carried it."""

    page: int | None
    request: int | None


class _Writer(NamedTuple):
    """A body that wrote a row, or is to. `is_anew`: a retry mapped it; `was_retried`: it failed before."""

    target_id: str
    source_id: str
    state: State
    page: int | None
    request: int | None
    is_anew: bool
    was_retried: bool


def without_overtaken(
    connection: sqlite3.Connection, *, route: int, entries: Sequence[Entry], was: Mapping[str, Past]
) -> list[Entry]:
    """The entries, rejected where another record wrote their row, or is to, and is newer or did so since.

    `was`: of each record, from before it was mapped anew.
    """
    rows = sorted({e.target_id for e in entries if e.state is State.PENDING and e.target_id is not None})
    if not rows:
        return list(entries)
    writers: dict[str, list[_Writer]] = defaultdict(list)
    for target_id, source_id, state, *rest in connection.execute(
        _WRITERS, (route, orjson.dumps(rows).decode())
    ):
        writers[target_id].append(_Writer(target_id, source_id, State(state), *rest))
    checked: list[Entry] = []
    for entry in entries:
        past = was.get(entry.source_id, Past(None, None))
        others = [] if entry.state is not State.PENDING else writers.get(entry.target_id or "", [])
        later = next(
            (w for w in others if w.source_id != entry.source_id and _is_later(connection, w, past)), None
        )
        if later is not None:
            message = (
                f"record {later.source_id} wrote row {later.target_id} of the target since, or is to write it"
            )
            entry = entry._replace(state=State.REJECTED, cause=CAUSE, message=message)  # noqa: PLW2901  the same entry
        checked.append(entry)
    return checked


def _is_later(connection: sqlite3.Connection, other: _Writer, past: Past) -> bool:
    """Whether what the other wrote, or writes, shall stay. Where nothing tells, it shall."""
    if past.page is None or other.page is None:
        return True
    mine = _first_page(connection, past.page)
    if other.state is State.PENDING:
        # What a retry mapped goes in the order of its pages, before this one; whenever else it goes is not known.
        return not other.is_anew or _first_page(connection, other.page) > mine
    if other.was_retried:
        return True
    if other.page == mine and past.request is not None and other.request is not None:
        return other.request > past.request
    return other.page >= mine


def _first_page(connection: sqlite3.Connection, page: int) -> int:
    """The page that first put down what this one holds, through all that were put in its place."""
    first: int = connection.execute(_FIRST_PAGE, (page,)).fetchone()[0]
    return first
