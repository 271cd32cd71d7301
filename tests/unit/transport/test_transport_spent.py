"""What was let out is counted in grains that another run can be told of."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bulkmove.settings import Window
from bulkmove.transport.spent import GRAIN_S, Spending, Spent, on_clock

HOUR = (Window(4, 1.0), Window(3600, 3600.0))
T = 1_700_000_010  # the end of a grain


def test_requests_of_one_grain_count_together_by_its_end() -> None:
    spending = Spending(HOUR)
    for moment in (T - 14.9, T - 3.0, float(T), T + 0.1):
        spending.note(moment)
    assert spending.grains() == (Spent(T, 3), Spent(T + GRAIN_S, 1))


def test_without_a_window_that_outlives_a_run_nothing_is_counted() -> None:
    for windows in ((), (Window(10, 1.0), Window(30, 59.0))):
        spending = Spending(windows)
        spending.note(float(T))
        assert spending.grains() == ()
    minute = Spending((Window(80, 60.0),))
    minute.note(float(T))
    assert minute.grains() == (Spent(T, 1),)


@given(st.lists(st.floats(0, 40), min_size=1, max_size=400))
def test_no_more_grains_are_kept_than_the_longest_window_has(gaps: list[float]) -> None:
    spending, now = Spending((Window(5, 600.0),)), float(T)
    moments = []
    for gap in gaps:
        now += gap
        moments.append(now)
        spending.note(now)
    kept = spending.grains()
    assert len(kept) <= 600 / GRAIN_S + 3
    assert sum(count for _, count in kept) >= sum(1 for moment in moments if moment > now - 600)


def test_spent_is_put_on_the_clock_that_runs_and_the_oldest_comes_first() -> None:
    pairs = [(T + 5, 1), (T - 100, 7), (T - 50, 0)]
    assert on_clock(pairs, wall_now=float(T), clock_now=50.0) == [(-50.0, 7), (55.0, 1)]


def test_a_wall_clock_that_was_set_back_makes_nothing_count_for_longer_than_a_new_request() -> None:
    assert on_clock([(T + 90_000, 3)], wall_now=float(T), clock_now=0.0) == [(float(GRAIN_S), 3)]
