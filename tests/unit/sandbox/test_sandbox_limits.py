"""Strict limits: no window ever lets more through than it says."""

from __future__ import annotations

from bulkmove.sandbox.conditions import RateWindow
from bulkmove.sandbox.limits import Limit


def test_a_window_lets_its_count_through_and_says_when_it_frees() -> None:
    limit = Limit([RateWindow(2, 1.0)])
    assert limit.admit(10.0) is None
    assert limit.admit(10.4) is None
    wait_s = limit.admit(10.5)
    assert wait_s is not None
    assert abs(wait_s - 0.5) < 1e-9
    assert limit.admit(10.999) is not None
    assert limit.admit(11.0) is None


def test_a_refused_request_takes_no_place() -> None:
    limit = Limit([RateWindow(1, 1.0)])
    limit.admit(0.0)
    for tenth in range(1, 10):
        assert limit.admit(tenth / 10) is not None
    assert limit.admit(1.0) is None


def test_every_window_must_have_room_and_the_longest_wait_is_named() -> None:
    limit = Limit([RateWindow(10, 1.0), RateWindow(3, 60.0)])
    for second in range(3):
        assert limit.admit(float(second)) is None
    assert limit.admit(5.0) == 55.0
    assert limit.admit(60.0) is None


def test_statistics_tell_what_came_and_what_was_let_through() -> None:
    limit = Limit([RateWindow(2, 1.0)])
    for hundredth in range(5):
        limit.admit(hundredth / 100)
    limit.admit(50.0)
    assert limit.statistics() == [{"window": "2/s", "limit": 2, "max_requests": 5, "max_admitted": 2}]
    assert limit.most_in_a_second == 5


def test_without_windows_everything_is_let_through() -> None:
    limit = Limit([])
    assert all(limit.admit(0.0) is None for _ in range(1000))


def test_a_fixed_window_begins_anew_at_its_edge() -> None:
    limit = Limit([RateWindow(2, 1.0)], is_sliding=False)
    assert limit.admit(10.9) is None
    assert limit.admit(10.95) is None
    wait_s = limit.admit(10.96)
    assert wait_s is not None
    assert abs(wait_s - 0.04) < 1e-9
    assert limit.admit(11.0) is None
    assert limit.admit(11.1) is None
    assert limit.admit(11.2) is not None
