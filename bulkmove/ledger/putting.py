"""What reading puts down: pages and their bodies, rows kept as they were read, and how far a span is read.

Functions of a connection inside a transaction.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence

from bulkmove.entries import Entry, Kept, Span
from bulkmove.errors import LedgerError
from bulkmove.ledger import gone, tallies
from bulkmove.ledger.chunks import compressed, pack
from bulkmove.ledger.many_rows import execute_rows
from bulkmove.model import OPEN_STATES, State

_INSERT_RECORDS = """
INSERT INTO records
(route, source_id, body, state, target_id, digest, version, source_digest, cause, message, run, chunk, page)
{rows}
"""
_SAVE_SPAN = """
INSERT INTO spans (route, id, lower, upper, reached, is_done, evidence) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (route, id) DO UPDATE
SET upper = min(upper, excluded.upper), reached = excluded.reached, is_done = excluded.is_done, evidence = excluded.evidence
"""
# A split only ever shortens a span: how far it is read is noted with the pages that it brought, and nowhere else.
_CUT_SPAN = """
INSERT INTO spans (route, id, lower, upper, reached, is_done, evidence) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (route, id) DO UPDATE SET upper = min(upper, excluded.upper)
"""


def insert_entries(
    connection: sqlite3.Connection,
    *,
    route: int,
    run: int,
    chunk: int,
    entries: Sequence[Entry],
    is_raw: bool,
) -> None:
    """Put a page's bodies down, and keep those that are open."""
    execute_rows(
        connection,
        _INSERT_RECORDS,
        [
            (
                route, e.source_id, e.part, e.state, e.target_id, e.digest, e.version, e.source_digest,
                e.cause, e.message, run, chunk if e.body is not None else None, chunk,
            )
            for e in entries
        ],
    )  # fmt: skip
    tallies.move(connection, route=route, by=Counter(e.state for e in entries))
    kept = [Kept(e.source_id, e.part, e.target_id, e.key, e.body) for e in entries if e.body is not None]
    if kept:
        is_open = sum(1 for e in entries if e.body is not None and e.state in OPEN_STATES)
        connection.execute(
            "INSERT OR REPLACE INTO chunks (id, route, is_raw, open, kept, bodies) VALUES (?, ?, ?, ?, ?, ?)",
            (chunk, route, is_raw, is_open, len(kept) - is_open, pack(kept)),
        )
    _keep_sources(connection, route=route, entries=entries)


def _keep_sources(connection: sqlite3.Connection, *, route: int, entries: Sequence[Entry]) -> None:
    rows = [(route, e.source_id, compressed(e.record)) for e in entries if e.record is not None]
    if rows:
        connection.executemany(
            "INSERT OR REPLACE INTO sources (route, source_id, record) VALUES (?, ?, ?)", rows
        )


def note_page(
    connection: sqlite3.Connection,
    *,
    route: int,
    run: int,
    page: int,
    put_at: float,
    records: int,
    was: int | None,
) -> None:
    """`records`: how many source records the page brought that were not known; `was`: the raw page that it maps."""
    connection.execute(
        "INSERT INTO pages (id, route, run, put_at, records, was) VALUES (?, ?, ?, ?, ?, ?)",
        (page, route, run, put_at, records, was),
    )


def drop_seen(connection: sqlite3.Connection, *, route: int, chunk: int, source_ids: Sequence[str]) -> None:
    """Take back rows that were kept as read, since their mapping follows in the same transaction."""
    cursor = connection.executemany(
        "DELETE FROM records WHERE route = ? AND source_id = ? AND body = 0 AND state = 3",
        [(route, source_id) for source_id in source_ids],
    )
    if cursor.rowcount != len(source_ids):
        raise LedgerError(
            f"chunk {chunk}: {cursor.rowcount} of {len(source_ids)} records are as they were read"
        )
    tallies.move(connection, route=route, by={State.SEEN: -len(source_ids)})
    connection.execute("UPDATE chunks SET open = open - ? WHERE id = ?", (len(source_ids), chunk))
    connection.execute("DELETE FROM chunks WHERE id = ? AND open = 0", (chunk,))


def drop_all_seen(connection: sqlite3.Connection, *, route: int) -> None:
    """Forget what is kept as it was read, but for the names: those that do not come again are gone (`skip_gone`)."""
    is_dropped = f"route = ?1 AND (state = {State.SEEN.value} OR (state = {State.SKIPPED.value} AND cause = '{gone.CAUSE}'))"
    dropped = connection.execute(
        f"SELECT count(*), coalesce(page, -route), state FROM records WHERE {is_dropped} GROUP BY 2, 3",  # noqa: S608  our own names
        (route,),
    ).fetchall()
    connection.execute(
        f"INSERT OR REPLACE INTO gone (route, source_id, run) SELECT route, source_id, 0 FROM records WHERE {is_dropped}",  # noqa: S608  our own names
        (route,),
    )
    connection.executemany(
        "UPDATE pages SET records = records - ? WHERE id = ?", [(count, page) for count, page, _ in dropped]
    )
    for count, _, state in dropped:
        tallies.move(connection, route=route, by={State(state): -count})
    connection.execute(f"DELETE FROM records WHERE {is_dropped}", (route,))  # noqa: S608  our own names
    connection.execute("DELETE FROM chunks WHERE route = ? AND is_raw = 1", (route,))


def cut_spans(connection: sqlite3.Connection, *, route: int, spans: Iterable[Span]) -> None:
    """Add new spans, and shorten those that are there."""
    connection.executemany(
        _CUT_SPAN, [(route, s.id, s.lower, s.upper, s.reached, s.is_done, s.evidence) for s in spans]
    )


def save_spans(connection: sqlite3.Connection, *, route: int, spans: Iterable[Span]) -> None:
    """A span only ever shrinks at its upper end: a page of a span that was split may come in after the split."""
    connection.executemany(
        _SAVE_SPAN, [(route, s.id, s.lower, s.upper, s.reached, s.is_done, s.evidence) for s in spans]
    )
