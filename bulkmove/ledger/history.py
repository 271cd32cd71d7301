"""What hosts and routes did over time: rows of some seconds each, put together as they become many.

However long a migration goes on, a host or a route has at most MOST_ROWS of them: all numbers of a row can be added.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import orjson

from bulkmove.model import State

MOST_ROWS = 2000
MOST_RESTS = 1000
FINEST_GRAIN_S = 10.0
# The end of a run seldom falls on a row's: a shorter row is added to the one before it, since its rates would be odd.
LEAST_S = 2.5


class HostSpan(NamedTuple):
    """A host in some seconds of a run. Times: epoch seconds; see schema 10 for the rest."""

    host: str
    began_at: float
    ended_at: float
    seconds: float
    requests: int
    retries: int
    throttled: int
    most_in_flight: int
    allowed: float | None
    latencies: Mapping[int, int]

    def plus(self, other: HostSpan) -> HostSpan:
        has_limit = self.allowed is not None and other.allowed is not None
        return HostSpan(
            host=self.host,
            began_at=min(self.began_at, other.began_at),
            ended_at=max(self.ended_at, other.ended_at),
            seconds=self.seconds + other.seconds,
            requests=self.requests + other.requests,
            retries=self.retries + other.retries,
            throttled=self.throttled + other.throttled,
            most_in_flight=max(self.most_in_flight, other.most_in_flight),
            allowed=(self.allowed or 0.0) + (other.allowed or 0.0) if has_limit else None,
            latencies=Counter(self.latencies) + Counter(other.latencies),
        )


class RouteSpan(NamedTuple):
    """A route in some seconds of a run: by how much the bodies in each state became more, or fewer."""

    route: int
    began_at: float
    ended_at: float
    seconds: float
    written: int
    unchanged: int
    skipped: int
    rejected: int
    unknown: int
    pending: int

    @property
    def settled(self) -> int:
        """How many bodies got an outcome; negative where a retry took more back than were settled."""
        return self.written + self.unchanged + self.skipped + self.rejected + self.unknown

    def plus(self, other: RouteSpan) -> RouteSpan:
        return RouteSpan(
            route=self.route,
            began_at=min(self.began_at, other.began_at),
            ended_at=max(self.ended_at, other.ended_at),
            seconds=self.seconds + other.seconds,
            written=self.written + other.written,
            unchanged=self.unchanged + other.unchanged,
            skipped=self.skipped + other.skipped,
            rejected=self.rejected + other.rejected,
            unknown=self.unknown + other.unknown,
            pending=self.pending + other.pending,
        )


class RestSpan(NamedTuple):
    """A time in which nothing was sent to a host, or several of them for one reason."""

    run: int
    host: str
    number: int
    began_at: float
    ended_at: float
    seconds: float
    times: int
    reason: str

    def plus(self, other: RestSpan) -> RestSpan:
        first = min(self, other, key=lambda rest: rest.began_at)
        return first._replace(
            ended_at=max(self.ended_at, other.ended_at),
            seconds=self.seconds + other.seconds,
            times=self.times + other.times,
        )


_Span = TypeVar("_Span", HostSpan, RouteSpan, RestSpan)


def thinned(rows: Sequence[_Span], most: int, *, kind: Callable[[_Span], object] = type) -> list[_Span]:
    """Rows that lie near each other put together, until there are at most so many (and one more a `kind`)."""
    grain_s = FINEST_GRAIN_S
    while True:
        found: dict[tuple[object, int], _Span] = {}
        for row in rows:
            place = (kind(row), int(row.ended_at // grain_s))
            found[place] = found[place].plus(row) if place in found else row
        kinds = {each for each, _ in found}
        if len(found) <= max(most, len(kinds)):
            return sorted(found.values(), key=lambda row: row.ended_at)
        grain_s *= 2


_PUT_HOST = "INSERT OR REPLACE INTO host_history (host, began_at, ended_at, seconds, requests, retries, throttled, most_in_flight, allowed, latencies) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PUT_ROUTE = "INSERT OR REPLACE INTO route_history (route, began_at, ended_at, seconds, written, unchanged, skipped, rejected, unknown, pending) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PUT_REST = "INSERT OR REPLACE INTO rests (run, host, number, began_at, ended_at, seconds, times, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"


def save_hosts(connection: sqlite3.Connection, spans: Iterable[HostSpan]) -> None:
    """Add a row a host, and put old ones together where they are too many."""
    for new in spans:
        span = new
        if span.seconds < LEAST_S:
            for before in hosts(connection, span.host, ended_at=span.began_at):
                connection.execute(
                    "DELETE FROM host_history WHERE host = ? AND ended_at = ?", (span.host, span.began_at)
                )
                span = before.plus(span)
        _put_hosts(connection, [span])
        if _count(connection, "host_history", "host", span.host) > MOST_ROWS:
            rows = thinned(hosts(connection, span.host), MOST_ROWS // 2)
            connection.execute("DELETE FROM host_history WHERE host = ?", (span.host,))
            _put_hosts(connection, rows)


def _put_hosts(connection: sqlite3.Connection, spans: Iterable[HostSpan]) -> None:
    connection.executemany(
        _PUT_HOST,
        [(*span[:-1], orjson.dumps({str(k): n for k, n in span.latencies.items()})) for span in spans],
    )


def save_routes(connection: sqlite3.Connection, spans: Iterable[RouteSpan]) -> None:
    """Add a row a route, and put old ones together where they are too many."""
    for new in spans:
        span = new
        if span.seconds < LEAST_S:
            for before in routes(connection, span.route, ended_at=span.began_at):
                connection.execute(
                    "DELETE FROM route_history WHERE route = ? AND ended_at = ?", (span.route, span.began_at)
                )
                span = before.plus(span)
        connection.execute(_PUT_ROUTE, span)
        if _count(connection, "route_history", "route", span.route) > MOST_ROWS:
            rows = thinned(routes(connection, span.route), MOST_ROWS // 2)
            connection.execute("DELETE FROM route_history WHERE route = ?", (span.route,))
            connection.executemany(_PUT_ROUTE, rows)


def save_rests(connection: sqlite3.Connection, spans: Sequence[RestSpan]) -> None:
    """Add rests, or say anew when one ends."""
    connection.executemany(_PUT_REST, spans)
    for host in {span.host for span in spans}:
        if _count(connection, "rests", "host", host) > MOST_RESTS:
            # The newest may go on: it is told again under its own number.
            *old, newest = rests(connection, host)
            connection.execute("DELETE FROM rests WHERE host = ?", (host,))
            connection.executemany(
                _PUT_REST, [*thinned(old, MOST_RESTS // 2, kind=lambda rest: rest.reason), newest]
            )


def _count(connection: sqlite3.Connection, table: str, column: str, value: str | int) -> int:
    count: int = connection.execute(
        f"SELECT count(*) FROM {table} WHERE {column} = ?",  # noqa: S608  our own names
        (value,),
    ).fetchone()[0]
    return count


def states(spans: Mapping[State, int]) -> tuple[int, ...]:
    """The numbers of a RouteSpan, in its order."""
    order = (State.WRITTEN, State.UNCHANGED, State.SKIPPED, State.REJECTED, State.UNKNOWN, State.PENDING)
    return tuple(spans.get(state, 0) for state in order)


def hosts(
    connection: sqlite3.Connection, host: str | None = None, *, ended_at: float | None = None
) -> list[HostSpan]:
    """The rows of a host, or of all, each host's in the order of time."""
    rows = connection.execute(
        "SELECT host, began_at, ended_at, seconds, requests, retries, throttled, most_in_flight, allowed, latencies"
        " FROM host_history WHERE (?1 IS NULL OR host = ?1) AND (?2 IS NULL OR ended_at = ?2)"
        " ORDER BY host, ended_at",
        (host, ended_at),
    )
    return [
        HostSpan._make((*row[:-1], {int(bucket): count for bucket, count in orjson.loads(row[-1]).items()}))
        for row in rows
    ]


def routes(
    connection: sqlite3.Connection, route: int | None = None, *, ended_at: float | None = None
) -> list[RouteSpan]:
    """The rows of a route, or of all, each route's in the order of time."""
    rows = connection.execute(
        "SELECT route, began_at, ended_at, seconds, written, unchanged, skipped, rejected, unknown, pending"
        " FROM route_history WHERE (?1 IS NULL OR route = ?1) AND (?2 IS NULL OR ended_at = ?2)"
        " ORDER BY route, ended_at",
        (route, ended_at),
    )
    return [RouteSpan(*row) for row in rows]


def rests(connection: sqlite3.Connection, host: str | None = None) -> list[RestSpan]:
    """The rests of a host, or of all, in the order of time."""
    rows = connection.execute(
        "SELECT run, host, number, began_at, ended_at, seconds, times, reason"
        " FROM rests WHERE ?1 IS NULL OR host = ?1 ORDER BY began_at",
        (host,),
    )
    return [RestSpan(*row) for row in rows]
