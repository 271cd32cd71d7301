"""How long a migration takes, by its requests and the windows of its hosts."""

from __future__ import annotations

import pytest

from bulkmove.pipeline.forecast import (
    RETRIES,
    Forecast,
    HostLimits,
    Load,
    Step,
    forecast,
    least_s,
    longest,
)
from bulkmove.settings import Window

OLD = HostLimits("old", (Window(4, 1.0), Window(80, 60.0), Window(3600, 3600.0)), 1, 16, None)
NEW = HostLimits("new", (Window(20, 1.0),), 1, 16, 0.1)


def load(route: str, host: str, requests: int, step: Step = "reading") -> Load:
    return Load(route, host, step, requests, requests)


def told(*loads: Load, read_s: float = 0.0, after: dict[str, tuple[str, ...]] | None = None) -> Forecast:
    routes = {each.route for each in loads}
    return forecast(loads, [OLD, NEW], after=after or dict.fromkeys(routes, ()), read_s=read_s)


def test_the_window_that_takes_longest_is_the_limit_of_a_host() -> None:
    seconds, limit = least_s(OLD, 612)
    assert seconds == pytest.approx(611 * 60 / 80)
    assert limit == "80/min"
    (old, _) = told(load("a", "old", 612)).hosts
    assert [f"{100 * each.share:.0f} % of {each.window}" for each in old.quotas] == [
        "15300 % of 4/s",
        "765 % of 80/min",
        "17 % of 3600/h",
    ]


def test_a_long_window_lets_all_through_that_it_holds_and_then_none_until_it_is_past() -> None:
    hour = HostLimits("old", (Window(100, 3600.0),), 1, 16, None)
    assert [least_s(hour, count)[0] for count in (1, 100, 101, 200, 201)] == [0, 0, 3600, 3600, 7200]


def test_requests_at_once_are_a_limit_where_answers_are_slow() -> None:
    slow = HostLimits("slow", (Window(1000, 1.0),), 1, 4, 2.0)
    seconds, limit = least_s(slow, 80)
    assert seconds == pytest.approx(40)
    assert limit == "4 at a time, 2,000 ms each,"
    assert least_s(HostLimits("free", (), 1, 4, None), 80) == (0.0, "nothing")


def test_hosts_work_side_by_side_and_routes_that_come_after_others_behind_them() -> None:
    first, second = load("a", "old", 81), load("b", "new", 401)
    side_by_side = told(first, second)
    assert side_by_side.low_s == pytest.approx(60)
    behind = told(first, second, after={"a": (), "b": ("a",)})
    assert behind.low_s == pytest.approx(60 + 20)
    on_one_host = told(first, load("b", "old", 80), after={"a": (), "b": ("a",)})
    assert on_one_host.low_s == pytest.approx(120)


def test_the_longest_chain_counts() -> None:
    after = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c"), "e": ("not planned",)}
    seconds = {"a": 1.0, "b": 10.0, "c": 2.0, "d": 100.0, "e": 50.0}
    assert longest(after, lambda route: seconds[route]) == 111.0
    assert longest({}, lambda route: seconds[route]) == 0.0


def test_the_upper_bound_reads_as_long_as_the_plan_did_and_writes_behind_it() -> None:
    reading, writing = load("a", "old", 81), load("a", "new", 401, "writing")
    found = told(reading, writing, read_s=70.0)
    assert found.low_s == pytest.approx(60)
    assert found.high_s == pytest.approx((1 + RETRIES) * (70 + 20))
    slow = told(reading, load("a", "new", 10, "writing"), read_s=0.0)
    assert slow.high_s == pytest.approx((1 + RETRIES) * 60), "never less than the lower bound"


def test_the_bottleneck_is_told_with_its_share_of_the_time() -> None:
    found = told(load("a", "old", 81), load("a", "new", 401, "writing"), read_s=70.0).bottleneck
    assert found is not None
    assert (found.host, found.limit) == ("old", "80/min")
    assert found.share == pytest.approx(60 / 99)
    idle = told(load("a", "new", 3), read_s=100.0)
    assert idle.bottleneck is None, "a host that is busy for a thousandth of the time holds nothing up"


def test_nothing_asked_takes_no_time() -> None:
    found = forecast([], [], after={}, read_s=0.0)
    assert (found.low_s, found.high_s, found.bottleneck) == (0.0, 0.0, None)
