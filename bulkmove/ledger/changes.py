"""Every change of the ledger, as a function of a connection inside a transaction."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence

import orjson

from bulkmove.entries import Entry, Intent, Kept, Member, Sent, Settled, Span, TargetKey
from bulkmove.errors import LedgerError
from bulkmove.ledger import gone, keeping, tallies
from bulkmove.ledger.chunks import compressed, keep_only, pack
from bulkmove.model import OPEN_STATES, State

_INSERT_RECORDS = """
INSERT INTO records
(route, source_id, body, state, target_id, digest, version, source_digest, cause, message, run, chunk, page)
VALUES {rows}
"""
_SETTLE = """
UPDATE records
SET is_created = is_created OR (v.column5 = 2 AND target_id IS NULL),
    state = v.column5, target_id = coalesce(v.column6, target_id), cause = v.column7, message = v.column8,
    chunk = v.column9, run = v.column4, request = coalesce(v.column10, request)
FROM (VALUES {rows}) AS v
WHERE records.route = v.column1 AND records.source_id = v.column2 AND records.body = v.column3
    AND records.state IN (3, 4)
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
_CLAIM = """
INSERT INTO keys (list, key, rows, route, source_id, body) VALUES {rows}
ON CONFLICT (list, key) DO UPDATE
SET source_id = iif(route IS NULL, excluded.source_id, source_id), body = iif(route IS NULL, excluded.body, body),
    route = coalesce(route, excluded.route)
"""
_KEY_READ = """
INSERT INTO keys (list, key, target_id, rows, fields) VALUES (?, ?, ?, 1, ?)
ON CONFLICT (list, key) DO UPDATE SET rows = rows + 1 WHERE target_id <> excluded.target_id
"""


# SQLite hands Python's lock back at each step of a statement: a hundred rows in one statement take it once, not
# a hundred times against a busy event loop. At most so many rows, of at most 13 values, fit one statement.
ROWS_A_STATEMENT = 200


def _execute_rows(connection: sqlite3.Connection, statement: str, rows: Sequence[tuple[object, ...]]) -> int:
    """Run a statement whose `{rows}` is a VALUES list; how many rows it changed."""
    changed = 0
    for start in range(0, len(rows), ROWS_A_STATEMENT):
        part = rows[start : start + ROWS_A_STATEMENT]
        marks = ",".join(["(" + ",".join("?" * len(part[0])) + ")"] * len(part))
        values = [value for row in part for value in row]
        changed += connection.execute(statement.replace("{rows}", marks), values).rowcount
    return changed


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
    _execute_rows(
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


def claim_keys(connection: sqlite3.Connection, *, list_id: int, route: str, entries: Iterable[Entry]) -> None:
    """The bodies claim their keys; those that create a row with it are named, since only they can be doubled."""
    rows = [
        (list_id, e.key, 0, route, e.source_id, e.part if _is_create(e) else None)
        for e in entries
        if e.key is not None
    ]
    _execute_rows(connection, _CLAIM, rows)


def _is_create(entry: Entry) -> bool:
    return entry.target_id is None and entry.state is State.PENDING


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
    noted = _execute_rows(
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


def note_request(connection: sqlite3.Connection, *, route: int, run: int, sent: Sent) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO requests (id, route, run, sent_at, answered_at, bodies, said)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (sent.id, route, run, sent.sent_at, sent.answered_at, sent.bodies, sent.said),
    )


def note_tries(
    connection: sqlite3.Connection, *, route: int, members: Sequence[Member], request: int
) -> None:
    """The request carried these bodies and settled none of them."""
    connection.executemany(
        "INSERT OR IGNORE INTO tries (route, source_id, body, request) VALUES (?, ?, ?, ?)",
        [(route, m.source_id, m.part, request) for m in members],
    )


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


def save_intent(
    connection: sqlite3.Connection, *, intent: Intent, route: int, run: int, is_parked: bool
) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO intents (id, route, run, sent_at, is_parked, refusal, members)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            intent.id,
            route,
            run,
            intent.sent_at,
            is_parked,
            intent.refusal,
            orjson.dumps([tuple(member) for member in intent.members]),
        ),
    )


def note_doubt(connection: sqlite3.Connection, *, route: int) -> None:
    """A write of the route is, or was, in doubt."""
    connection.execute("UPDATE routes SET was_doubted = 1 WHERE id = ? AND was_doubted = 0", (route,))


def note_left_open(connection: sqlite3.Connection) -> None:
    """What an ended run left open is in doubt."""
    connection.execute("UPDATE routes SET was_doubted = 1 WHERE id IN (SELECT route FROM intents)")


def close_intent(connection: sqlite3.Connection, intent: int) -> None:
    connection.execute("DELETE FROM intents WHERE id = ?", (intent,))


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


def add_keys(connection: sqlite3.Connection, *, list_id: int, keys: Iterable[TargetKey]) -> None:
    connection.executemany(_KEY_READ, [(list_id, k.key, k.target_id, k.fields) for k in keys])
