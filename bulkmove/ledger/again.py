"""Records that failed, put to work again: every change is one transaction.

A record is in a state at every moment, and whoever comes after a run that was killed goes on with it.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import orjson

from bulkmove.entries import Entry, Intent, Item, Member
from bulkmove.errors import LedgerError
from bulkmove.ledger import claiming, overtaken, putting, sending, tallies
from bulkmove.ledger.choosing import FIXED
from bulkmove.ledger.chunks import keep_only, unpack
from bulkmove.ledger.overtaken import Past
from bulkmove.model import State

RETRY = "retry"
REPAIR = "repair"
_IDS = "(SELECT value FROM json_each(?))"


def reopen(
    connection: sqlite3.Connection, *, route: int, run: int, members: Sequence[Member], intent: Intent | None
) -> None:
    """Let failed bodies, which were kept, be open again. `intent`: they go nowhere before the target was looked at.

    The request that settled each becomes one that carried it, so that its story stays whole.
    """
    names = [(route, m.source_id, m.part) for m in members]
    note_past(connection, names)
    before: Counter[State] = Counter()
    for name in names:
        row = connection.execute(
            "SELECT state FROM records WHERE route = ? AND source_id = ? AND body = ?", name
        ).fetchone()
        if row is None or row[0] < State.REJECTED:
            raise LedgerError(f"record {name[1]} is not as it was when it was chosen; this is a defect")
        before[State(row[0])] -= 1
    connection.executemany(
        "UPDATE records SET state = 4, cause = NULL, message = NULL, attempts = 0, failed_at = NULL, run = ?"
        " WHERE route = ? AND source_id = ? AND body = ?",
        [(run, *name) for name in names],
    )
    before[State.PENDING] += len(names)
    tallies.move(connection, route=route, by=before)
    for chunk, count in Counter(m.chunk for m in members).items():
        connection.execute(
            "UPDATE chunks SET open = open + ?, kept = kept - ? WHERE id = ?", (count, count, chunk)
        )
    if intent is not None:
        sending.save_intent(connection, intent=intent, route=route, run=run, is_parked=True)
    connection.execute("UPDATE routes SET is_finished = 0 WHERE id = ?", (route,))


def note_past(connection: sqlite3.Connection, names: Sequence[tuple[int, str, int]]) -> None:
    """What the bodies had become, and by which request: that is taken back, and stays their story."""
    connection.executemany(
        "INSERT OR REPLACE INTO former (route, source_id, body, run, at, state, cause, message)"
        " SELECT r.route, r.source_id, r.body, r.run, coalesce(q.answered_at, iif(p.run = r.run, p.put_at, NULL)), r.state,"
        " r.cause, r.message FROM records r LEFT JOIN requests q ON q.id = r.request AND q.run = r.run"
        " LEFT JOIN pages p ON p.id = r.page WHERE r.route = ? AND r.source_id = ? AND r.body = ?",
        names,
    )
    connection.executemany(
        "INSERT OR IGNORE INTO tries (route, source_id, body, request)"
        " SELECT route, source_id, body, request FROM records"
        " WHERE route = ? AND source_id = ? AND body = ? AND request IS NOT NULL",
        names,
    )


class Claims(NamedTuple):
    """Where the keys of mapped bodies are claimed: the list, and the route by its name."""

    list_id: int
    route: str


def replace_records(
    connection: sqlite3.Connection,
    *,
    route: int,
    run: int,
    put_at: float,
    pages: Mapping[int, Sequence[Entry]],
    claims: Claims,
    intent: int | None,
) -> int:
    """Put entries in the place of all that their records had become; `pages`: under which new page each goes.

    None of the records may have a body that is written, open or of unknown fate. The keys that they claimed before
    and no longer do are free. `intent`: the number of the one under which the new creates wait for a look at the
    target. Updates of rows that another record wrote since are rejected instead; returns how many.
    """
    ids = list({entry.source_id for page in pages.values() for entry in page})
    old = _old_bodies(connection, route, ids)
    _release(connection, claims, ids)
    _drop(connection, route, old)
    was = _past(old)
    entries: list[Entry] = []
    creates: list[Member] = []
    for page, given in pages.items():
        # Page by page: what this one puts down counts for the next.
        new = overtaken.without_overtaken(connection, route=route, entries=given, was=was)
        entries += new
        putting.insert_entries(connection, route=route, run=run, chunk=page, entries=new, is_raw=False)
        first = was.get(new[0].source_id)
        first_page = None if first is None else first.page
        putting.note_page(
            connection, route=route, run=run, page=page, put_at=put_at, records=0, was=first_page
        )
        creates += [
            Member(e.source_id, e.part, page) for e in new if e.state is State.PENDING and e.target_id is None
        ]
    claiming.claim_keys(connection, list_id=claims.list_id, route=claims.route, entries=entries)
    if creates and intent is not None:
        parked = Intent(id=intent, sent_at=0.0, members=creates, refusal="rejected")
        sending.save_intent(connection, intent=parked, route=route, run=run, is_parked=True)
    connection.execute("UPDATE routes SET is_finished = 0 WHERE id = ?", (route,))
    return sum(1 for entry in entries if entry.cause == overtaken.CAUSE)


class _Old(NamedTuple):
    source_id: str
    part: int
    state: State
    page: int | None
    chunk: int | None
    request: int | None


def _past(old: Sequence[_Old]) -> dict[str, Past]:
    """Where each record was put down; of its requests, where it had several bodies, the first."""
    past: dict[str, Past] = {}
    for each in old:
        requests = [each.request, past[each.source_id].request] if each.source_id in past else [each.request]
        past[each.source_id] = Past(each.page, min((r for r in requests if r is not None), default=None))
    return past


def _old_bodies(connection: sqlite3.Connection, route: int, ids: Sequence[str]) -> list[_Old]:
    rows = connection.execute(
        f"SELECT source_id, body, state, page, chunk, request FROM records WHERE route = ? AND source_id IN {_IDS}",  # noqa: S608  our own names
        (route, orjson.dumps(list(ids)).decode()),
    )
    old = [_Old(source_id, part, State(state), *rest) for source_id, part, state, *rest in rows]
    if fixed := [each for each in old if each.state in FIXED]:
        raise LedgerError(
            f"record {fixed[0].source_id} is {fixed[0].state.name.lower()} and was to be mapped anew; this is a defect"
        )
    return old


def _release(connection: sqlite3.Connection, claims: Claims, ids: Sequence[str]) -> None:
    """Keys that the records claimed with their old bodies are anybody's; what is claimed again, is so afterwards.

    The ledger knows them although the bodies may be erased. A row that held one before the first write stays known.
    """
    mine = connection.execute(
        f"SELECT key FROM keys WHERE list = ? AND route = ? AND source_id IN {_IDS}",  # noqa: S608  our own names
        (claims.list_id, claims.route, orjson.dumps(list(ids)).decode()),
    )
    freed = [(claims.list_id, key) for (key,) in mine.fetchall()]
    connection.executemany("DELETE FROM keys WHERE list = ? AND key = ? AND rows = 0", freed)
    connection.executemany(
        "UPDATE keys SET route = NULL, source_id = NULL, body = NULL WHERE list = ? AND key = ?", freed
    )


def _drop(connection: sqlite3.Connection, route: int, old: Sequence[_Old]) -> None:
    names = [(route, each.source_id, each.part) for each in old]
    note_past(connection, names)
    for table in ("records", "answers"):
        connection.executemany(
            f"DELETE FROM {table} WHERE route = ? AND source_id = ? AND body = ?",  # noqa: S608  our own names
            names,
        )
    connection.executemany("DELETE FROM sources WHERE route = ? AND source_id = ?", [n[:2] for n in names])
    tallies.move(connection, route=route, by={s: -n for s, n in Counter(each.state for each in old).items()})
    held: dict[int, set[tuple[str, int]]] = defaultdict(set)
    for each in old:
        if each.chunk is not None and each.state >= State.REJECTED:
            held[each.chunk].add((each.source_id, each.part))
    for chunk, gone in held.items():
        drop_bodies(connection, chunk, gone)


def drop_bodies(connection: sqlite3.Connection, chunk: int, gone: set[tuple[str, int]]) -> None:
    """Take failed bodies out of a kept page, which may hold others that are still to be sent."""
    row = connection.execute("SELECT open, kept, bodies FROM chunks WHERE id = ?", (chunk,)).fetchone()
    if row is None:
        return
    is_open, kept, blob = row
    if not is_open and kept == len(gone):
        connection.execute("DELETE FROM chunks WHERE id = ?", (chunk,))
        return
    left = [(each.source_id, each.part) for each in unpack(blob) if (each.source_id, each.part) not in gone]
    connection.execute(
        "UPDATE chunks SET kept = kept - ?, bodies = ? WHERE id = ?",
        (len(gone), keep_only(blob, left), chunk),
    )


def take_keys(connection: sqlite3.Connection, *, of: int, to: int, route: int, route_name: str) -> None:
    """A list's keys as it shows them now, read into the list `of`, in the place of those that nobody wrote by.

    Those that a record claims stay as they were read before the first write, unless all of the record is rejected.
    """
    rejected = (
        "SELECT f.source_id FROM records f WHERE f.route = ?3 AND f.state >= 5 AND f.state = 5 AND NOT EXISTS"
        " (SELECT 1 FROM records o WHERE o.route = f.route AND o.source_id = f.source_id AND o.state IN (2, 3, 4, 6))"
    )
    connection.execute(
        "UPDATE keys SET (target_id, rows, fields) ="  # noqa: S608  our own names
        " (SELECT max(n.target_id), coalesce(max(n.rows), 0), max(n.fields) FROM keys n"
        "  WHERE n.list = ?1 AND n.key = keys.key)"
        f" WHERE list = ?2 AND route = ?4 AND source_id IN ({rejected})",
        (of, to, route, route_name),
    )
    connection.execute("DELETE FROM keys WHERE list = ? AND route IS NULL", (to,))
    connection.execute(
        "INSERT OR IGNORE INTO keys (list, key, target_id, rows, fields)"
        " SELECT ?, key, target_id, rows, fields FROM keys WHERE list = ?",
        (to, of),
    )
    connection.execute("DELETE FROM keys WHERE list = ?", (of,))
    connection.execute("DELETE FROM lists WHERE id = ?", (of,))


_OWN = (
    "SELECT source_id, body FROM records WHERE route = ? AND state = 4"  # noqa: S608  our own names
    f" AND run IN (SELECT id FROM runs WHERE kind IN ('{RETRY}', '{REPAIR}')) AND source_id IN {_IDS}"
)


def opened_by_retry(
    connection: sqlite3.Connection, route: int, names: Iterable[tuple[str, int]]
) -> set[tuple[str, int]]:
    """Those of the bodies that are open because a retry or a repair, this one or one that was cut off, put them to work again."""
    wanted = set(names)
    ids = orjson.dumps(sorted({source_id for source_id, _ in wanted})).decode()
    return wanted & set(connection.execute(_OWN, (route, ids)).fetchall())


def left_open(connection: sqlite3.Connection, route: int) -> int:
    """How many bodies a retry put to work that have no outcome."""
    if connection.execute("SELECT 1 FROM runs WHERE kind = ?", (RETRY,)).fetchone() is None:
        return 0
    count: int = connection.execute(
        "SELECT count(*) FROM records WHERE route = ? AND state = 4 AND run IN (SELECT id FROM runs WHERE kind = ?)",
        (route, RETRY),
    ).fetchone()[0]
    return count


def own_items(connection: sqlite3.Connection, route: int, items: Sequence[Item]) -> list[Item]:
    own = opened_by_retry(connection, route, ((i.member.source_id, i.member.part) for i in items))
    return [item for item in items if (item.member.source_id, item.member.part) in own]


def own_intents(connection: sqlite3.Connection, route: int, intents: Sequence[Intent]) -> list[Intent]:
    """Intents that hold a body of a retry, whole: what is in doubt with it is settled with it."""
    return [
        intent
        for intent in intents
        if opened_by_retry(connection, route, ((m.source_id, m.part) for m in intent.members))
    ]
