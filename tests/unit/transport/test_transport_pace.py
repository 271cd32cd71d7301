"""How a host that answered 429 gets its rate back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkmove.transport.pace import CREEP_PER_S, LEAST_SHARE, PASSED_OVER_S, Pace


def test_all_of_the_rate_until_a_429_halves_it() -> None:
    pace = Pace()
    assert pace.share(0.0) == 1.0
    pace.lower(10.0)
    assert pace.share(10.0) == 0.5


def test_it_creeps_quickly_to_where_the_429_came_and_slowly_past_it() -> None:
    pace = Pace()
    pace.lower(0.0)
    assert pace.share(40.0) == pytest.approx(0.7)
    assert pace.share(80.0) == pytest.approx(0.9)
    assert pace.share(80.0 + PASSED_OVER_S / 2) == pytest.approx(0.95)
    assert pace.share(81.0 + PASSED_OVER_S) == 1.0
    assert pace.share(1e9) == 1.0


def test_a_second_429_halves_what_it_had_come_to_and_is_remembered_as_the_place_to_pass() -> None:
    pace = Pace()
    pace.lower(0.0)
    pace.lower(20.0)
    assert pace.share(20.0) == 0.3
    near_s = 20.0 + (0.54 - 0.3) / CREEP_PER_S
    assert pace.share(near_s + 1) == pytest.approx(0.54)
    assert pace.share(near_s + PASSED_OVER_S) == pytest.approx(0.59, abs=0.011)
    assert pace.share(near_s + PASSED_OVER_S + 40) == pytest.approx(0.8, abs=0.011), "no 429 came there"


def test_what_was_in_use_is_what_is_halved() -> None:
    pace = Pace()
    pace.lower(0.0, used=0.4)
    assert pace.share(0.0) == 0.2


def test_while_a_host_rests_nothing_creeps() -> None:
    pace = Pace()
    pace.lower(0.0)
    pace.rest_until(60.0)
    assert pace.share(60.0) == 0.5
    assert pace.share(80.0) == pytest.approx(0.6)


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
