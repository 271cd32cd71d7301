"""What a ledger keeps of records for a person, and how it is erased: functions of a connection.

Ids, hashes, outcomes and causes stay, and so does whatever has no outcome yet.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from bulkmove.ledger.chunks import keep_only, unpack
from bulkmove.model import OPEN_STATES

_OPEN = ", ".join(str(state.value) for state in OPEN_STATES)
_SETTLED = (
    "NOT EXISTS (SELECT 1 FROM records r WHERE r.route = {table}.route AND r.source_id = {table}.source_id"
    f" AND r.state IN ({_OPEN}))"
)
_ANY_ROUTE = "(?1 IS NULL OR route = (SELECT id FROM routes WHERE name = ?1))"


@dataclass(frozen=True, slots=True)
class Erasable:
    """What of settled records is kept, or was: bodies, source records, answers of hosts and messages; and bytes in all.

    `unknown`: bodies of unknown fate among them, which can't be looked for any more once they are erased.
    """

    bodies: int
    records: int
    answers: int
    messages: int
    bytes: int
    unknown: int

    @property
    def is_nothing(self) -> bool:
        return not (self.bodies or self.records or self.answers or self.messages)


def erasable(connection: sqlite3.Connection, route: str | None, *, messages: bool) -> Erasable:
    """What `erase` would erase. `messages`: those too, which may quote values."""
    bodies = size = 0
    for _, _, wanted, kept, blob in _chunks(connection, route):
        bodies += kept - wanted
        size += len(blob) * (kept - wanted) // max(kept, 1)
    records, answers = _count(connection, "sources", "record", route), _count(connection, "answers", "answer", route)
    said = (0, 0)
    if messages:
        said = connection.execute(
            f"SELECT count(*), coalesce(sum(length(message)), 0) FROM records WHERE {_ANY_ROUTE}"  # noqa: S608  our own names
            f" AND message IS NOT NULL AND state NOT IN ({_OPEN})",
            (route,),
        ).fetchone()
    (unknown,) = connection.execute(
        f"SELECT count(*) FROM records WHERE {_ANY_ROUTE} AND state = 6 AND state >= 5 AND chunk IS NOT NULL",  # noqa: S608  our own names
        (route,),
    ).fetchone()
    return Erasable(
        bodies=bodies,
        records=records[0],
        answers=answers[0],
        messages=said[0],
        bytes=size + records[1] + answers[1] + said[1],
        unknown=unknown,
    )


def _count(connection: sqlite3.Connection, table: str, column: str, route: str | None) -> tuple[int, int]:
    found: tuple[int, int] = connection.execute(
        f"SELECT count(*), coalesce(sum(length({column})), 0) FROM {table} WHERE {_ANY_ROUTE}"  # noqa: S608  our own names
        f" AND {_SETTLED.format(table=table)}",
        (route,),
    ).fetchone()
    return found


def _chunks(
    connection: sqlite3.Connection, route: str | None
) -> list[tuple[int, list[tuple[str, int]], int, int, bytes]]: ...


def erase(connection: sqlite3.Connection, route: str | None, *, messages: bool) -> None: ...
