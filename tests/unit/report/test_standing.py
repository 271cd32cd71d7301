"""What a run's events add up to."""

from __future__ import annotations

import pytest

from bulkmove.events import (
    HostSample,
    Note,
    Phase,
    RecordsRead,
    RecordsSettled,
    RouteFinished,
    RouteStarted,
)
from bulkmove.model import Counts
from bulkmove.report.standing import Standing


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def standing(clock: Clock) -> Standing:
    return Standing(clock=clock)


def test_counts_begin_with_what_the_ledger_holds(standing: Standing) -> None:
    standing.on_event(RouteStarted("orders", Counts(written=7, rejected=1, pending=2), None))
    standing.on_event(RecordsRead("orders", 5))
    standing.on_event(RecordsSettled("orders", "written", 3))
    standing.on_event(RecordsSettled("orders", "unknown", 1))
    route = standing.routes["orders"]
    assert (route.read, route.outcomes["written"], route.failed, route.settled) == (15, 10, 2, 12)


def test_the_counts_of_the_end_replace_what_was_added_up(standing: Standing) -> None:
    standing.on_event(RouteStarted("orders", Counts(), None))
    standing.on_event(RecordsSettled("orders", "written", 9))
    standing.on_event(Phase("orders", "reading back"))
    standing.on_event(RouteFinished("orders", Counts(written=8, rejected=1), True))
    route = standing.routes["orders"]
    assert (route.read, route.outcomes["written"], route.failed, route.phase) == (9, 8, 1, "")
    assert standing.finished == {"orders": True}


def test_the_rate_is_of_the_last_five_seconds(standing: Standing, clock: Clock) -> None:
    standing.on_event(RouteStarted("orders", Counts(), 10_000))
    route = standing.routes["orders"]
    for second in range(20):
        clock.now += 1
        standing.on_event(RecordsSettled("orders", "written", 1000 if second < 5 else 100))
        route.mark(clock.now)
    assert route.rate_per_s == pytest.approx(100)
    assert route.left_s == pytest.approx((10_000 - 6_500) / 100)


def test_a_route_that_only_reads_shows_how_fast_it_reads(standing: Standing, clock: Clock) -> None:
    standing.on_event(RouteStarted("products", Counts(), 1000))
    clock.now += 2
    standing.on_event(RecordsRead("products", 50))
    route = standing.routes["products"]
    route.mark(clock.now)
    assert route.rate_per_s == pytest.approx(25)
    assert route.left_s is None


def test_no_time_is_told_for_a_total_that_is_not_known(standing: Standing, clock: Clock) -> None:
    standing.on_event(RouteStarted("orders", Counts(), None))
    clock.now += 1
    standing.on_event(RecordsSettled("orders", "written", 50))
    standing.routes["orders"].mark(clock.now)
    assert standing.routes["orders"].left_s is None


def test_a_total_that_was_too_small_leaves_no_negative_time(standing: Standing, clock: Clock) -> None:
    standing.on_event(RouteStarted("orders", Counts(), 10))
    clock.now += 1
    standing.on_event(RecordsSettled("orders", "written", 50))
    standing.routes["orders"].mark(clock.now)
    assert standing.routes["orders"].left_s == 0


def test_what_moved_in_this_run_is_told_from_what_was_there(standing: Standing) -> None:
    standing.on_event(RouteStarted("orders", Counts(written=5), None))
    standing.on_event(RouteFinished("orders", Counts(written=5), True))
    assert not standing.has_moved
    standing.on_event(RecordsSettled("orders", "written", 1))
    assert standing.has_moved


def test_hosts_and_notes_are_kept(standing: Standing) -> None:
    sample = HostSample("old", 3, 1.0, 4.0, 2, 0.0, None)
    standing.on_event(sample)
    standing.on_event(Note("12 rows have no date", "orders"))
    assert standing.hosts == {"old": sample}
    assert [note.text for note in standing.notes] == ["12 rows have no date"]
