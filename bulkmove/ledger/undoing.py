"""What an undo works on: the rows that a route created or changed, newest first, and what becomes of each.

Functions of a connection; those that change something, inside a transaction. The list is made anew by each undo: what
an earlier one undid is no written record any more.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import orjson

from bulkmove.exact import decode_json
from bulkmove.ledger import sweeping
from bulkmove.ledger.chunks import compressed, decompressed
from bulkmove.ledger.questions import WIDTH, in_slices
from bulkmove.ledger.unplaced import UNPLACED, list_found
from bulkmove.model import JsonObject, State

OPEN = "open"
DONE = "done"

_IDS = "(SELECT value FROM json_each(?))"
_MARKS = ",".join("?" * WIDTH)
# A later write that is open, refused or of unknown fate is no reason to leave what an earlier one made.
_WROTE = f"""
target_id IS NOT NULL AND (state = {State.WRITTEN.value} OR is_created = 1 OR EXISTS
    (SELECT 1 FROM written AS k WHERE k.route = records.route AND k.source_id = records.source_id AND k.body = records.body))
"""  # noqa: S608  our own names
_BODIES = """
INSERT INTO undoing_bodies (route, source_id, body, target_id, request)
SELECT route, source_id, body, target_id, coalesce(request, 0) FROM records WHERE route = ? AND {wrote}
"""
_ROWS = """
INSERT INTO undoing (route, target_id, place, is_created, step)
SELECT b.route, b.target_id, row_number() OVER (ORDER BY max(b.request) DESC, b.target_id), max(r.is_created),
    iif(max(r.state IN (3, 4)), ?2, NULL)
FROM undoing_bodies AS b JOIN records AS r ON r.route = b.route AND r.source_id = b.source_id AND r.body = b.body
WHERE b.route = ?1 GROUP BY b.target_id
"""
_KEYS = """
UPDATE undoing SET key = k.key
FROM keys AS k JOIN undoing_bodies AS b ON b.route = ?1 AND b.source_id = k.source_id AND b.body = k.body
WHERE k.list = ?2 AND k.route = ?3 AND k.rows = 0 AND k.body IS NOT NULL
    AND undoing.route = ?1 AND undoing.target_id = b.target_id
"""
_BODIES_OF = f"""
SELECT b.target_id, b.source_id, b.body, coalesce(b.fields, w.fields)
FROM undoing_bodies AS b LEFT JOIN written AS w ON w.route = b.route AND w.source_id = b.source_id AND w.body = b.body
WHERE b.route = ? AND b.target_id IN ({_MARKS}) ORDER BY b.request, b.source_id, b.body
"""  # noqa: S608  marks only
_IS_UNKEPT = """
b.fields IS NULL AND NOT EXISTS
    (SELECT 1 FROM written AS w WHERE w.route = b.route AND w.source_id = b.source_id AND w.body = b.body)
"""
_UNKEPT = f"""
SELECT DISTINCT b.source_id FROM undoing_bodies AS b WHERE b.route = ? AND b.source_id > ? AND {_IS_UNKEPT}
ORDER BY b.source_id LIMIT ?
"""  # noqa: S608  our own names
_DIGESTS = f"""
SELECT b.source_id, b.body, r.digest FROM undoing_bodies AS b
JOIN records AS r ON r.route = b.route AND r.source_id = b.source_id AND r.body = b.body
WHERE b.route = ? AND b.source_id IN ({_MARKS}) AND {_IS_UNKEPT} AND r.digest IS NOT NULL
"""  # noqa: S608  our own names


class PlannedRow(NamedTuple):
    """One row that is to be undone. `send`: the fields that undo it, where it is not deleted.

    `was`: the step that was sent already, and is to be confirmed by another look.
    """

    target_id: str
    place: int
    is_created: bool
    key: str | None
    step: str | None
    was: str | None
    why: str | None
    send: JsonObject | None


class Judged(NamedTuple):
    """What is to be done with a row, and why not more."""

    target_id: str
    step: str
    why: str | None = None
    send: bytes | None = None


class Refused(NamedTuple):
    """A row that is left as it is. `target_id`: None where it is not known."""

    source_id: str
    target_id: str | None
    step: str
    why: str | None


def begin(connection: sqlite3.Connection, *, route: int, name: str, list_id: int, ids: Sequence[str]) -> None:
    """List the rows that the route wrote; those of the records with these source ids, where there are any.

    A row whose id is not known is listed where `sweeping.note` was given the one row that shows its key.
    """
    _clear(connection, route=route)
    bodies = _BODIES.format(wrote=_WROTE)
    if ids:
        # A row that several records wrote is undone for all of them.
        mine = f"SELECT target_id FROM records WHERE route = ? AND source_id IN {_IDS}"  # noqa: S608  our own names
        named = orjson.dumps(list(ids)).decode()
        connection.execute(f"{bodies} AND target_id IN ({mine})", (route, route, named))
    else:
        connection.execute(bodies, (route,))
    list_found(connection, route=route, name=name, list_id=list_id, ids=ids)
    connection.execute(_ROWS, (route, OPEN))
    connection.execute(_KEYS, (route, list_id, name))


def forget(connection: sqlite3.Connection, *, route: int) -> None:
    """Nothing of an undo is kept; of rows that were found by their keys neither."""
    _clear(connection, route=route)
    sweeping.begin(connection, route=route)


def _clear(connection: sqlite3.Connection, *, route: int) -> None:
    connection.execute("DELETE FROM undoing WHERE route = ?", (route,))
    connection.execute("DELETE FROM undoing_bodies WHERE route = ?", (route,))


def half_written(connection: sqlite3.Connection, *, route: int) -> tuple[int, str | None]:
    """How many open bodies were written before, whole or in part, and the first one's record."""
    count, first = connection.execute(
        "SELECT count(*), min(r.source_id) FROM written AS w JOIN records AS r"
        " ON r.route = w.route AND r.source_id = w.source_id AND r.body = w.body WHERE w.route = ? AND r.state IN (3, 4)",
        (route,),
    ).fetchone()
    return count, first


def next_rows(
    connection: sqlite3.Connection, *, route: int, after: int, most: int, steps: Sequence[str] | None
) -> list[PlannedRow]:
    """The next rows behind the place `after`: those not looked at yet, or (`steps`) those of which this is to be done."""
    wanted = "step IS NULL" if steps is None else f"step IN {_IDS}"
    given = (route, after) if steps is None else (route, after, orjson.dumps(list(steps)).decode())
    rows = connection.execute(
        f"SELECT target_id, place, is_created, key, step, was, why, send FROM undoing WHERE route = ? AND place > ? AND {wanted}"  # noqa: S608  our own names
        " ORDER BY place LIMIT ?",
        (*given, most),
    )
    return [_planned(row) for row in rows]


def rows_named(
    connection: sqlite3.Connection, *, route: int, target_ids: Sequence[str]
) -> dict[str, PlannedRow]:
    """Those of the rows that are to be looked at, by their ids."""
    found: dict[str, PlannedRow] = {}
    for some in in_slices(target_ids):
        for row in connection.execute(
            "SELECT target_id, place, is_created, key, step, was, why, send FROM undoing"  # noqa: S608  marks only
            f" WHERE route = ? AND step IS NULL AND target_id IN ({_MARKS})",
            (route, *some),
        ):
            found[row[0]] = _planned(row)
    return found


def _planned(row: Sequence[Any]) -> PlannedRow:
    target_id, place, is_created, key, step, was, why, send = row
    decoded = None if send is None else decode_json(decompressed(send))
    return PlannedRow(target_id, place, bool(is_created), key, step, was, why, decoded)


def last_written(
    connection: sqlite3.Connection, *, route: int, target_ids: Sequence[str]
) -> dict[str, JsonObject | None]:
    """What was last written to these rows, of all bodies together; None where some of it is not known."""
    found: dict[str, JsonObject | None] = {}
    for some in in_slices(target_ids):
        for target_id, _, _, blob in connection.execute(_BODIES_OF, (route, *some)):
            so_far = found.get(target_id, {})
            known = blob is not None and so_far is not None
            found[target_id] = {**(so_far or {}), **decode_json(decompressed(blob))} if known else None
    return found


def unkept(connection: sqlite3.Connection, *, route: int, after: str, most: int) -> list[str]:
    """The next source ids behind `after` of records with a body that is not kept."""
    return [row[0] for row in connection.execute(_UNKEPT, (route, after, most))]


def digests(
    connection: sqlite3.Connection, *, route: int, source_ids: Sequence[str]
) -> dict[tuple[str, int], bytes]:
    """The hashes of what was written of these records, where the body itself is not kept."""
    return {
        (source_id, part): digest
        for some in in_slices(source_ids)
        for source_id, part, digest in connection.execute(_DIGESTS, (route, *some))
    }


def is_all_kept(connection: sqlite3.Connection, *, route: int) -> bool:
    """Whether all that the route wrote is kept."""
    found = connection.execute(
        f"SELECT 1 FROM records WHERE route = ? AND ({_WROTE} OR {UNPLACED}) AND NOT EXISTS (SELECT 1 FROM written AS w"  # noqa: S608  both are our own text
        " WHERE w.route = records.route AND w.source_id = records.source_id AND w.body = records.body) LIMIT 1",
        (route,),
    ).fetchone()
    return found is None


def fill(connection: sqlite3.Connection, *, route: int, bodies: Iterable[tuple[str, int, bytes]]) -> None:
    """What was written, as it was made anew; it stays no longer than the undo."""
    connection.executemany(
        "UPDATE undoing_bodies SET fields = ? WHERE route = ? AND source_id = ? AND body = ?",
        [(compressed(encoded), route, source_id, part) for source_id, part, encoded in bodies],
    )


def judge(connection: sqlite3.Connection, *, route: int, judged: Iterable[Judged]) -> None:
    connection.executemany(
        "UPDATE undoing SET step = ?, why = ?, send = ? WHERE route = ? AND target_id = ?",
        [
            (each.step, each.why, None if each.send is None else compressed(each.send), route, each.target_id)
            for each in judged
        ],
    )


def judge_rest(connection: sqlite3.Connection, *, route: int, step: str, why: str | None) -> None:
    """All rows that were not looked at."""
    connection.execute(
        "UPDATE undoing SET step = ?, why = ? WHERE route = ? AND step IS NULL", (step, why, route)
    )


def look_again(connection: sqlite3.Connection, *, route: int, steps: Sequence[str]) -> None:
    """These rows are to be read once more before anything is done."""
    connection.execute(
        f"UPDATE undoing SET was = step, step = NULL, why = NULL, send = NULL WHERE route = ? AND step IN {_IDS}",  # noqa: S608  our own names
        (route, orjson.dumps(list(steps)).decode()),
    )


def steps(connection: sqlite3.Connection, *, route: int) -> Counter[str]:
    """How many rows each step is for."""
    rows = connection.execute(
        "SELECT coalesce(step, ''), count(*) FROM undoing WHERE route = ? GROUP BY 1", (route,)
    )
    return Counter(dict(rows.fetchall()))


def refused(connection: sqlite3.Connection, *, route: int, steps: Sequence[str], most: int) -> list[Refused]:
    """Rows with these steps, by what was written last first, with a record that wrote each."""
    rows = connection.execute(
        "SELECT (SELECT min(b.source_id) FROM undoing_bodies b WHERE b.route = u.route AND b.target_id = u.target_id),"  # noqa: S608  our own names
        f" u.target_id, u.step, u.why FROM undoing u WHERE u.route = ? AND u.step IN {_IDS} ORDER BY u.place LIMIT ?",
        (route, orjson.dumps(list(steps)).decode(), most),
    )
    return [Refused(*row) for row in rows]


def partly(connection: sqlite3.Connection, *, route: int, steps: Sequence[str]) -> int:
    """How many rows with these steps are put back but for a field."""
    count: int = connection.execute(
        f"SELECT count(*) FROM undoing WHERE route = ? AND why IS NOT NULL AND step IN {_IDS}",  # noqa: S608  our own names
        (route, orjson.dumps(list(steps)).decode()),
    ).fetchone()[0]
    return count


def joined_requests(connection: sqlite3.Connection, *, route: int, most: int) -> int:
    """How many requests change the rows, where one carries equal changes of at most so many."""
    count: int = connection.execute(
        "SELECT coalesce(sum((n + ?2 - 1) / ?2), 0) FROM"
        " (SELECT count(*) AS n FROM undoing WHERE route = ?1 AND send IS NOT NULL GROUP BY send)",
        (route, most),
    ).fetchone()[0]
    return count
