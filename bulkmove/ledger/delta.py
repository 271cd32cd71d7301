"""Records that changed at their source, put to work again: each page of them is one change of the ledger.

A record keeps its rows of the target: what it is mapped to now becomes a change of them. What its bodies had become
before stays as their story. Functions of a connection, inside a transaction where they change something.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import orjson

from bulkmove.entries import Entry, Intent, Kept, Member
from bulkmove.errors import LedgerError
from bulkmove.ledger import claiming, putting, sending, tallies
from bulkmove.ledger.again import Claims, drop_bodies, note_past
from bulkmove.ledger.chunks import compressed, pack
from bulkmove.model import OPEN_STATES, State

DELTA = "delta"
_IDS = "(SELECT value FROM json_each(?))"
# Bodies in one of these are at the target as they were mapped.
AT_TARGET = (State.WRITTEN, State.UNCHANGED)
_OPEN_OR_UNKNOWN = (*OPEN_STATES, State.UNKNOWN)
_UPDATE = """
UPDATE records SET state = ?, target_id = coalesce(?, target_id), digest = coalesce(?, digest), cause = ?, message = ?,
    run = ?, chunk = ?, page = ?, request = NULL, attempts = 0, failed_at = NULL
WHERE route = ? AND source_id = ? AND body = ?
"""
_INSERT = """
INSERT INTO records (state, target_id, digest, cause, message, run, chunk, page, route, source_id, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


class Standing(NamedTuple):
    """One body of a record as the ledger holds it. `read_at`, `read_in`: when its record was read last, and by which run."""

    source_id: str
    part: int
    state: State
    target_id: str | None
    digest: bytes | None
    version: str | None
    source_digest: bytes | None
    cause: str | None
    page: int | None
    chunk: int | None
    request: int | None
    read_at: float | None
    read_in: int | None

    @property
    def is_open(self) -> bool:
        """Whether it is on its way, or nobody knows what became of it."""
        return self.state in _OPEN_OR_UNKNOWN


def standing(connection: sqlite3.Connection, route: int, ids: Sequence[str]) -> dict[str, list[Standing]]:
    """The bodies of these records, in their order; records that are not known are left out."""
    found: dict[str, list[Standing]] = defaultdict(list)
    rows = connection.execute(
        "SELECT r.source_id, r.body, r.state, r.target_id, r.digest, r.version, r.source_digest, r.cause, r.page, r.chunk,"  # noqa: S608  our own names
        " r.request, p.put_at, p.run FROM records AS r LEFT JOIN pages AS p ON p.id = r.page"
        f" WHERE r.route = ? AND r.source_id IN {_IDS} ORDER BY r.source_id, r.body",
        (route, orjson.dumps(list(ids)).decode()),
    )
    for source_id, part, state, *rest in rows:
        found[source_id].append(Standing(source_id, part, State(state), *rest))
    return dict(found)


def written_before(connection: sqlite3.Connection, route: int, ids: Sequence[str]) -> set[str]:
    """Those of the records that were written once, and whose rows are known, whatever became of them since."""
    rows = connection.execute(
        f"SELECT r.source_id FROM records AS r WHERE r.route = ? AND r.source_id IN {_IDS} AND r.target_id IS NOT NULL"  # noqa: S608  our own names
        " AND (r.is_created = 1 OR EXISTS (SELECT 1 FROM former AS f WHERE f.route = r.route"
        " AND f.source_id = r.source_id AND f.body = r.body AND f.state IN (1, 2)))",
        (route, orjson.dumps(list(ids)).decode()),
    )
    return {row[0] for row in rows}


class Seen(NamedTuple):
    """What is known of a record by now: the marks by which a later change of it shows."""

    source_id: str
    version: str | None
    source_digest: bytes | None


class Changed(NamedTuple):
    """Records mapped anew. `entries`: those of their bodies that become something else than they were.

    `seen`: all of them, by which they are known from here on. `pages`: under which new page each goes, by the page that
    put its record down; those that became nothing else too, since it was then that they were read. `keys`: what each record claims now,
    where all of it is known. `unchanged`: how many records need nothing.
    """

    seen: Sequence[Seen]
    entries: Sequence[Entry]
    pages: Mapping[int | None, int]
    keys: Mapping[str, set[str]]
    unchanged: int


def replace_changed(
    connection: sqlite3.Connection,
    *,
    route: int,
    run: int,
    put_at: float,
    changed: Changed,
    claims: Claims,
    intent: int,
    pass_id: int,
) -> dict[tuple[str, int], int]:
    """Put the entries down; under which page each went.

    `intent`: the number of the one under which creates of what was rejected wait for a look at the target, since a
    request that carried them before may have done more than its answer said.
    """
    ids = [each.source_id for each in changed.seen]
    was = {
        (each.source_id, each.part): each for row in standing(connection, route, ids).values() for each in row
    }
    _refuse_open(changed.entries, was)
    _drop_past(connection, route=route, entries=changed.entries, was=was)
    places: dict[tuple[str, int], int] = {}
    by_page = _by_page(changed.entries, was)
    for old_page, page in changed.pages.items():
        entries = by_page[old_page]
        _put(connection, route=route, run=run, page=page, entries=entries, was=was)
        putting.note_page(connection, route=route, run=run, page=page, put_at=put_at, records=0, was=old_page)
        places.update({(each.source_id, each.part): page for each in entries})
    connection.executemany(
        "UPDATE records SET version = ?, source_digest = ?, page = ? WHERE route = ? AND source_id = ?",
        [
            (
                each.version,
                each.source_digest,
                changed.pages[was[each.source_id, 0].page],
                route,
                each.source_id,
            )
            for each in changed.seen
        ],
    )
    _claim(connection, claims, changed)
    _park(connection, route=route, run=run, changed=changed, was=was, places=places, intent=intent)
    if any(each.state is State.PENDING for each in changed.entries):
        connection.execute("UPDATE routes SET is_finished = 0 WHERE id = ?", (route,))
    connection.execute(
        "UPDATE passes SET changed = changed + ?, unchanged = unchanged + ? WHERE id = ?",
        (len(changed.seen) - changed.unchanged, changed.unchanged, pass_id),
    )
    connection.execute(
        f"DELETE FROM findings WHERE route = ? AND source_id IN {_IDS}",  # noqa: S608  our own names
        (route, orjson.dumps(ids).decode()),
    )
    return places


def _refuse_open(entries: Sequence[Entry], was: Mapping[tuple[str, int], Standing]) -> None:
    for entry in entries:
        old = was.get((entry.source_id, entry.part))
        if old is not None and old.is_open:
            raise LedgerError(
                f"record {entry.source_id} is {old.state.name.lower()} and was to be changed; this is a defect"
            )


def _by_page(
    entries: Sequence[Entry], was: Mapping[tuple[str, int], Standing]
) -> dict[int | None, list[Entry]]:
    """By the page that put their record down, so that its story is one."""
    found: dict[int | None, list[Entry]] = defaultdict(list)
    for entry in entries:
        found[was[entry.source_id, 0].page].append(entry)
    return found


def _drop_past(
    connection: sqlite3.Connection,
    *,
    route: int,
    entries: Sequence[Entry],
    was: Mapping[tuple[str, int], Standing],
) -> None:
    """What the bodies had become is their story from here on; what was kept of them for that is not kept longer."""
    old = [was[name] for each in entries if (name := (each.source_id, each.part)) in was]
    names = [(route, each.source_id, each.part) for each in old]
    note_past(connection, names)
    connection.executemany("DELETE FROM answers WHERE route = ? AND source_id = ? AND body = ?", names)
    connection.executemany(
        "DELETE FROM sources WHERE route = ? AND source_id = ?",
        [(route, each.source_id) for each in entries],
    )
    held: dict[int, set[tuple[str, int]]] = defaultdict(set)
    for each in old:
        if each.chunk is not None and each.state >= State.REJECTED:
            held[each.chunk].add((each.source_id, each.part))
    for chunk, gone in held.items():
        drop_bodies(connection, chunk, gone)


def _put(
    connection: sqlite3.Connection,
    *,
    route: int,
    run: int,
    page: int,
    entries: Sequence[Entry],
    was: Mapping[tuple[str, int], Standing],
) -> None:
    moved: Counter[State] = Counter()
    kept: list[Kept] = []
    updates: list[tuple[object, ...]] = []
    inserts: list[tuple[object, ...]] = []
    for each in entries:
        name = (each.source_id, each.part)
        values = (
            each.state, each.target_id, each.digest, each.cause, each.message, run,
            page if each.body is not None else None, page, route, *name,
        )  # fmt: skip
        (updates if name in was else inserts).append(values)
        if name in was:
            moved[was[name].state] -= 1
        moved[each.state] += 1
        if each.body is not None:
            target_id = each.target_id if name not in was or each.target_id else was[name].target_id
            kept.append(Kept(*name, target_id, each.key, each.body))
    connection.executemany(_UPDATE, updates)
    connection.executemany(_INSERT, inserts)
    tallies.move(connection, route=route, by=moved)
    if kept:
        is_open = sum(1 for each in entries if each.body is not None and each.state in OPEN_STATES)
        connection.execute(
            "INSERT INTO chunks (id, route, is_raw, open, kept, bodies) VALUES (?, ?, 0, ?, ?, ?)",
            (page, route, is_open, len(kept) - is_open, pack(kept)),
        )
    connection.executemany(
        "INSERT OR REPLACE INTO sources (route, source_id, record) VALUES (?, ?, ?)",
        [(route, each.source_id, compressed(each.record)) for each in entries if each.record is not None],
    )


def _claim(connection: sqlite3.Connection, claims: Claims, changed: Changed) -> None:
    """Keys that a record shows no longer are anybody's; those that are new to it are its own, where nobody has them."""
    mine: dict[str, set[str]] = defaultdict(set)
    rows = connection.execute(
        f"SELECT key, source_id FROM keys WHERE list = ? AND route = ? AND source_id IN {_IDS}",  # noqa: S608  our own names
        (claims.list_id, claims.route, orjson.dumps(list(changed.keys)).decode()),
    )
    for key, source_id in rows:
        mine[source_id].add(key)
    freed = [
        (claims.list_id, key) for source_id, now in changed.keys.items() for key in mine[source_id] - now
    ]
    connection.executemany("DELETE FROM keys WHERE list = ? AND key = ? AND rows = 0", freed)
    connection.executemany(
        "UPDATE keys SET route = NULL, source_id = NULL, body = NULL WHERE list = ? AND key = ?", freed
    )
    connection.executemany(
        "UPDATE keys SET body = ? WHERE list = ? AND key = ? AND route = ? AND source_id = ? AND body IS NOT NULL",
        [
            (each.part, claims.list_id, each.key, claims.route, each.source_id)
            for each in changed.entries
            if each.key is not None and each.state is not State.SKIPPED
        ],
    )
    new = [each for each in changed.entries if each.key is not None and each.key not in mine[each.source_id]]
    claiming.claim_keys(connection, list_id=claims.list_id, route=claims.route, entries=new)


def _park(
    connection: sqlite3.Connection,
    *,
    route: int,
    run: int,
    changed: Changed,
    was: Mapping[tuple[str, int], Standing],
    places: Mapping[tuple[str, int], int],
    intent: int,
) -> None:
    doubtful: list[Member] = []
    for each in changed.entries:
        name = (each.source_id, each.part)
        is_create = each.state is State.PENDING and each.target_id is None
        if is_create and name in was and was[name].state is State.REJECTED:
            doubtful.append(Member(*name, places[name]))
    if doubtful:
        parked = Intent(id=intent, sent_at=0.0, members=doubtful, refusal="rejected")
        sending.save_intent(connection, intent=parked, route=route, run=run, is_parked=True)
