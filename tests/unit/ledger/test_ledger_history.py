"""The history of a migration stays small, and its sums stay what they were."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bulkmove.ledger import history
from bulkmove.ledger.file import connect, migrate
from bulkmove.ledger.history import HostSpan, RestSpan, RouteSpan

DAY_S = 86400


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    path = tmp_path / "some.ledger.db"
    with closing(connect(path, synchronous="off")) as made:
        migrate(made, path)
        made.execute("BEGIN")
        yield made


def host_span(at: float, *, seconds: float = 5, allowed: float | None = 20) -> HostSpan:
    return HostSpan("old", at, at + seconds, seconds, 3, 1, 1, int(at) % 7, allowed, {40: 2, 50: 1})


def route_span(at: float, *, seconds: float = 5) -> RouteSpan:
    return RouteSpan(1, at, at + seconds, seconds, 4, 1, 0, 1, 0, -2)


def test_a_run_of_days_keeps_few_rows_and_all_its_sums(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "MOST_ROWS", 200)
    ticks = 3000
    for tick in range(ticks):
        history.save_hosts(connection, [host_span(tick * 5.0)])
        history.save_routes(connection, [route_span(tick * 5.0)])
    hosts, routes = history.hosts(connection), history.routes(connection)
    assert 50 < len(hosts) <= 200
    assert 50 < len(routes) <= 200
    assert sum(span.requests for span in hosts) == 3 * ticks
    assert sum(span.seconds for span in hosts) == pytest.approx(5 * ticks)
    assert sum(span.allowed or 0 for span in hosts) == pytest.approx(20 * ticks)
    assert max(span.most_in_flight for span in hosts) == 6
    latencies = sum((Counter(span.latencies) for span in hosts), Counter[int]())
    assert latencies == {40: 2 * ticks, 50: ticks}
    assert sum(span.written for span in routes) == 4 * ticks
    assert sum(span.pending for span in routes) == -2 * ticks


def test_the_newest_hour_is_kept_finer_than_what_is_old(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "MOST_ROWS", 200)
    for tick in range(950):
        history.save_hosts(connection, [host_span(tick * 5.0)])
    spans = history.hosts(connection)
    assert spans[-1].seconds == 5
    assert spans[0].seconds > 10


def test_rows_are_put_together_in_time_never_across_a_long_stop() -> None:
    spans = [host_span(at) for at in (0, 5, 10, 10 * DAY_S, 10 * DAY_S + 5)]
    thin = history.thinned(spans, 2)
    assert [span.requests for span in thin] == [9, 6]
    assert [round(span.seconds) for span in thin] == [15, 10]


def test_the_short_end_of_a_run_is_added_to_the_row_before_it(connection: sqlite3.Connection) -> None:
    history.save_hosts(connection, [host_span(0)])
    history.save_hosts(connection, [host_span(5, seconds=0.5)])
    history.save_routes(connection, [route_span(0)])
    history.save_routes(connection, [route_span(5, seconds=0.5)])
    (host,), (route,) = history.hosts(connection), history.routes(connection)
    assert (host.seconds, host.requests, host.ended_at) == (5.5, 6, 5.5)
    assert (route.seconds, route.written) == (5.5, 8)


def test_a_short_run_by_itself_keeps_its_row(connection: sqlite3.Connection) -> None:
    history.save_hosts(connection, [host_span(0)])
    history.save_hosts(connection, [host_span(60, seconds=0.5)])
    assert [span.seconds for span in history.hosts(connection)] == [5, 0.5]


def test_a_host_whose_limit_was_taken_away_has_none_in_the_sum() -> None:
    assert host_span(0).plus(host_span(5, allowed=None)).allowed is None


def test_a_rest_is_kept_as_it_was_told_last(connection: sqlite3.Connection) -> None:
    first = RestSpan(1, "old", 1, 10, 20, 10, 1, "429")
    history.save_rests(connection, [first])
    history.save_rests(connection, [first._replace(ended_at=30, seconds=20)])
    assert [rest.ended_at for rest in history.rests(connection)] == [30]


def test_rests_without_end_stay_few_and_keep_their_times_by_reason(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "MOST_RESTS", 100)
    for number in range(600):
        reason = "429" if number % 3 else "answered 502"
        rest = RestSpan(1, "old", number, number * 9.0, number * 9.0 + 2, 2, 1, reason)
        history.save_rests(connection, [rest])
    rests = history.rests(connection)
    assert len(rests) <= 100
    assert sum(rest.times for rest in rests if rest.reason == "429") == 400
    assert sum(rest.seconds for rest in rests) == 1200
