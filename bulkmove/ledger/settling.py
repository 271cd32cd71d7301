"""Outcomes, each noted once, and what becomes of the bodies that are settled, failed again, or open again.

Functions of a connection inside a transaction.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence

from bulkmove.entries import Member, Sent, Settled
from bulkmove.errors import LedgerError
from bulkmove.ledger import keeping, tallies
from bulkmove.ledger.chunks import keep_only
from bulkmove.ledger.many_rows import execute_rows
from bulkmove.model import State

_SETTLE = """
UPDATE records
SET is_created = is_created OR (v.c5 = 2 AND target_id IS NULL),
    state = v.c5, target_id = coalesce(v.c6, target_id), cause = v.c7, message = v.c8,
    chunk = v.c9, run = v.c4, request = coalesce(v.c10, request)
FROM ({rows}) AS v
WHERE records.route = v.c1 AND records.source_id = v.c2 AND records.body = v.c3
    AND records.state IN (3, 4)
"""


def settle(
    connection: sqlite3.Connection,
    *,
    route: int,
    run: int,
    settled: Sequence[Settled],
    sent: Sent | None = None,
    keeps: bool = False,
) -> None:
    """Note outcomes. Each body must be open: an outcome is noted once. `keeps`: what is written is kept."""
    if not settled:
        return
    request = None if sent is None else sent.id
    noted = execute_rows(
        connection,
        _SETTLE,
        [
            (
                route, s.member.source_id, s.member.part, run, s.state, s.target_id, s.cause, s.message,
                s.member.chunk if s.state >= State.REJECTED else None, request,
            )
            for s in settled
        ],
    )  # fmt: skip
    if noted != len(settled):
        raise LedgerError(f"{len(settled) - noted} outcomes belong to no open record; this is a defect")
    outcomes = Counter(s.state for s in settled)
    outcomes[State.PENDING] -= noted
    tallies.move(connection, route=route, by=outcomes)
    answers = [(route, s.member.source_id, s.member.part, s.answer) for s in settled if s.answer is not None]
    if answers:
        connection.executemany(
            "INSERT OR REPLACE INTO answers (route, source_id, body, answer) VALUES (?, ?, ?, ?)", answers
        )
    if keeps:
        keeping.keep_written(connection, route=route, settled=settled)
    _close_chunks(connection, settled)


def _close_chunks(connection: sqlite3.Connection, settled: Sequence[Settled]) -> None:
    closed = Counter(s.member.chunk for s in settled)
    failed = Counter(s.member.chunk for s in settled if s.state >= State.REJECTED)
    for chunk, count in closed.items():
        row = connection.execute(
            "UPDATE chunks SET open = open - ?, kept = kept + ? WHERE id = ? RETURNING open, kept, route",
            (count, failed[chunk], chunk),
        ).fetchone()
        if row is None:
            raise LedgerError(f"chunk {chunk} is gone while its records were open; this is a defect")
        is_open, kept, route = row
        if is_open == 0 and kept == 0:
            connection.execute("DELETE FROM chunks WHERE id = ?", (chunk,))
        elif is_open == 0:
            rows = connection.execute(
                "SELECT source_id, body FROM records WHERE route = ? AND state >= 5 AND chunk = ?",
                (route, chunk),
            ).fetchall()
            (bodies,) = connection.execute("SELECT bodies FROM chunks WHERE id = ?", (chunk,)).fetchone()
            connection.execute("UPDATE chunks SET bodies = ? WHERE id = ?", (keep_only(bodies, rows), chunk))


def drop_rejected_bodies(connection: sqlite3.Connection, *, route: int) -> None:
    """Bodies of what was rejected were made for another target, or to be written otherwise: nobody sends them again."""
    rows = connection.execute(
        "SELECT chunk, count(*) FROM records WHERE route = ? AND state >= 5 AND state = 5 AND chunk IS NOT NULL"
        " GROUP BY chunk",
        (route,),
    ).fetchall()
    connection.execute(
        "UPDATE records SET chunk = NULL WHERE route = ? AND state >= 5 AND state = 5 AND chunk IS NOT NULL",
        (route,),
    )
    for chunk, count in rows:
        is_open, kept = connection.execute(
            "UPDATE chunks SET kept = kept - ? WHERE id = ? RETURNING open, kept", (count, chunk)
        ).fetchone()
        if not is_open and not kept:
            connection.execute("DELETE FROM chunks WHERE id = ?", (chunk,))


def count_attempt(
    connection: sqlite3.Connection, *, route: int, members: Sequence[Member], at: float
) -> None:
    connection.executemany(
        "UPDATE records SET attempts = attempts + 1, failed_at = coalesce(failed_at, ?)"
        " WHERE route = ? AND source_id = ? AND body = ?",
        [(at, route, m.source_id, m.part) for m in members],
    )


def forget_attempts(connection: sqlite3.Connection) -> None:
    """What failed in an earlier run is no record's fault before it fails in this one: the host may have been down."""
    connection.execute(
        "UPDATE records SET attempts = 0, failed_at = NULL WHERE attempts > 0 AND state IN (3, 4)"
    )


def revive_unknown(connection: sqlite3.Connection, *, route: int, members: Sequence[Member]) -> None:
    """Look again at what was unknown: its bodies were kept, and it is open again."""
    revived = connection.executemany(
        "UPDATE records SET state = 4, cause = NULL, message = NULL, attempts = 0, failed_at = NULL"
        " WHERE route = ? AND source_id = ? AND body = ? AND state = 6",
        [(route, m.source_id, m.part) for m in members],
    ).rowcount
    tallies.move(connection, route=route, by={State.UNKNOWN: -revived, State.PENDING: revived})
    for chunk, count in Counter(m.chunk for m in members).items():
        connection.execute(
            "UPDATE chunks SET open = open + ?, kept = kept - ? WHERE id = ?", (count, count, chunk)
        )
