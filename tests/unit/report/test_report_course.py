"""The axis of a report's plots: hours without a run are cut out, and nothing that was counted is lost by it."""

from __future__ import annotations

import itertools
import math
from datetime import UTC, datetime

import pytest

from bulkmove.ledger.history import HostSpan, RouteSpan
from bulkmove.report.page.course import Course, course_of, percentiles, rates
from bulkmove.report.page.moments import Moments

HOUR_S = 3600.0
START = datetime(2026, 11, 20, 8, 0, tzinfo=UTC).timestamp()


def course(*spans: tuple[float, float]) -> Course:
    found = course_of((START + begin * HOUR_S, START + end * HOUR_S) for begin, end in spans)
    assert found is not None
    return found


def span(begin_s: float, end_s: float, requests: int) -> HostSpan:
    return HostSpan(
        "h", START + begin_s, START + end_s, end_s - begin_s, requests, 0, 0, 1, None, {9: requests}
    )


def test_nothing_ran_is_no_course() -> None:
    assert course_of(()) is None


def test_a_night_between_two_runs_is_cut_and_a_minute_is_not() -> None:
    found = course((0, 2), (2.01, 4), (14, 16))
    assert len(found.parts) == 2
    (cut,) = found.cuts()
    assert cut.seconds == 10 * HOUR_S
    assert found.length_s < 7 * HOUR_S


def test_moments_stand_in_their_order_and_inside() -> None:
    found = course((0, 2), (14, 16), (40, 41))
    places = [found.place(START + hours * HOUR_S) for hours in (0, 1, 2, 14, 15, 16, 40, 41)]
    assert places == sorted(places)
    assert places[0] == 0
    assert places[-1] == pytest.approx(found.length_s)


def test_ticks_are_few_do_not_overlap_and_name_each_day_once() -> None:
    found = course((0, 9), (24, 30), (49, 50))
    ticks = found.ticks(8, Moments(UTC))
    assert 4 <= len(ticks) <= 10
    assert all(right.at - left.at > found.length_s / 20 for left, right in itertools.pairwise(ticks))
    days = [tick.label.partition("\n")[2] for tick in ticks if "\n" in tick.label]
    assert days == ["20 Nov", "21 Nov", "22 Nov"]


@pytest.mark.parametrize("seconds", [0.4, 7, 90, 4000, 400_000, 40_000_000])
def test_any_length_has_ticks(seconds: float) -> None:
    found = course_of([(START, START + seconds)])
    assert found is not None
    assert 1 <= len(found.ticks(8, Moments(UTC))) <= 10


def test_a_thousand_runs_leave_most_of_the_width_to_what_ran() -> None:
    found = course(*((hours, hours + 0.05) for hours in range(1000)))
    assert found.gap_s * (len(found.parts) - 1) < 0.25 * found.length_s


@pytest.mark.parametrize("bins", [7, 100, 240])
def test_steps_hold_all_that_was_counted(bins: int) -> None:
    found = course_of([(START, START + 600)])
    assert found is not None
    spans = [span(5.0 * n, 5.0 * n + 5, n % 9) for n in range(120)]
    steps = rates(found, spans, lambda each: each.requests, bins)
    width = found.length_s / bins
    assert sum(rate * width for rate in steps) == pytest.approx(sum(each.requests for each in spans))


def test_where_nothing_ran_a_rate_is_unknown_and_not_zero() -> None:
    found = course_of([(START, START + 100)])
    assert found is not None
    steps = rates(found, [span(0, 50, 100)], lambda each: each.requests, 10)
    assert steps[:5] == pytest.approx([2.0] * 5)
    assert all(math.isnan(rate) for rate in steps[5:])


def test_latencies_of_a_step_are_those_of_its_rows() -> None:
    found = course_of([(START, START + 100)])
    assert found is not None
    ((first, second),) = percentiles(found, [span(0, 50, 3)], [0.5], 2)
    assert first == pytest.approx(0.0022, rel=0.05)
    assert math.isnan(second)


def test_a_route_row_that_is_longer_than_a_step_is_spread_over_its_steps() -> None:
    found = course_of([(START, START + 100)])
    assert found is not None
    row = RouteSpan(1, START, START + 100, 100, 50, 0, 0, 0, 0, 0)
    assert rates(found, [row], lambda each: each.settled, 4) == pytest.approx([0.5] * 4)
