"""Which records failed, by a person's choice of them: questions, as functions of a connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import orjson

from bulkmove.ledger import questions
from bulkmove.ledger.chunks import decompressed, unpack
from bulkmove.model import Failure, State

# Which failures a selection chooses; ?1, ?2 and ?3 are its `parameters`.
CHOSEN = """
WHERE f.state >= 5
AND (?1 IS NULL OR r.name IN (SELECT value FROM json_each(?1)))
AND (?2 IS NULL OR coalesce(f.cause, '') IN (SELECT value FROM json_each(?2)))
AND (?3 IS NULL OR f.source_id IN (SELECT value FROM json_each(?3)))
"""
# Records that are known by what stands in them: mended, they are others.
NAMELESS = ("no-id", "bad-row", "not-derived")
_GIVEN = "(SELECT value FROM json_each(?))"
# Kept pages that are taken apart at a time: failures of one page mostly stand near each other.
_MOST_UNPACKED = 16
_FAILURES = "FROM records f JOIN routes r ON r.id = f.route"
_WITH_WHAT_IS_KEPT = """
LEFT JOIN answers a ON a.route = f.route AND a.source_id = f.source_id AND a.body = f.body
LEFT JOIN sources s ON s.route = f.route AND s.source_id = f.source_id
LEFT JOIN requests q ON q.id = f.request
"""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which failures are meant: of these routes, for these causes, with these source ids; empty: any."""

    routes: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()

    @property
    def parameters(self) -> tuple[str | None, ...]:
        """What the statements here take, in their order."""
        return tuple(
            orjson.dumps(values).decode() if values else None
            for values in (self.routes, self.causes, self.ids)
        )


ALL = Selection()


class Group(NamedTuple):
    """Failures of one route with one outcome and cause: how many records, and the id of one of them."""

    route: str
    outcome: str
    cause: str
    records: int
    first_id: str


class Detail(NamedTuple):
    """All that the ledger keeps of one failure; None for what it doesn't. `record` and `mapped` are JSON.

    `answer` is the beginning of what the host said, `answered` how it answered the request that settled it.
    """

    failure: Failure
    part: int
    target_id: str | None
    record: bytes | None
    mapped: bytes | None
    answer: str | None
    answered: str | None
    sent_at: float | None
    attempts: int


def failures(connection: sqlite3.Connection, selection: Selection = ALL) -> Iterator[Failure]:
    """Every body that was rejected or is unknown; read as it is asked for, never all at once."""
    rows = connection.execute(
        f"SELECT r.name, f.source_id, f.state, f.cause, f.message {_FAILURES} {CHOSEN}"
        " ORDER BY f.route, f.source_id, f.body",
        selection.parameters,
    )
    for row in rows:
        yield _failure(*row)


def _failure(route: str, source_id: str, state: int, cause: str | None, message: str | None) -> Failure:
    return Failure(
        route=route,
        source_id=source_id,
        outcome=State(state).name.lower(),
        cause=cause or "",
        message=message or "",
    )


def groups(connection: sqlite3.Connection, selection: Selection = ALL) -> list[Group]:
    """The failures by route, outcome and cause; the routes in their order, in each the most frequent first."""
    rows = connection.execute(
        f"SELECT r.name, f.state, coalesce(f.cause, ''), count(DISTINCT f.source_id) AS records, min(f.source_id)"
        f" {_FAILURES} {CHOSEN}"
        " GROUP BY f.route, f.state, 3 ORDER BY f.route, records DESC, 3",
        selection.parameters,
    )
    return [
        Group(route, State(state).name.lower(), cause, records, first_id)
        for route, state, cause, records, first_id in rows
    ]


def causes(connection: sqlite3.Connection) -> set[str]:
    rows = connection.execute("SELECT DISTINCT coalesce(cause, '') FROM records WHERE state >= 5")
    return {row[0] for row in rows}


def outcomes(connection: sqlite3.Connection, source_id: str, routes: Sequence[str]) -> list[tuple[str, str]]:
    """What became of a record on each of these routes that knows it (no routes: on any), by its worst body."""
    rows = connection.execute(
        "SELECT r.name, max(f.state) FROM routes r JOIN records f ON f.route = r.id AND f.source_id = ?1"
        " WHERE ?2 IS NULL OR r.name IN (SELECT value FROM json_each(?2)) GROUP BY r.id ORDER BY r.id",
        (source_id, orjson.dumps(list(routes)).decode() if routes else None),
    )
    return [(name, State(state).name.lower()) for name, state in rows]


def details(connection: sqlite3.Connection, selection: Selection = ALL) -> Iterator[Detail]:
    """The failures with what is kept of them, in the order of `failures`."""
    rows = connection.execute(
        "SELECT f.route, f.body, f.target_id, f.chunk, f.attempts, a.answer, s.record, q.said, q.sent_at,"
        f" r.name, f.source_id, f.state, f.cause, f.message {_FAILURES} {_WITH_WHAT_IS_KEPT} {CHOSEN}"
        " ORDER BY f.route, f.source_id, f.body",
        selection.parameters,
    )
    pages = _KeptPages(connection)
    for _, part, target_id, chunk, attempts, answer, record, said, sent_at, *failure in rows:
        found = _failure(*failure)
        yield Detail(
            failure=found,
            part=part,
            target_id=target_id,
            record=None if record is None else decompressed(record),
            mapped=None if chunk is None else pages.body(chunk, found.source_id, part),
            answer=answer,
            answered=said,
            sent_at=sent_at,
            attempts=attempts,
        )


def places(
    connection: sqlite3.Connection,
    route: int,
    selection: Selection = ALL,
    *,
    before_run: int | None = None,
    after: str | None = None,
    among: Sequence[str] | None = None,
    lacks_record: bool = False,
    most: int,
) -> list[tuple[str, int]]:
    """Chosen failed bodies, by source id and place, of the next `most` records of a route behind the id `after`.

    `before_run`: of those that failed before it. `among`: of these records alone. `lacks_record`: of those whose source
    record is not kept, and could be read again.
    """
    # Only what is asked stands in the statement: with it, SQLite finds its way along the index.
    parts: list[tuple[str, object]] = [("source_id > ?", after or "")]
    parts += [
        (f"source_id IN {_GIVEN}", _array(ids)) for ids in (selection.ids or None, among) if ids is not None
    ]
    which: list[tuple[str, object]] = []
    if before_run is not None:
        which.append(("run < ?", before_run))
    if selection.causes:
        which.append((f"coalesce(cause, '') IN {_GIVEN}", _array(selection.causes)))
    if lacks_record:
        which.append((f"coalesce(cause, '') NOT IN {_GIVEN}", _array(NAMELESS)))
        parts.append(("source_id NOT IN (SELECT source_id FROM sources WHERE route = ?)", route))
    ids = _conditions([*parts, *which])
    rows = connection.execute(
        "SELECT source_id, body FROM records WHERE route = ? AND state >= 5"  # noqa: S608  our own words
        f" AND source_id IN (SELECT DISTINCT source_id FROM records WHERE route = ? AND state >= 5{ids[0]}"
        f" ORDER BY source_id LIMIT ?){_conditions(which)[0]} ORDER BY source_id, body",
        (route, route, *ids[1], most, *_conditions(which)[1]),
    )
    return rows.fetchall()


def _array(values: Sequence[str]) -> str:
    return orjson.dumps(list(values)).decode()


def _conditions(parts: Sequence[tuple[str, object]]) -> tuple[str, list[object]]:
    return "".join(f" AND {text}" for text, _ in parts), [value for _, value in parts]


class _KeptPages:
    """Bodies out of kept pages, of which the last few stay taken apart."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._pages: dict[int, dict[tuple[str, int], bytes]] = {}

    def body(self, chunk: int, source_id: str, part: int) -> bytes | None:
        if chunk not in self._pages:
            if len(self._pages) >= _MOST_UNPACKED:
                del self._pages[next(iter(self._pages))]
            row = self._connection.execute("SELECT bodies FROM chunks WHERE id = ?", (chunk,)).fetchone()
            kept = [] if row is None else unpack(row[0])
            self._pages[chunk] = {(each.source_id, each.part): each.body for each in kept}
        return self._pages[chunk].get((source_id, part))


def near(connection: sqlite3.Connection, routes: Sequence[str], source_id: str) -> list[str]:
    """Ids that are one slip of the finger away from one that is not there; else its neighbours in order."""
    numbers = [
        number for name, number in questions.routes(connection).items() if not routes or name in routes
    ]
    found: dict[str, None] = {}
    for number in numbers:
        found |= dict.fromkeys(sorted(questions.known(connection, number, _slips(source_id))))
    for number in numbers if not found else ():
        for order, side in (("DESC", "<"), ("ASC", ">")):
            rows = connection.execute(
                f"SELECT source_id FROM records WHERE route = ? AND source_id {side} ? AND body = 0"  # noqa: S608  our own words
                f" ORDER BY source_id {order} LIMIT 2",
                (number, source_id),
            )
            found |= dict.fromkeys(row[0] for row in rows)
    return list(found)


def _slips(text: str) -> list[str]:
    """The text with one sign left out, added, changed, or two exchanged; nothing for what nobody types."""
    if len(text) > 40:
        return []
    signs = sorted({*"0123456789", *text})
    cuts = [(text[:place], text[place:]) for place in range(len(text) + 1)]
    made = [head + rest[1:] for head, rest in cuts if rest]
    made += [head + rest[1] + rest[0] + rest[2:] for head, rest in cuts if len(rest) > 1]
    made += [head + sign + rest[1:] for head, rest in cuts if rest for sign in signs]
    made += [head + sign + rest for head, rest in cuts for sign in signs]
    return [each for each in dict.fromkeys((text.strip(), *made)) if each and each != text]
