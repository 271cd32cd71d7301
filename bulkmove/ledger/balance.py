"""Whether the ledger adds up: every record read has one outcome or is open, and what is open can be gone on with.

What is asked on every resume is cheap, whatever the ledger holds; what is asked when a route ends walks all of it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import orjson

from bulkmove.ledger import questions, tallies
from bulkmove.ledger.chunks import unpack
from bulkmove.model import State

_RECORDS_READ = "SELECT total(records) FROM pages WHERE route = ?"
_OPEN = f"state IN ({State.SEEN.value}, {State.PENDING.value})"
_HOMELESS = f"""
SELECT source_id, body FROM records
WHERE route = ?1 AND {_OPEN} AND (chunk IS NULL OR chunk NOT IN (SELECT id FROM chunks WHERE route = ?1))
LIMIT 1
"""  # noqa: S608  numbers of states only


def faults(connection: sqlite3.Connection, route: int, *, whole: bool) -> Iterator[str]:
    """What does not add up in a route, in words; nothing where all does. `whole`: look at every record and body."""
    yield from _records(connection, route)
    yield from _open_bodies(connection, route)
    yield from _intents(connection, route)
    if whole:
        yield from _outcomes(connection, route)
        yield from _chunks(connection, route)


def _records(connection: sqlite3.Connection, route: int) -> Iterator[str]:
    """Bodies as many as tallied; source records as many as the pages brought."""
    (rows,) = connection.execute("SELECT count(*) FROM records WHERE route = ?", (route,)).fetchone()
    tallied = tallies.bodies(connection, route).total()
    if rows != tallied:
        yield f"{tallied} bodies were put down, and there are {rows}"
    (further,) = connection.execute(
        "SELECT count(*) FROM records INDEXED BY further_bodies WHERE route = ? AND body > 0", (route,)
    ).fetchone()
    read = int(connection.execute(_RECORDS_READ, (route,)).fetchone()[0])
    if rows - further != read:
        yield f"its pages brought {read} records, and there are {rows - further}"


def _open_bodies(connection: sqlite3.Connection, route: int) -> Iterator[str]:
    """What is open is kept to be sent; of a finished route nothing is."""
    kept = int(
        connection.execute(
            "SELECT total(open) FROM chunks INDEXED BY open_chunks WHERE route = ? AND open > 0", (route,)
        ).fetchone()[0]
    )
    tallied = tallies.bodies(connection, route)[State.PENDING]
    if kept != tallied:
        yield f"{tallied} bodies have no outcome, and {kept} are kept to be sent"
    if tallied and questions.is_finished(connection, route):
        yield f"it is finished, and {tallied} bodies have no outcome"


def _intents(connection: sqlite3.Connection, route: int) -> Iterator[str]:
    """A write that is in doubt names bodies that have no outcome."""
    for number, members in connection.execute("SELECT id, members FROM intents WHERE route = ?", (route,)):
        named = {(source_id, body) for source_id, body, _ in orjson.loads(members)}
        is_open: set[tuple[str, int]] = set()
        for part in questions.in_slices(sorted({source_id for source_id, _ in named})):
            is_open.update(connection.execute(_OPEN_OF, (route, *part)).fetchall())
        if settled := named - is_open:
            source_id, body = min(settled)
            yield f"write {number} is in doubt, and body {body} of record {source_id} that it names has an outcome"


_OPEN_OF = (
    f"SELECT source_id, body FROM records WHERE route = ? AND {_OPEN}"  # noqa: S608  marks only
    f" AND source_id IN ({','.join('?' * questions.WIDTH)})"
)


def _outcomes(connection: sqlite3.Connection, route: int) -> Iterator[str]:
    """The outcomes of all bodies, counted; and every record has a first body."""
    tallied, counted = tallies.bodies(connection, route), tallies.counted(connection, route)
    for state in State:
        if tallied[state] != counted[state]:
            said = "have no outcome" if state is State.PENDING else f"are {state.name.lower()}"
            yield f"{tallied[state]} bodies {said}, and there are {counted[state]}"
    orphan = connection.execute(
        "SELECT source_id FROM records AS r INDEXED BY further_bodies WHERE route = ?1 AND body > 0"
        " AND NOT EXISTS (SELECT 1 FROM records WHERE route = ?1 AND source_id = r.source_id AND body = r.body - 1)"
        " LIMIT 1",
        (route,),
    ).fetchone()
    if orphan is not None:
        yield f"a body of record {orphan[0]} is missing"


def _chunks(connection: sqlite3.Connection, route: int) -> Iterator[str]:
    """Each kept page counts its bodies right, and holds those that are open or failed."""
    for source_id, body in connection.execute(_HOMELESS, (route,)):
        yield f"body {body} of record {source_id} has no outcome, and is not kept"
    chunks = connection.execute(
        "SELECT id, open, kept, bodies FROM chunks WHERE route = ? ORDER BY id", (route,)
    )
    for number, is_open, failed, blob in chunks:
        try:
            names = {(kept.source_id, kept.part) for kept in unpack(blob)}
        except Exception as error:  # noqa: BLE001  whatever can't be unpacked is damage
            yield f"kept page {number} can't be unpacked ({type(error).__name__})"
            return
        held = _held(connection, route, number, names)
        if held != (is_open, failed):
            yield (
                f"kept page {number} counts {is_open} open and {failed} failed bodies, and holds {held[0]} and {held[1]}"
            )
            return


def _held(
    connection: sqlite3.Connection, route: int, chunk: int, names: set[tuple[str, int]]
) -> tuple[int, int]:
    """How many bodies of a kept page are open, and how many failed, as their records say."""
    is_open = failed = 0
    for part in questions.in_slices(sorted({source_id for source_id, _ in names})):
        for source_id, body, state in connection.execute(_STATES_OF, (route, chunk, *part)):
            if (source_id, body) in names:
                is_open += state < State.REJECTED
                failed += state >= State.REJECTED
    return is_open, failed


_STATES_OF = (
    "SELECT source_id, body, state FROM records WHERE route = ? AND chunk = ? AND state >= 3"  # noqa: S608  marks only
    f" AND source_id IN ({','.join('?' * questions.WIDTH)})"
)
