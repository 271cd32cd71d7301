"""Every look-up in the ledger, as a function of a connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

import orjson

from bulkmove.entries import Intent, Item, Kept, ListState, Member, RouteProgress, Span, TargetKey
from bulkmove.exact import decode_json
from bulkmove.ledger.chunks import unpack
from bulkmove.model import State

# SQLite takes thousands of parameters; a statement of one fixed width is prepared once.
WIDTH = 100


def in_slices(values: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Slices of exactly WIDTH values, the last one filled up by repeating its last value."""
    for start in range(0, len(values), WIDTH):
        part = tuple(values[start : start + WIDTH])
        yield part + (part[-1],) * (WIDTH - len(part))


_MARKS = ",".join("?" * WIDTH)
_KNOWN = f"SELECT source_id FROM records WHERE route = ? AND body = 0 AND source_id IN ({_MARKS})"  # noqa: S608  marks only
_OPEN = f"SELECT source_id, body, attempts, failed_at FROM records WHERE route = ? AND state = ? AND source_id IN ({_MARKS})"  # noqa: S608  marks only
_OPEN_HERE = f"SELECT source_id, body, attempts, failed_at FROM records WHERE route = ? AND state = ? AND chunk = ? AND source_id IN ({_MARKS})"  # noqa: S608  marks only
_KEYS = (
    f"SELECT key, target_id, rows, fields, route, source_id FROM keys WHERE list = ? AND key IN ({_MARKS})"  # noqa: S608  marks only
)

# A time of the run r as the newest run m counts it. Of another machine, or of an uptime before this one: the first run
# of this uptime that came after it.
_AT_THE_LATEST = (
    "coalesce(iif(r.machine = m.machine, {} + m.up_since - r.up_since, NULL),"
    " (SELECT min(s.started_at + m.up_since - s.up_since) FROM runs s WHERE s.id > r.id AND s.machine = m.machine))"
)

# Of such a run r nothing tells what was on its way when it ended.
_CUT_OFF = "(r.exit_code IS NULL OR r.exit_code NOT IN (0, 3) OR r.was_stopped)"
_HAS_UNSETTLED = "r.unsettled_at IS NOT NULL AND r.id < m.id"


def known(connection: sqlite3.Connection, route: int, ids: Sequence[str]) -> set[str]:
    """Those of the source ids that the ledger holds."""
    found: set[str] = set()
    for part in in_slices(ids):
        found.update(row[0] for row in connection.execute(_KNOWN, (route, *part)))
    return found


def keys(connection: sqlite3.Connection, list_id: int, wanted: Sequence[str]) -> dict[str, TargetKey]:
    found: dict[str, TargetKey] = {}
    for part in in_slices(wanted):
        for key, target_id, rows, fields, route, source_id in connection.execute(_KEYS, (list_id, *part)):
            owner = None if route is None else (route, source_id)
            found[key] = TargetKey(key=key, target_id=target_id, rows=rows, fields=fields, owner=owner)
    return found


def routes(connection: sqlite3.Connection) -> dict[str, int]:
    return dict(connection.execute("SELECT name, id FROM routes ORDER BY id").fetchall())


def lists(connection: sqlite3.Connection) -> dict[str, int]:
    return dict(connection.execute("SELECT name, id FROM lists").fetchall())


def fingerprints(connection: sqlite3.Connection) -> dict[str, str]:
    return dict(connection.execute("SELECT name, fingerprint FROM routes ORDER BY id").fetchall())


def progress(connection: sqlite3.Connection, route: int, alive_margin_s: float = 0.0) -> RouteProgress:
    cutoff, expected, is_read, is_finished = connection.execute(
        "SELECT cutoff, expected, is_read, is_finished FROM routes WHERE id = ?", (route,)
    ).fetchone()
    spans = [
        Span(id=i, lower=lower, upper=upper, reached=reached, is_done=bool(done), evidence=evidence)
        for i, lower, upper, reached, done, evidence in connection.execute(
            "SELECT id, lower, upper, reached, is_done, evidence FROM spans WHERE route = ? ORDER BY id",
            (route,),
        )
    ]
    sent_until, unsettled_at = _earlier_writes(connection, alive_margin_s)
    return RouteProgress(
        cutoff=cutoff,
        is_read=bool(is_read),
        is_finished=bool(is_finished),
        spans=spans,
        expected=expected,
        sent_until=sent_until,
        unsettled_at=unsettled_at,
    )


def is_finished(connection: sqlite3.Connection, route: int) -> bool:
    (found,) = connection.execute("SELECT is_finished FROM routes WHERE id = ?", (route,)).fetchone()
    return bool(found)


def may_land_since(connection: sqlite3.Connection, alive_margin_s: float) -> float:
    """When an earlier run can have sent something last that nothing settled; 0 where they settled all that they sent."""
    cut_off_at = _newest(connection, "r.alive_at + ?", f"{_CUT_OFF} AND r.id < m.id", alive_margin_s)
    return max(cut_off_at, _newest(connection, "r.unsettled_at", _HAS_UNSETTLED))


def may_land_here_since(
    connection: sqlite3.Connection, alive_margin_s: float, *, machine: str, up_since: float
) -> float:
    """The same of a ledger that nobody goes on with, for all runs of this machine, by this process's time.

    When another machine's runs sent something can't be dated by this one's clock: they count for nothing here.
    """
    (at,) = connection.execute(
        f"SELECT max(max(iif({_CUT_OFF}, r.alive_at + ?, 0.0), coalesce(r.unsettled_at, 0.0)) + ? - r.up_since)"  # noqa: S608  our own text
        f" FROM runs r WHERE r.machine = ? AND ({_CUT_OFF} OR r.unsettled_at IS NOT NULL)",
        (alive_margin_s, up_since, machine),
    ).fetchone()
    return at or 0.0


def _earlier_writes(connection: sqlite3.Connection, alive_margin_s: float) -> tuple[float, float]:
    """When the run before the newest can have sent something last, and something that may land after its repetition did.

    The latter can be an attempt that nothing settled, of whatever route: two may write one row. And it can be whatever a
    run sent that did not come to its end, once a run after it may have sent that again: nothing tells any more what was on
    its way then. For times of an earlier run, see `intents`.
    """
    before = connection.execute(
        "SELECT m.started_at, iif(r.machine = m.machine, r.alive_at + m.up_since - r.up_since, NULL)"
        " FROM runs m JOIN runs r ON r.id < m.id ORDER BY m.id DESC, r.id DESC LIMIT 1"
    ).fetchone()
    if before is None:
        return 0.0, 0.0
    started_at, alive_at = before
    is_followed = f"{_CUT_OFF} AND r.id < (SELECT max(id) FROM runs WHERE id < m.id)"  # noqa: S608  our own text
    cut_off_at = _newest(connection, "r.alive_at + ?", is_followed, alive_margin_s)
    sent_until = started_at if alive_at is None else alive_at + alive_margin_s
    return sent_until, max(cut_off_at, _newest(connection, "r.unsettled_at", _HAS_UNSETTLED))


def _newest(connection: sqlite3.Connection, time: str, which: str, *values: float) -> float:
    """The latest of such times of runs r, as the newest run m counts them; 0 where there is none."""
    (at,) = connection.execute(
        f"SELECT max({_AT_THE_LATEST.format(time)}) FROM runs r"  # noqa: S608  our own texts
        f" JOIN runs m ON m.id = (SELECT max(id) FROM runs) WHERE {which}",
        values,
    ).fetchone()
    return at or 0.0


def next_open_chunk(
    connection: sqlite3.Connection, route: int, after: int, *, is_raw: bool
) -> tuple[int, list[Kept]] | None:
    """The first chunk behind `after` that still has open bodies."""
    row = connection.execute(
        "SELECT id, bodies FROM chunks WHERE route = ? AND open > 0 AND is_raw = ? AND id > ? ORDER BY id LIMIT 1",
        (route, is_raw, after),
    ).fetchone()
    return None if row is None else (row[0], unpack(row[1]))


def still_seen(connection: sqlite3.Connection, route: int, bodies: Sequence[Kept]) -> list[Kept]:
    """Those rows of a raw chunk that are not mapped and not gone."""
    seen: set[str] = set()
    for part in in_slices([kept.source_id for kept in bodies]):
        seen.update(row[0] for row in connection.execute(_OPEN, (route, State.SEEN, *part)))
    return [kept for kept in bodies if kept.source_id in seen]


def open_items(connection: sqlite3.Connection, route: int, chunk: int, bodies: Sequence[Kept]) -> list[Item]:
    """The bodies of a chunk that have no outcome, in the order in which they were mapped."""
    found: dict[tuple[str, int], tuple[int, float | None]] = {}
    for part in in_slices([kept.source_id for kept in bodies]):
        # A record that was mapped anew has its body in another chunk: what an older one still holds is not sent.
        here = (route, State.PENDING, chunk, *part)
        for source_id, index, attempts, failed_at in connection.execute(_OPEN_HERE, here):
            found[source_id, index] = (attempts, failed_at)
    return [
        Item(
            member=Member(kept.source_id, kept.part, chunk),
            target_id=kept.target_id,
            key=kept.key,
            encoded=kept.body,
            body=decode_json(kept.body),
            attempts=found[kept.source_id, kept.part][0],
            failed_at=found[kept.source_id, kept.part][1],
        )
        for kept in bodies
        if (kept.source_id, kept.part) in found
    ]


def items(connection: sqlite3.Connection, route: int, members: Sequence[Member]) -> list[Item]:
    """The open bodies that the members name."""
    wanted = {(m.source_id, m.part) for m in members}
    found: list[Item] = []
    for chunk in sorted({m.chunk for m in members}):
        row = connection.execute("SELECT bodies FROM chunks WHERE id = ?", (chunk,)).fetchone()
        if row is not None:
            kept = [each for each in unpack(row[0]) if (each.source_id, each.part) in wanted]
            found += open_items(connection, route, chunk, kept)
    return found


def intents(connection: sqlite3.Connection, route: int, run: int, alive_margin_s: float) -> list[Intent]:
    """What nothing has settled.

    What an ended run left unparked was sent no later than it was last alive. Its clock may have been set since: times
    are counted from the start of the machine's uptime. Those of another machine, or of an uptime before this one, say
    nothing here: what was sent then counts as sent when this run began.
    """
    rows = connection.execute(
        "SELECT i.id, i.refusal, i.members, i.sent_at, iif(i.is_parked OR r.id = m.id, i.sent_at, r.alive_at + ?),"
        " iif(r.machine = m.machine, m.up_since - r.up_since, NULL), m.started_at"
        " FROM intents i JOIN runs r ON r.id = i.run JOIN runs m ON m.id = ? WHERE i.route = ? ORDER BY i.id",
        (alive_margin_s, run, route),
    )
    found: list[Intent] = []
    for intent, refusal, members, sent_at, at_the_latest, set_by_s, started_at in rows:
        last_sent = max(sent_at, at_the_latest)
        if last_sent:
            last_sent = max(last_sent, started_at) if set_by_s is None else last_sent + set_by_s
        found.append(Intent(intent, last_sent, [Member(*each) for each in orjson.loads(members)], refusal))
    return found


def open_requests(connection: sqlite3.Connection) -> int:
    """How many requests were sent, or about to be, that nothing has settled."""
    count: int = connection.execute("SELECT count(*) FROM intents").fetchone()[0]
    return count


def unknown_members(connection: sqlite3.Connection, route: int) -> list[Member]:
    """What ended unknown and can be looked at again: not an update of a row that another record wrote since or before."""
    rows = connection.execute(
        "SELECT source_id, body, chunk FROM records"
        " WHERE route = ?1 AND state >= 5 AND state = 6 AND chunk IS NOT NULL"
        " AND (target_id IS NULL OR target_id NOT IN"
        "  (SELECT target_id FROM records WHERE route = ?1 AND state = 2 AND target_id IN"
        "   (SELECT target_id FROM records WHERE route = ?1 AND state >= 5 AND state = 6)))"
        " ORDER BY chunk, source_id, body",
        (route,),
    )
    return [Member(*row) for row in rows]


def list_state(connection: sqlite3.Connection, list_id: int) -> ListState:
    is_read, is_atomic, max_bytes = connection.execute(
        "SELECT is_read, is_atomic, max_bytes FROM lists WHERE id = ?", (list_id,)
    ).fetchone()
    return ListState(
        is_read=bool(is_read), is_atomic=None if is_atomic is None else bool(is_atomic), max_bytes=max_bytes
    )


def causes(connection: sqlite3.Connection, route: int) -> list[tuple[int, str, int, str]]:
    """Why records failed: the state, the cause, how many, and the source id of one of them; most first."""
    return connection.execute(
        "SELECT state, cause, count(*), min(source_id) FROM records WHERE route = ? AND state >= 5"
        " GROUP BY state, cause ORDER BY 3 DESC",
        (route,),
    ).fetchall()


def target_ids(connection: sqlite3.Connection, route: int, source_id: str) -> tuple[str, ...]:
    """The target's ids of what a source record became, in the order of its bodies."""
    return tuple(
        row[0]
        for row in connection.execute(
            "SELECT target_id FROM records WHERE route = ? AND source_id = ? AND state IN (1, 2)"
            " AND target_id IS NOT NULL ORDER BY body",
            (route, source_id),
        )
    )


def last_run(connection: sqlite3.Connection) -> tuple[int, int | None] | None:
    """The newest run and its exit code, None where it has not ended (or was killed)."""
    row: tuple[int, int | None] | None = connection.execute(
        "SELECT id, exit_code FROM runs ORDER BY id DESC LIMIT 1"
    ).fetchone()
    return row
