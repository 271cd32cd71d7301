"""How many bodies of a route are in each state, kept beside the records: a million of them need not be walked to tell.

Whatever changes the state of a record says so here, in the same transaction; that the two agree is checked when a
route ends (`balance`). Bodies with no outcome, mapped or not, are tallied together, as PENDING.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping

from bulkmove.ledger.file import schema_version
from bulkmove.model import Counts, State

# The first schema that keeps tallies; a ledger that is only looked at may be older.
_TALLIED_SINCE = 2

_MOVE = """
INSERT INTO tallies (route, state, bodies) VALUES (?, ?, ?)
ON CONFLICT (route, state) DO UPDATE SET bodies = bodies + excluded.bodies
"""
_SEVERAL = "SELECT DISTINCT source_id FROM records INDEXED BY further_bodies WHERE route = ?1 AND body > 0"
_BODIES_OF_SEVERAL = f"""
SELECT state, count(*) FROM ({_SEVERAL}) AS s CROSS JOIN records AS r ON r.route = ?1 AND r.source_id = s.source_id GROUP BY state
"""  # noqa: S608  our own names
_WORST_OF_SEVERAL = f"""
SELECT worst, count(*) FROM
(SELECT max(r.state) AS worst FROM ({_SEVERAL}) AS s CROSS JOIN records AS r ON r.route = ?1 AND r.source_id = s.source_id
 GROUP BY r.source_id)
GROUP BY worst
"""  # noqa: S608  our own names

_WORST_OF_ALL = """
SELECT worst, count(*) FROM (SELECT max(state) AS worst FROM records WHERE route = ? GROUP BY source_id) GROUP BY worst
"""


def move(connection: sqlite3.Connection, *, route: int, by: Mapping[State, int]) -> None:
    """Add to the tally of each state, or take from it."""
    changes = _merged(by.items())
    connection.executemany(_MOVE, [(route, state, count) for state, count in changes.items() if count])


def bodies(connection: sqlite3.Connection, route: int) -> Counter[State]:
    """Bodies by state, as tallied."""
    rows = connection.execute("SELECT state, bodies FROM tallies WHERE route = ?", (route,))
    return Counter({State(state): count for state, count in rows if count})


def counted(connection: sqlite3.Connection, route: int) -> Counter[State]:
    """Bodies by state, by a walk over all records."""
    totals = ", ".join(f"total(state = {state.value})" for state in State)
    row = connection.execute(f"SELECT {totals} FROM records WHERE route = ?", (route,)).fetchone()  # noqa: S608  numbers of states only
    return Counter(_merged((state, int(total)) for state, total in zip(State, row, strict=True) if total))


def counts(connection: sqlite3.Connection, route: int) -> Counts:
    """Source records by their gravest body: the states are numbered in that order."""
    if schema_version(connection) < _TALLIED_SINCE:
        found = _merged((State(state), count) for state, count in connection.execute(_WORST_OF_ALL, (route,)))
    else:
        found = bodies(connection, route)
        for state, count in connection.execute(_BODIES_OF_SEVERAL, (route,)):
            found[_kept_as(state)] -= count
        for state, count in connection.execute(_WORST_OF_SEVERAL, (route,)):
            found[_kept_as(state)] += count
    return Counts(
        written=found[State.WRITTEN],
        unchanged=found[State.UNCHANGED],
        skipped=found[State.SKIPPED],
        rejected=found[State.REJECTED],
        unknown=found[State.UNKNOWN],
        pending=found[State.PENDING],
    )


def _merged(counts: Iterable[tuple[State, int]]) -> Counter[State]:
    merged: Counter[State] = Counter()
    for state, count in counts:
        merged[_kept_as(state)] += count
    return merged


def _kept_as(state: int) -> State:
    return State.PENDING if state == State.SEEN else State(state)
