"""Findings of a verification put to work again: every change is one transaction.

Functions of a connection.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence

from bulkmove.entries import Entry, Intent, Kept, Member
from bulkmove.errors import LedgerError
from bulkmove.ledger import again, putting, sending, tallies
from bulkmove.ledger.chunks import pack
from bulkmove.ledger.verified import note_mended
from bulkmove.model import State

_AT_TARGET = (State.UNCHANGED, State.WRITTEN)


def reopen(
    connection: sqlite3.Connection,
    *,
    route: int,
    run: int,
    page: int,
    put_at: float,
    mended: Sequence[tuple[int, Entry]],
    intent: int,
    claim_of: tuple[int, str],
) -> None:
    """Let bodies that are at the target, by the ledger, be written once more: changes of their rows, or new rows.

    `mended`: findings by number, each with its body as it is mapped now; a target id says which row is changed, none that
    there is no such row. Those that make a row wait, under the intent of that number, for a look at the list. `claim_of`:
    the list, and the route by its name.
    """
    entries = [entry for _, entry in mended]
    names = [(route, entry.source_id, entry.part) for entry in entries]
    again.note_past(connection, names)
    moved = Counter({State.PENDING: len(names)})
    moved.subtract(_states(connection, names))
    connection.executemany(
        "UPDATE records SET state = 4, target_id = ?, digest = ?, version = ?, source_digest = ?, cause = NULL,"
        " message = NULL, attempts = 0, failed_at = NULL, run = ?, chunk = ?, page = ?"
        " WHERE route = ? AND source_id = ? AND body = ?",
        [
            (e.target_id, e.digest, e.version, e.source_digest, run, page, page, *name)
            for e, name in zip(entries, names, strict=True)
        ],
    )
    tallies.move(connection, route=route, by=moved)
    kept = [Kept(e.source_id, e.part, e.target_id, e.key, e.body or b"{}") for e in entries]
    connection.execute(
        "INSERT INTO chunks (id, route, is_raw, open, kept, bodies) VALUES (?, ?, 0, ?, 0, ?)",
        (page, route, len(kept), pack(kept)),
    )
    putting.note_page(connection, route=route, run=run, page=page, put_at=put_at, records=0, was=None)
    creates = [entry for entry in entries if entry.target_id is None]
    if creates:
        members = [Member(entry.source_id, entry.part, page) for entry in creates]
        parked = Intent(id=intent, sent_at=0.0, members=members, refusal="rejected")
        sending.save_intent(connection, intent=parked, route=route, run=run, is_parked=True)
        connection.executemany(
            "UPDATE keys SET body = ? WHERE list = ? AND key = ? AND route = ? AND source_id = ?",
            [(e.part, claim_of[0], e.key, claim_of[1], e.source_id) for e in creates if e.key is not None],
        )
    note_mended(connection, (number for number, _ in mended), run=run)
    connection.execute("UPDATE routes SET is_finished = 0 WHERE id = ?", (route,))


def _states(connection: sqlite3.Connection, names: Sequence[tuple[int, str, int]]) -> Counter[State]:
    """How many bodies are in which state. Raises LedgerError where one is not at the target any more."""
    states: Counter[State] = Counter()
    for name in names:
        row = connection.execute(
            "SELECT state FROM records WHERE route = ? AND source_id = ? AND body = ?", name
        ).fetchone()
        if row is None or row[0] not in _AT_TARGET:
            raise LedgerError(f"record {name[1]} is not as it was when it was compared; this is a defect")
        states[State(row[0])] += 1
    return states


def left_open(connection: sqlite3.Connection, route: int) -> tuple[int, int]:
    """How many bodies are open that a repair put to work, and how many that something else did."""
    own, every = connection.execute(
        "SELECT total(run IN (SELECT id FROM runs WHERE kind = ?)), count(*) FROM records"
        " WHERE route = ? AND state IN (3, 4)",
        (again.REPAIR, route),
    ).fetchone()
    return int(own), every - int(own)
