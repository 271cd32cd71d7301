"""What a verification asks the ledger, what it notes there, and how its findings are put to work again.

Functions of a connection; those that change something, inside a transaction.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import orjson

from bulkmove.entries import Entry, Intent, Kept, Member
from bulkmove.errors import LedgerError
from bulkmove.ledger import again, changes, tallies
from bulkmove.ledger.chunks import pack
from bulkmove.model import State

_IDS = "(SELECT value FROM json_each(?))"
_AT_TARGET = (State.UNCHANGED, State.WRITTEN)


class Known(NamedTuple):
    """One body as the ledger knows it."""

    source_id: str
    part: int
    state: State
    target_id: str | None
    version: str | None
    source_digest: bytes | None
    cause: str | None


class Claim(NamedTuple):
    """What is known of a natural key: how many rows had it before the first write, and which record claims it."""

    rows: int
    target_id: str | None
    route: str | None
    source_id: str | None
    is_create: bool


class Finding(NamedTuple):
    """One thing that a verification found and that can be mended."""

    id: int
    kind: str
    source_id: str
    part: int
    row: str
    rows: Sequence[str]
    key: str | None
    is_ours: bool


def newest_run(connection: sqlite3.Connection) -> int:
    """0 where there was none."""
    found: int | None = connection.execute("SELECT max(id) FROM runs").fetchone()[0]
    return found or 0


def known(connection: sqlite3.Connection, route: int, ids: Sequence[str]) -> dict[str, list[Known]]:
    """The bodies of these records, in order."""
    found: dict[str, list[Known]] = {}
    rows = connection.execute(
        "SELECT source_id, body, state, target_id, version, source_digest, cause FROM records"  # noqa: S608  our own names
        f" WHERE route = ? AND source_id IN {_IDS} ORDER BY source_id, body",
        (route, orjson.dumps(list(ids)).decode()),
    )
    for source_id, part, state, *rest in rows:
        found.setdefault(source_id, []).append(Known(source_id, part, State(state), *rest))
    return found


def following(connection: sqlite3.Connection, route: int, after: str, most: int) -> list[Known]:
    """The bodies of the next records behind a source id, whole records alone."""
    ids = [
        row[0]
        for row in connection.execute(
            "SELECT source_id FROM records WHERE route = ? AND source_id > ? AND body = 0 ORDER BY source_id LIMIT ?",
            (route, after, most),
        )
    ]
    found = known(connection, route, ids)
    return [each for source_id in ids for each in found[source_id]]


def at_target(connection: sqlite3.Connection, route: int) -> int:
    """How many records have a first body that is at the target, by the ledger."""
    count: int = connection.execute(
        "SELECT count(*) FROM records WHERE route = ? AND body = 0 AND state IN (1, 2)", (route,)
    ).fetchone()[0]
    return count


def ids_at(connection: sqlite3.Connection, route: int, places: Sequence[int]) -> list[str]:
    """The ids of these of the records that `at_target` counts, by their places, which rise, in the order of the ids."""
    wanted = iter(places)
    place = next(wanted, None)
    found: list[str] = []
    ids = connection.execute(
        "SELECT source_id FROM records WHERE route = ? AND body = 0 AND state IN (1, 2) ORDER BY source_id",
        (route,),
    )
    for number, (source_id,) in enumerate(ids):
        if place is None:
            break
        if number == place:
            found.append(source_id)
            place = next(wanted, None)
    return found


def claims(connection: sqlite3.Connection, list_id: int, keys: Sequence[str]) -> dict[str, Claim]:
    rows = connection.execute(
        "SELECT key, rows, target_id, route, source_id, body IS NOT NULL FROM keys"  # noqa: S608  our own names
        f" WHERE list = ? AND key IN {_IDS}",
        (list_id, orjson.dumps(list(keys)).decode()),
    )
    return {
        key: Claim(rows, target_id, route, source_id, bool(is_create))
        for key, rows, target_id, route, source_id, is_create in rows
    }


def departed(connection: sqlite3.Connection, names: Sequence[tuple[int, str]]) -> set[tuple[int, str]]:
    """Those of the records (route, source id) that a delta found gone at the source."""
    found: set[tuple[int, str]] = set()
    for name in names:
        if connection.execute("SELECT 1 FROM departed WHERE route = ? AND source_id = ?", name).fetchone():
            found.add(name)
    return found


def owners_of_rows(
    connection: sqlite3.Connection, list_id: int, routes: Sequence[int], rows: Sequence[str]
) -> tuple[set[str], dict[str, tuple[int, str, bool]]]:
    """Those of the rows that stood there before the first write, by their ids; and those that a record became:
    its route and id, and whether it made the row.

    Neither is indexed by the target's ids: this walks both, and is asked of the few rows that nothing else explains.
    """
    ids = orjson.dumps(list(rows)).decode()
    before = connection.execute(
        f"SELECT target_id FROM keys WHERE list = ? AND rows > 0 AND target_id IN {_IDS}",  # noqa: S608  our own names
        (list_id, ids),
    )
    foreign = {row[0] for row in before}
    ours: dict[str, tuple[int, str, bool]] = {}
    for route in routes:
        found = connection.execute(
            f"SELECT target_id, source_id, is_created FROM records WHERE route = ? AND state IN (1, 2) AND target_id IN {_IDS}",  # noqa: S608  our own names
            (route, ids),
        )
        ours.update({target_id: (route, source_id, bool(made)) for target_id, source_id, made in found})
    return foreign, ours


def next_verification(connection: sqlite3.Connection) -> int:
    number: int = connection.execute("SELECT coalesce(max(id), 0) + 1 FROM verifications").fetchone()[0]
    return number


def save(
    connection: sqlite3.Connection,
    *,
    number: int,
    started_at: float,
    ended_at: float,
    exit_code: int,
    is_sample: bool,
    result: str,
) -> None:
    connection.execute(
        "INSERT INTO verifications (id, started_at, ended_at, exit_code, is_sample, result) VALUES (?, ?, ?, ?, ?, ?)",
        (number, started_at, ended_at, exit_code, is_sample, result),
    )


def forget_findings(connection: sqlite3.Connection, *, routes: Sequence[int]) -> None:
    """What an earlier verification of these routes found: only the last one is mended."""
    connection.executemany("DELETE FROM mismatches WHERE route = ?", [(route,) for route in routes])


def add_findings(
    connection: sqlite3.Connection, *, verification: int, route: int, findings: Iterable[Finding]
) -> None:
    connection.executemany(
        "INSERT INTO mismatches (verification, route, kind, source_id, body, row, rows, key, is_ours)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                verification, route, f.kind, f.source_id, f.part, f.row, orjson.dumps(list(f.rows)).decode(), f.key,
                f.is_ours,
            )
            for f in findings
        ],
    )  # fmt: skip


def last_verification(connection: sqlite3.Connection) -> tuple[int, float, bool] | None:
    """The newest one: its number, when it ended, and whether it was a sample."""
    found = connection.execute(
        "SELECT id, ended_at, is_sample FROM verifications ORDER BY id DESC LIMIT 1"
    ).fetchone()
    return None if found is None else (found[0], found[1], bool(found[2]))


def count_findings(connection: sqlite3.Connection, route: int) -> Counter[str]:
    """What is still to be mended, by kind."""
    rows = connection.execute(
        "SELECT kind, count(*) FROM mismatches WHERE route = ? AND mended_by IS NULL GROUP BY kind", (route,)
    )
    return Counter(dict(rows.fetchall()))


def findings(
    connection: sqlite3.Connection, route: int, kinds: Sequence[str], *, after: int = 0, most: int = 500
) -> list[Finding]:
    """The next findings of these kinds that nobody put to work."""
    rows = connection.execute(
        "SELECT id, kind, source_id, body, row, coalesce(rows, '[]'), key, is_ours FROM mismatches"  # noqa: S608  our own names
        f" WHERE route = ? AND mended_by IS NULL AND kind IN {_IDS} AND id > ? ORDER BY id LIMIT ?",
        (route, orjson.dumps(list(kinds)).decode(), after, most),
    )
    return [_finding(row) for row in rows]


def findings_of(
    connection: sqlite3.Connection, route: int, kinds: Sequence[str], ids: Sequence[str]
) -> list[Finding]:
    """The findings of these kinds about these records that nobody put to work."""
    rows = connection.execute(
        "SELECT id, kind, source_id, body, row, coalesce(rows, '[]'), key, is_ours FROM mismatches"  # noqa: S608  our own names
        f" WHERE route = ? AND mended_by IS NULL AND kind IN {_IDS} AND source_id IN {_IDS} ORDER BY id",
        (route, orjson.dumps(list(kinds)).decode(), orjson.dumps(list(ids)).decode()),
    )
    return [_finding(row) for row in rows]


def _finding(row: tuple[int, str, str, int, str, str, str | None, int]) -> Finding:
    number, kind, source_id, part, shown, others, key, is_ours = row
    return Finding(number, kind, source_id, part, shown, orjson.loads(others), key, bool(is_ours))


def note_mended(connection: sqlite3.Connection, ids: Iterable[int], *, run: int) -> None:
    connection.executemany("UPDATE mismatches SET mended_by = ? WHERE id = ?", [(run, i) for i in ids])


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
    before: Counter[State] = Counter()
    for entry, name in zip(entries, names, strict=True):
        row = connection.execute(
            "SELECT state FROM records WHERE route = ? AND source_id = ? AND body = ?", name
        ).fetchone()
        if row is None or row[0] not in _AT_TARGET:
            raise LedgerError(
                f"record {entry.source_id} is not as it was when it was compared; this is a defect"
            )
        before[State(row[0])] -= 1
    connection.executemany(
        "UPDATE records SET state = 4, target_id = ?, digest = ?, version = ?, source_digest = ?, cause = NULL,"
        " message = NULL, attempts = 0, failed_at = NULL, run = ?, chunk = ?, page = ?"
        " WHERE route = ? AND source_id = ? AND body = ?",
        [
            (e.target_id, e.digest, e.version, e.source_digest, run, page, page, *name)
            for e, name in zip(entries, names, strict=True)
        ],
    )
    before[State.PENDING] += len(names)
    tallies.move(connection, route=route, by=before)
    kept = [Kept(e.source_id, e.part, e.target_id, e.key, e.body or b"{}") for e in entries]
    connection.execute(
        "INSERT INTO chunks (id, route, is_raw, open, kept, bodies) VALUES (?, ?, 0, ?, 0, ?)",
        (page, route, len(kept), pack(kept)),
    )
    changes.note_page(connection, route=route, run=run, page=page, put_at=put_at, records=0, was=None)
    creates = [entry for entry in entries if entry.target_id is None]
    if creates:
        members = [Member(entry.source_id, entry.part, page) for entry in creates]
        parked = Intent(id=intent, sent_at=0.0, members=members, refusal="rejected")
        changes.save_intent(connection, intent=parked, route=route, run=run, is_parked=True)
        connection.executemany(
            "UPDATE keys SET body = ? WHERE list = ? AND key = ? AND route = ? AND source_id = ?",
            [(e.part, claim_of[0], e.key, claim_of[1], e.source_id) for e in creates if e.key is not None],
        )
    note_mended(connection, (number for number, _ in mended), run=run)
    connection.execute("UPDATE routes SET is_finished = 0 WHERE id = ?", (route,))


def left_open(connection: sqlite3.Connection, route: int) -> tuple[int, int]:
    """How many bodies are open that a repair put to work, and how many that something else did."""
    own, every = connection.execute(
        "SELECT total(run IN (SELECT id FROM runs WHERE kind = ?)), count(*) FROM records"
        " WHERE route = ? AND state IN (3, 4)",
        (again.REPAIR, route),
    ).fetchone()
    return int(own), every - int(own)
