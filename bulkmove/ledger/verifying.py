"""What a verification asks the ledger: bodies, natural keys, and whose the rows of a target are.

Functions of a connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

import orjson

from bulkmove.model import State

_IDS = "(SELECT value FROM json_each(?))"


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
