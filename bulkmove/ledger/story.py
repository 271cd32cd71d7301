"""All that a ledger tells of one record: functions of a connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from bulkmove.ledger.chunks import decompressed, unpack
from bulkmove.model import State


class RunNote(NamedTuple):
    """One run or retry (`kind`). `ended_at` None: it goes on, or was killed after `alive_at`."""

    id: int
    kind: str
    started_at: float
    alive_at: float
    ended_at: float | None
    exit_code: int | None


class PageNote(NamedTuple):
    """A page that put the record down, or mapped again what an earlier one had."""

    id: int
    run: int
    put_at: float
    records: int


class RequestNote(NamedTuple):
    """A write request that carried the body. `is_last`: by its answer the body has its outcome."""

    id: int
    run: int
    sent_at: float
    answered_at: float
    bodies: int
    said: str
    is_last: bool


class DoubtNote(NamedTuple):
    """A write of the body that nothing has settled. `sent_at` 0: it waits for a look at the target."""

    request: int
    run: int
    sent_at: float
    is_parked: bool


class FormerNote(NamedTuple):
    """An outcome of the body that a retry took back. `at`: when it came about, where that was noted."""

    run: int
    at: float | None
    state: State
    cause: str | None
    message: str | None


@dataclass(frozen=True, slots=True)
class BodyNote:
    """One body of the record. `body`, `key`: where the bytes are kept; `run`: the one that noted its state."""

    part: int
    state: State
    target_id: str | None
    key: str | None
    digest: bytes | None
    body: bytes | None
    attempts: int
    cause: str | None
    message: str | None
    run: int
    requests: Sequence[RequestNote]
    doubts: Sequence[DoubtNote]
    answer: str | None
    former: Sequence[FormerNote]


@dataclass(frozen=True, slots=True)
class Story:
    """One record of one route. `pages` in the order in which they were put down; `record`: as it was read, where kept."""

    route: str
    source_id: str
    version: str | None
    pages: Sequence[PageNote]
    bodies: Sequence[BodyNote]
    record: bytes | None
    runs: Sequence[RunNote]
    is_gone: bool


def story(connection: sqlite3.Connection, route: str, source_id: str) -> Story | None:
    """None where the route, or the record, is not known."""
    row = connection.execute("SELECT id FROM routes WHERE name = ?", (route,)).fetchone()
    if row is None:
        return None
    (number,) = row
    rows = connection.execute(
        "SELECT body, state, target_id, digest, attempts, cause, message, run, request, chunk, coalesce(page, -route), version"
        " FROM records WHERE route = ? AND source_id = ? ORDER BY body",
        (number, source_id),
    ).fetchall()
    if not rows:
        return None
    pages = _pages(connection, rows[0][10])
    bodies = [_body(connection, number, source_id, row) for row in rows]
    record = connection.execute(
        "SELECT record FROM sources WHERE route = ? AND source_id = ?", (number, source_id)
    ).fetchone()
    gone = connection.execute(
        "SELECT 1 FROM gone WHERE route = ? AND source_id = ? AND run > 0", (number, source_id)
    ).fetchone()
    named = {page.run for page in pages} | {body.run for body in bodies}
    for body in bodies:
        named |= {each.run for each in body.requests} | {each.run for each in body.doubts}
        named |= {each.run for each in body.former}
    return Story(
        route=route,
        source_id=source_id,
        version=rows[0][11],
        pages=pages,
        bodies=bodies,
        record=None if record is None else decompressed(record[0]),
        runs=_runs(connection, named),
        is_gone=gone is not None,
    )


def _pages(connection: sqlite3.Connection, last: int | None) -> list[PageNote]:
    """The page that put the record down as it is, and those that it goes back to."""
    found: list[PageNote] = []
    while last is not None:
        row = connection.execute(
            "SELECT id, run, put_at, records, was FROM pages WHERE id = ?", (last,)
        ).fetchone()
        if row is None:
            break
        found.append(PageNote(*row[:4]))
        last = row[4]
    return found[::-1]


def _body(connection: sqlite3.Connection, route: int, source_id: str, row: Sequence[Any]) -> BodyNote:
    part, state, target_id, digest, attempts, cause, message, run, request, chunk, _, _ = row
    kept = None
    if chunk is not None:
        blob = connection.execute("SELECT bodies FROM chunks WHERE id = ?", (chunk,)).fetchone()
        bodies = [] if blob is None else unpack(blob[0])
        kept = next((each for each in bodies if (each.source_id, each.part) == (source_id, part)), None)
    answer = connection.execute(
        "SELECT answer FROM answers WHERE route = ? AND source_id = ? AND body = ?", (route, source_id, part)
    ).fetchone()
    return BodyNote(
        part=part,
        state=State(state),
        target_id=target_id,
        key=None if kept is None else kept.key,
        digest=digest,
        body=None if kept is None else kept.body,
        attempts=attempts,
        cause=cause,
        message=message,
        run=run,
        requests=_requests(connection, route, source_id, part, request),
        doubts=_doubts(connection, route, source_id, part),
        answer=None if answer is None else answer[0],
        former=_former(connection, route, source_id, part),
    )


def _former(connection: sqlite3.Connection, route: int, source_id: str, part: int) -> list[FormerNote]:
    rows = connection.execute(
        "SELECT run, at, state, cause, message FROM former WHERE route = ? AND source_id = ? AND body = ? ORDER BY run",
        (route, source_id, part),
    )
    return [FormerNote(run, at, State(state), cause, message) for run, at, state, cause, message in rows]


def _requests(
    connection: sqlite3.Connection, route: int, source_id: str, part: int, last: int | None
) -> list[RequestNote]:
    tried: set[int] = {
        row[0]
        for row in connection.execute(
            "SELECT request FROM tries WHERE route = ? AND source_id = ? AND body = ?",
            (route, source_id, part),
        )
    }
    numbers = sorted(tried | ({last} if last is not None else set()))
    found: list[RequestNote] = []
    for number in numbers:
        row = connection.execute(
            "SELECT id, run, sent_at, answered_at, bodies, said FROM requests WHERE id = ?", (number,)
        ).fetchone()
        if row is not None:
            found.append(RequestNote._make((*row, number == last and number not in tried)))
    return found


def _doubts(connection: sqlite3.Connection, route: int, source_id: str, part: int) -> list[DoubtNote]:
    found: list[DoubtNote] = []
    for number, run, sent_at, is_parked, members in connection.execute(
        "SELECT id, run, sent_at, is_parked, members FROM intents WHERE route = ? ORDER BY id", (route,)
    ):
        if any(member[:2] == [source_id, part] for member in orjson.loads(members)):
            found.append(DoubtNote(number, run, sent_at, bool(is_parked)))
    return found


def _runs(connection: sqlite3.Connection, numbers: Iterable[int]) -> list[RunNote]:
    rows = [
        connection.execute(
            "SELECT id, kind, started_at, alive_at, ended_at, exit_code FROM runs WHERE id = ?", (number,)
        ).fetchone()
        for number in sorted(numbers)
    ]
    return [RunNote(*row) for row in rows if row is not None]
