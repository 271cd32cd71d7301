"""What left the source while it was read, by name: functions of a connection inside a transaction.

`run` 0 marks a row of a reading that was begun anew and that the new reading has not shown yet.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from bulkmove.ledger import tallies
from bulkmove.ledger.file import schema_version
from bulkmove.model import State

CAUSE = "gone-at-source"
_NAMED_SINCE = 2  # the first schema that does
MESSAGE = "deleted at the source before it was mapped"
_NOT_AGAIN = """
SELECT source_id FROM gone WHERE route = ?1 AND run = 0
AND NOT EXISTS (SELECT 1 FROM records WHERE route = ?1 AND source_id = gone.source_id AND body = 0)
"""


def note(connection: sqlite3.Connection, *, route: int, run: int, source_ids: Sequence[str]) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO gone (route, source_id, run) VALUES (?, ?, ?)",
        [(route, source_id, run) for source_id in source_ids],
    )


def forget(connection: sqlite3.Connection, *, route: int) -> None:
    """Before the names are told anew: a reading that did not come to its end told them of what it saw."""
    connection.execute("DELETE FROM gone WHERE route = ?", (route,))


def skip(connection: sqlite3.Connection, *, route: int, run: int, page: int, put_at: float) -> int:
    """Skip the rows that a reading which was begun anew did not show again; how many."""
    names = [row[0] for row in connection.execute(_NOT_AGAIN, (route,))]
    if names:
        connection.executemany(
            "INSERT INTO records (route, source_id, body, state, cause, message, run, page) VALUES (?, ?, 0, ?, ?, ?, ?, ?)",
            [(route, name, State.SKIPPED, CAUSE, MESSAGE, run, page) for name in names],
        )
        connection.execute(
            "INSERT INTO pages (id, route, run, put_at, records) VALUES (?, ?, ?, ?, ?)",
            (page, route, run, put_at, len(names)),
        )
        tallies.move(connection, route=route, by={State.SKIPPED: len(names)})
    note(connection, route=route, run=run, source_ids=names)
    connection.execute("DELETE FROM gone WHERE route = ? AND run = 0", (route,))
    return len(names)


def named(connection: sqlite3.Connection, route: int, most: int) -> tuple[int, list[str]]:
    """How many are gone, and the first so many names. A ledger that is only looked at may be older than names are."""
    if schema_version(connection) < _NAMED_SINCE:
        return 0, []
    count: int = connection.execute(
        "SELECT count(*) FROM gone WHERE route = ? AND run > 0", (route,)
    ).fetchone()[0]
    rows = connection.execute(
        "SELECT source_id FROM gone WHERE route = ? AND run > 0 ORDER BY source_id LIMIT ?", (route, most)
    )
    return count, [row[0] for row in rows]


def read_ids(connection: sqlite3.Connection, route: int, after: str, most: int) -> list[str]:
    """Source ids that were put down, in their order, behind `after`; rows that have no id of their own left out."""
    rows = connection.execute(
        "SELECT source_id FROM records WHERE route = ? AND source_id > ? AND body = 0 AND cause IS NOT 'no-id'"
        " ORDER BY source_id LIMIT ?",
        (route, after, most),
    )
    return [row[0] for row in rows]
