"""What a ledger keeps of records for a person, and how it is erased: functions of a connection.

Ids, hashes, outcomes and causes stay, and so does whatever has no outcome yet.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import orjson

from bulkmove.errors import LedgerError
from bulkmove.ledger.chunks import keep_only, unpack
from bulkmove.ledger.file import connect, explained, locked, migrate
from bulkmove.model import OPEN_STATES

_OPEN = ", ".join(str(state.value) for state in OPEN_STATES)
# ?1: the name of the one route that is meant, or NULL.
_MEANT = "(?1 IS NULL OR route = (SELECT id FROM routes WHERE name = ?1))"
_TABLES = (("sources", "record"), ("answers", "answer"))
_CANARIES = "canary_bodies"
_MESSAGES = f"{_MEANT} AND message IS NOT NULL AND state NOT IN ({_OPEN})"
_OPEN_OF = (
    f"SELECT source_id, body FROM records WHERE route = ? AND state IN ({_OPEN})"  # noqa: S608  our own names
    " AND source_id IN (SELECT value FROM json_each(?))"
)


@dataclass(frozen=True, slots=True)
class Erasable:
    """What is kept of settled records: bodies, source records, answers of hosts, messages; and how many bytes in all.

    `written`: bodies as they were written; `befores`: rows as they stood before they were changed. `unknown`: bodies of unknown fate among them, which can't be looked for any more once they are erased.
    """

    bodies: int = 0
    records: int = 0
    answers: int = 0
    messages: int = 0
    unknown: int = 0
    bytes: int = 0
    written: int = 0
    befores: int = 0

    @property
    def is_nothing(self) -> bool:
        kept = self.written or self.befores
        return not (self.bodies or self.records or self.answers or self.messages or kept)


def _settled(table: str) -> str:
    return (
        f"{_MEANT} AND NOT EXISTS (SELECT 1 FROM records r WHERE r.route = {table}.route"  # noqa: S608  our own names
        f" AND r.source_id = {table}.source_id AND r.state IN ({_OPEN}))"
    )


def erasable(
    connection: sqlite3.Connection, route: str | None, *, messages: bool, written: bool = False
) -> Erasable:
    """What `erase` would erase. `messages`: those too; they may quote values. `written`: see `purge`."""
    bodies = size = 0
    for chunk in _chunks(connection, route):
        erased = chunk.bodies - len(chunk.open)
        bodies += erased
        size += len(chunk.blob) * erased // max(chunk.bodies, 1)
    sent, length = connection.execute(
        f"SELECT count(*), coalesce(sum(length(sent)), 0) FROM {_CANARIES} WHERE {_settled(_CANARIES)}",  # noqa: S608  our own names
        (route,),
    ).fetchone()
    bodies, size = bodies + sent, size + length
    counts: list[int] = []
    wanted = [(table, column, _settled(table)) for table, column in _TABLES]
    for table, column, condition in [*wanted, ("records", "message", _MESSAGES)]:
        count, length = connection.execute(
            f"SELECT count(*), coalesce(sum(length({column})), 0) FROM {table} WHERE {condition}",  # noqa: S608  our own names
            (route,),
        ).fetchone()
        is_meant = messages or column != "message"
        counts.append(count if is_meant else 0)
        size += length if is_meant else 0
    (unknown,) = connection.execute(
        f"SELECT count(*) FROM records WHERE {_MEANT} AND state >= 5 AND state = 6 AND chunk IS NOT NULL",  # noqa: S608  our own names
        (route,),
    ).fetchone()
    records, answers, said = counts
    kept: list[int] = []
    for table, column, condition in _kept(written=written):
        count, length = connection.execute(
            f"SELECT count(*), coalesce(sum(length({column})), 0) FROM {table} WHERE {condition}",  # noqa: S608  our own names
            (route,),
        ).fetchone()
        kept.append(count)
        size += length
    return Erasable(bodies, records, answers, said, unknown, size, *kept)


def _kept(*, written: bool) -> list[tuple[str, str, str]]:
    """Tables of what `keep_before` keeps, and of what self-routes always do; the columns, and which rows of them."""
    of_others = "" if written else " AND route NOT IN (SELECT id FROM routes WHERE is_own_list = 1)"
    settled = "route IN (SELECT id FROM routes WHERE is_finished = 1)"
    return [
        ("written", "fields", f"{_settled('written')}{of_others}"),
        ("befores", "image", f"{_MEANT} AND image <> x'' AND {settled}"),
    ]


@dataclass(frozen=True, slots=True)
class _Chunk:
    id: int
    blob: bytes
    bodies: int
    open: list[tuple[str, int]]


def _chunks(connection: sqlite3.Connection, route: str | None) -> Iterator[_Chunk]:
    """The kept pages that hold a body with an outcome."""
    numbers = connection.execute(f"SELECT id, open FROM chunks WHERE {_MEANT}", (route,)).fetchall()  # noqa: S608  our own names
    for number, is_open in numbers:
        of, blob = connection.execute("SELECT route, bodies FROM chunks WHERE id = ?", (number,)).fetchone()
        names = [(kept.source_id, kept.part) for kept in unpack(blob)]
        still: list[tuple[str, int]] = []
        if is_open:
            ids = orjson.dumps(sorted({source_id for source_id, _ in names})).decode()
            still = list(set(names) & set(connection.execute(_OPEN_OF, (of, ids)).fetchall()))
        if len(still) < len(names):
            yield _Chunk(number, blob, len(names), still)


def purge_file(
    path: Path, route: str | None, *, messages: bool, synchronous: str, written: bool = False
) -> Erasable:
    """Hold the ledger as a run does and purge it; what was erased. Raises LedgerLockedError while a run is going."""
    try:
        with locked(path), closing(connect(path, synchronous=synchronous)) as connection:
            migrate(connection, path)
            erased = erasable(connection, route, messages=messages, written=written)
            purge(connection, route, messages=messages, written=written)
    except sqlite3.Error as error:
        raise explained(path, error) from error
    return erased


def purge(
    connection: sqlite3.Connection, route: str | None, *, messages: bool, written: bool = False
) -> None:
    """Erase it, and write the file anew, so that its bytes are nowhere in it.

    `written`: what was last written on routes that change their own list, too, which delta and verify need there.
    Raises LedgerError where something else holds the file open, so that its old pages can't be given up; what was to
    be erased is no part of the ledger any more then.
    """
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("BEGIN IMMEDIATE")
    try:
        _erase(connection, route, messages=messages)
        _erase_kept(connection, route, written=written)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    # What was given up before, by a run, still stands in free pages.
    connection.execute("VACUUM")
    is_busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if is_busy:
        raise LedgerError(
            "it is erased from the ledger, but another program reads the file and keeps its old pages: end that, and"
            " purge again"
        )


def _erase(connection: sqlite3.Connection, route: str | None, *, messages: bool) -> None:
    for chunk in _chunks(connection, route):
        if chunk.open:
            blob = keep_only(chunk.blob, chunk.open)
            connection.execute("UPDATE chunks SET bodies = ?, kept = 0 WHERE id = ?", (blob, chunk.id))
        else:
            connection.execute("DELETE FROM chunks WHERE id = ?", (chunk.id,))
    connection.execute(
        f"UPDATE records SET chunk = NULL WHERE {_MEANT} AND state >= 5 AND chunk IS NOT NULL",  # noqa: S608  our own names
        (route,),
    )
    for table in (*(table for table, _ in _TABLES), _CANARIES):
        connection.execute(f"DELETE FROM {table} WHERE {_settled(table)}", (route,))  # noqa: S608  our own names
    if messages:
        connection.execute(f"UPDATE former SET message = NULL WHERE {_MEANT}", (route,))  # noqa: S608  our own names
        connection.execute(f"UPDATE records SET message = NULL WHERE {_MESSAGES}", (route,))  # noqa: S608  our own names


def _erase_kept(connection: sqlite3.Connection, route: str | None, *, written: bool) -> None:
    bodies, images = _kept(written=written)
    connection.execute(f"DELETE FROM written WHERE {bodies[2]}", (route,))  # noqa: S608  our own names
    # That it was kept once stays known: what is read from now on is no row as it stood before.
    connection.execute(f"UPDATE befores SET image = x'' WHERE {images[2]}", (route,))  # noqa: S608  our own names
    for table in ("undoing", "undoing_bodies"):
        connection.execute(f"DELETE FROM {table} WHERE {_MEANT}", (route,))  # noqa: S608  our own names
