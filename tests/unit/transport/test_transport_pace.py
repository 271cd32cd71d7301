"""How a host that answered 429 gets its rate back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkmove.transport.pace import CREEP_PER_S, LEAST_SHARE, PASSED_OVER_S, Pace


def test_all_of_the_rate_until_a_429_takes_a_fifth_for_half_a_minute() -> None:
    pace = Pace()
    assert pace.share(0.0) == 1.0
    pace.lower(10.0)
    assert pace.share(10.0) == 0.8
    assert pace.share(22.5) == 0.9
    assert pace.share(35.1) == 1.0
    assert pace.share(1e9) == 1.0


def test_a_rare_429_takes_a_twentieth_for_seconds() -> None:
    pace = Pace()
    pace.lower(0.0, is_rare=True)
    assert pace.share(0.0) == 0.95
    assert pace.share(6.3) == 1.0
    pace.lower(7.0)
    assert pace.share(7.0) == 0.8
    pace.lower(19.5, is_rare=True)
    assert pace.share(19.5) == pytest.approx(0.85), "on its way back, too"
    assert pace.share(40.0) == 1.0


def test_a_second_429_on_the_way_back_halves_what_it_had_come_to() -> None:
    pace = Pace()
    pace.lower(0.0)
    pace.lower(12.6)
    assert pace.share(12.6) == 0.45


def test_a_second_429_that_comes_after_a_whole_window_takes_a_fifth() -> None:
    """As from a host that allows no burst, where two come too close now and then: its rate is not half of what it served."""
    pace = Pace()
    pace.lower(0.0)
    pace.lower(12.6, is_late=True)
    assert pace.share(12.6) == 0.72


def test_it_then_creeps_quickly_to_where_the_429_came_slowly_past_it_and_quickly_beyond() -> None:
    pace = Pace()
    pace.lower(0.0)
    pace.lower(0.0)
    near_s = (0.72 - 0.4) / CREEP_PER_S
    assert pace.share(near_s / 2) == pytest.approx(0.56)
    assert pace.share(near_s + 1) == pytest.approx(0.72)
    assert pace.share(near_s + PASSED_OVER_S / 2) == pytest.approx(0.76)
    assert pace.share(near_s + PASSED_OVER_S + 1) == pytest.approx(0.8)
    assert pace.share(near_s + PASSED_OVER_S + 12.6) == pytest.approx(0.9), "no 429 came there"
    assert pace.share(near_s + PASSED_OVER_S + 26) == 1.0


def test_once_all_is_back_a_429_is_a_first_one_again() -> None:
    pace = Pace()
    pace.lower(0.0)
    pace.lower(0.0)
    pace.lower(2000.0)
    assert pace.share(2000.0) == 0.8


def test_what_was_in_use_is_what_is_lowered() -> None:
    pace = Pace()
    pace.lower(0.0, used=0.5)
    assert pace.share(0.0) == 0.4


def test_while_a_host_rests_nothing_creeps() -> None:
    pace = Pace()
    pace.lower(0.0)
    pace.rest_until(60.0)
    assert pace.share(60.0) == 0.8
    assert pace.share(72.6) == pytest.approx(0.9)


@given(st.lists(st.tuples(st.floats(0, 500), st.floats(0, 1), st.booleans()), max_size=30))
def test_whatever_comes_the_share_stays_in_its_bounds_and_never_falls_without_a_429(
    events: list[tuple[float, float, bool]],
) -> None:
    pace, now = Pace(), 0.0
    for passed_s, used, is_throttled in events:
        before = pace.share(now)
        now += passed_s
        assert pace.share(now) >= before
        if is_throttled:
            pace.lower(now, used=used)
            assert pace.share(now) <= max(LEAST_SHARE, before + 1)
        assert LEAST_SHARE <= pace.share(now) <= 1.0
    assert pace.share(now + 2000) == 1.0
