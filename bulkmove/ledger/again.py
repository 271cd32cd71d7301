"""Records that failed, put to work again: what can be done with each, and the changes that do it.

Every change is one transaction: a record is in a state at every moment, and a run that is killed goes on with it.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

from bulkmove.entries import Entry, Intent, Item, Kept, Member
from bulkmove.errors import LedgerError
from bulkmove.ledger import changes, failing, sweeping, tallies
from bulkmove.ledger.chunks import keep_only, unpack
from bulkmove.ledger.failing import NAMELESS, Selection
from bulkmove.model import State

RETRY = "retry"
# A record of which a body is in one of these is not mapped anew: its bodies are at the target, or may be.
_FIXED = (State.WRITTEN, State.SEEN, State.PENDING, State.UNKNOWN)
_NO_ID = (
    "it has no id of its own: mended at the source it is another record, which `bulkmove run --fresh` reads"
)
_IDS = "(SELECT value FROM json_each(?))"


class Row(NamedTuple):
    """One body of a failed record. `kept`: what is kept of it, None where nothing is."""

    part: int
    state: State
    cause: str
    page: int | None
    chunk: int | None
    target_id: str | None
    request: int | None
    kept: Kept | None

    @property
    def is_ready(self) -> bool:
        """Whether its body was made to be sent: one that was rejected when it was matched has neither row nor key."""
        return self.kept is not None and (self.kept.target_id is not None or self.kept.key is not None)


class Left(NamedTuple):
    """A record that can't be retried as it was asked for, and why."""

    source_id: str
    why: str


@dataclass(slots=True)
class Plan:
    """What is done with some failed records.

    `creates`, `updates`: rejected bodies to be sent again as they were made; `look`: bodies of unknown fate, to be
    looked for once more; `swept`: how many more are by looking through the target's list; `map`: records to be mapped anew, by source id, each with a body that was rejected.
    `last_id` is where the next slice begins, None where there is none.
    """

    creates: list[Member] = field(default_factory=list)
    updates: list[Member] = field(default_factory=list)
    look: list[Member] = field(default_factory=list)
    swept: int = 0
    map: dict[str, Row] = field(default_factory=dict)
    left: list[Left] = field(default_factory=list)
    last_id: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What a retry is asked for. `remap`: map also what has a kept body anew."""

    selection: Selection = field(default_factory=Selection)
    remap: bool = False


def contested_rows(connection: sqlite3.Connection, route: int) -> dict[str, int | None]:
    """Rows of the target that a failed update is for and that other records wrote, or are to write.

    With the number of the last request that wrote it; None where it is not known, or still to come.
    """
    has_updates = connection.execute(
        "SELECT 1 FROM records WHERE route = ? AND state >= 5 AND target_id IS NOT NULL LIMIT 1", (route,)
    ).fetchone()
    if has_updates is None:
        return {}
    rows = connection.execute(
        "SELECT target_id, iif(count(request) = count(*) AND max(state) = 2, max(request), NULL) FROM records"
        " WHERE route = ?1 AND state IN (2, 4) AND target_id IN"
        " (SELECT target_id FROM records WHERE route = ?1 AND state >= 5 AND target_id IS NOT NULL) GROUP BY target_id",
        (route,),
    )
    return dict(rows.fetchall())


def plan_slice(
    connection: sqlite3.Connection,
    route: int,
    asked: Asked,
    *,
    before_run: int,
    after: str | None,
    among: Sequence[str] | None,
    most: int,
    contested: Mapping[str, int | None],
) -> Plan:
    """What is done with the next failed records behind the id `after`, of those that failed before that run.

    `among`: of these records alone.
    """
    chosen: dict[str, set[int]] = defaultdict(set)
    failed = failing.places(
        connection, route, asked.selection, before_run=before_run, after=after, among=among, most=most
    )
    for source_id, part in failed:
        chosen[source_id].add(part)
    plan = Plan(last_id=max(chosen, default=None))
    bodies = _bodies(connection, route, list(chosen))
    for source_id in sorted(chosen):
        _plan_record(plan, source_id, bodies[source_id], chosen[source_id], asked.remap, contested)
    return plan


def _bodies(connection: sqlite3.Connection, route: int, ids: Sequence[str]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    kept: dict[int, dict[tuple[str, int], Kept]] = {}
    rows = connection.execute(
        "SELECT source_id, body, state, coalesce(cause, ''), page, chunk, target_id, request FROM records"  # noqa: S608  our own names
        f" WHERE route = ? AND source_id IN {_IDS} ORDER BY source_id, body",
        (route, orjson.dumps(list(ids)).decode()),
    ).fetchall()
    for source_id, part, state, cause, page, chunk, target_id, request in rows:
        if chunk is not None and state >= State.REJECTED and chunk not in kept:
            row = connection.execute("SELECT bodies FROM chunks WHERE id = ?", (chunk,)).fetchone()
            kept[chunk] = {} if row is None else {(k.source_id, k.part): k for k in unpack(row[0])}
        body = None if chunk is None else kept.get(chunk, {}).get((source_id, part))
        found[source_id].append(Row(part, State(state), cause, page, chunk, target_id, request, body))
    return found


def _plan_record(
    plan: Plan,
    source_id: str,
    bodies: Sequence[Row],
    chosen: set[int],
    remap: bool,  # noqa: FBT001  as it was asked for
    contested: Mapping[str, int | None],
) -> None:
    failed = [row for row in bodies if row.part in chosen]
    if nameless := [row for row in failed if row.cause in NAMELESS]:
        plan.left.append(Left(source_id, _NO_ID))
        failed = [row for row in failed if row not in nameless]
    rejected = [row for row in failed if row.state is State.REJECTED]
    fixed = [row for row in bodies if row.state in _FIXED]
    if rejected and not fixed and (remap or not all(row.is_ready for row in rejected)):
        plan.map[source_id] = rejected[0]
        return
    for row in failed:
        if row.state is State.UNKNOWN and row.cause == sweeping.DOUBLED:
            plan.swept += 1
            continue
        why = _obstacle(row, bodies, contested)
        if why is not None or row.chunk is None:
            plan.left.append(Left(source_id, why or ""))
            continue
        rejected_ones = plan.creates if row.target_id is None else plan.updates
        work = plan.look if row.state is State.UNKNOWN else rejected_ones
        work.append(Member(source_id, row.part, row.chunk))


def _obstacle(row: Row, bodies: Sequence[Row], contested: Mapping[str, int | None]) -> str | None:
    """Why a failed body can't be worked as it was made."""
    if not row.is_ready:
        if row.state is State.UNKNOWN:
            return "its body is not kept any more, so that nothing tells which row it is"
        others = ", ".join(sorted({other.state.name.lower() for other in bodies if other.state in _FIXED}))
        return f"it became several bodies, of which one is {others}: it is not mapped anew"
    if row.target_id in contested and row.target_id is not None:
        last = contested[row.target_id]
        if row.state is State.UNKNOWN or last is None or row.request is None or last > row.request:
            return f"another record wrote row {row.target_id} of the target since, or is to write it"
    return None


def reopen(
    connection: sqlite3.Connection, *, route: int, run: int, members: Sequence[Member], intent: Intent | None
) -> None:
    """Let failed bodies, which were kept, be open again. `intent`: they go nowhere before the target was looked at.

    The request that settled each becomes one that carried it, so that its story stays whole.
    """
    names = [(route, m.source_id, m.part) for m in members]
    _note_past(connection, names)
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
        changes.save_intent(connection, intent=intent, route=route, run=run, is_parked=True)
    connection.execute("UPDATE routes SET is_finished = 0 WHERE id = ?", (route,))


def _note_past(connection: sqlite3.Connection, names: Sequence[tuple[int, str, int]]) -> None:
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
) -> None:
    """Put entries in the place of all that their records had become; `pages`: under which new page each goes.

    None of the records may have a body that is written, open or of unknown fate. The keys that they claimed before
    and no longer do are free. `intent`: the number of the one under which the new creates wait for a look at the
    target.
    """
    entries = [entry for page in pages.values() for entry in page]
    ids = list({entry.source_id for entry in entries})
    old = _old_bodies(connection, route, ids)
    _release(connection, claims, old)
    _drop(connection, route, old)
    was = {row.source_id: row.page for row in old}
    creates: list[Member] = []
    for page, new in pages.items():
        changes.insert_entries(connection, route=route, run=run, chunk=page, entries=new, is_raw=False)
        first_page = was.get(new[0].source_id)
        changes.note_page(
            connection, route=route, run=run, page=page, put_at=put_at, records=0, was=first_page
        )
        creates += [
            Member(e.source_id, e.part, page) for e in new if e.state is State.PENDING and e.target_id is None
        ]
    changes.claim_keys(connection, list_id=claims.list_id, route=claims.route, entries=entries)
    if creates and intent is not None:
        parked = Intent(id=intent, sent_at=0.0, members=creates, refusal="rejected")
        changes.save_intent(connection, intent=parked, route=route, run=run, is_parked=True)
    connection.execute("UPDATE routes SET is_finished = 0 WHERE id = ?", (route,))


class _Old(NamedTuple):
    source_id: str
    part: int
    state: State
    page: int | None
    chunk: int | None


def _old_bodies(connection: sqlite3.Connection, route: int, ids: Sequence[str]) -> list[_Old]:
    rows = connection.execute(
        f"SELECT source_id, body, state, page, chunk FROM records WHERE route = ? AND source_id IN {_IDS}",  # noqa: S608  our own names
        (route, orjson.dumps(list(ids)).decode()),
    )
    old = [_Old(source_id, part, State(state), page, chunk) for source_id, part, state, page, chunk in rows]
    if fixed := [each for each in old if each.state in _FIXED]:
        raise LedgerError(
            f"record {fixed[0].source_id} is {fixed[0].state.name.lower()} and was to be mapped anew; this is a defect"
        )
    return old


def _release(connection: sqlite3.Connection, claims: Claims, old: Sequence[_Old]) -> None:
    """Keys that the records claimed with their old bodies are anybody's; what is claimed again, is so afterwards."""
    names = {(each.source_id, each.part) for each in old}
    held: set[tuple[str, str]] = set()
    for chunk in {each.chunk for each in old if each.chunk is not None}:
        row = connection.execute("SELECT bodies FROM chunks WHERE id = ?", (chunk,)).fetchone()
        for kept in [] if row is None else unpack(row[0]):
            if (kept.source_id, kept.part) in names and kept.key is not None:
                held.add((kept.key, kept.source_id))
    freed = [(claims.list_id, key, claims.route, source_id) for key, source_id in held]
    mine = "list = ? AND key = ? AND route = ? AND source_id = ?"
    connection.executemany(f"DELETE FROM keys WHERE {mine} AND rows = 0", freed)  # noqa: S608  our own names
    connection.executemany(f"UPDATE keys SET route = NULL, source_id = NULL, body = NULL WHERE {mine}", freed)  # noqa: S608  our own names


def _drop(connection: sqlite3.Connection, route: int, old: Sequence[_Old]) -> None:
    names = [(route, each.source_id, each.part) for each in old]
    _note_past(connection, names)
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
        _drop_bodies(connection, chunk, gone)


def _drop_bodies(connection: sqlite3.Connection, chunk: int, gone: set[tuple[str, int]]) -> None:
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
    f" AND run IN (SELECT id FROM runs WHERE kind = '{RETRY}') AND source_id IN {_IDS}"
)


def opened_by_retry(
    connection: sqlite3.Connection, route: int, names: Iterable[tuple[str, int]]
) -> set[tuple[str, int]]:
    """Those of the bodies that are open because a retry, this one or one that was cut off, put them to work again."""
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
