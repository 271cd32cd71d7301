"""When requests are due and which rates are offered; percentiles; which step is the highest safe one."""

from __future__ import annotations

import itertools
import random

import pytest

from bulkmove.cutover.bench.samples import Samples, Spread
from bulkmove.cutover.bench.schedule import allowed_per_s, between, due_times, ladder, least_s, requests_of
from bulkmove.cutover.bench.steps import Fault, Step, fault_of, highest_safe
from bulkmove.settings import Window

AT_REST = Spread(p50=0.05, p90=0.08, p99=0.1, max=0.1)
UNKNOWN = Spread()


def step(
    offered: float,
    *,
    answered: float | None = None,
    throttled: int = 0,
    failed: int = 0,
    latency: Spread = AT_REST,
    fault: Fault | None = None,
    from_sent: Spread = UNKNOWN,
) -> Step:
    return Step(
        offered=offered,
        seconds=1.0,
        sent=100,
        answered=offered if answered is None else answered,
        records=100 * offered,
        throttled=throttled,
        failed=failed,
        most_at_once=2,
        latency=latency,
        fault=fault,
        from_sent=from_sent,
    )


def test_even_requests_are_due_at_the_same_distance_whatever_chance_says() -> None:
    assert list(due_times(20, 4, arrivals="even", chance=lambda: 0.9)) == [0.0, 0.05, 0.1, 0.15]


def test_requests_by_chance_come_at_the_rate_on_average_and_not_evenly() -> None:
    due = list(due_times(50, 5000, arrivals="poisson", chance=random.Random(7).random))
    gaps = [after - before for before, after in itertools.pairwise(due)]
    assert due == sorted(due)
    assert len(due) / due[-1] == pytest.approx(50, rel=0.05)
    mean = sum(gaps) / len(gaps)
    variance = sum((gap - mean) ** 2 for gap in gaps) / len(gaps)
    assert variance**0.5 == pytest.approx(mean, rel=0.1), "exponential gaps vary by as much as they last"


def test_no_rate_is_offered_beyond_what_the_windows_let_out() -> None:
    for windows in ([Window(20, 1.0)], [Window(4, 1.0), Window(80, 60.0)], [Window(3000, 1.0)]):
        allowed = allowed_per_s(windows)
        assert allowed is not None
        rates = ladder(allowed)
        assert rates == sorted(set(rates))
        assert rates[-1] == allowed < min(each.count / each.period_s for each in windows)


def test_a_window_of_hours_is_none_that_a_bench_can_try() -> None:
    assert allowed_per_s([Window(3600, 3600.0)]) is None
    assert ladder(None)[-1] == max(ladder(None)) > 1000


def test_a_step_has_enough_requests_to_tell_something_and_ends_all_the_same() -> None:
    assert requests_of(100, step_s=3) == 300
    assert requests_of(5, step_s=0.1) == 20
    assert requests_of(0.5, step_s=3) == 7, "of a host this slow no twenty: they would take 40 s"
    assert requests_of(5000, step_s=60) == 4000


def test_a_step_lasts_until_a_window_that_is_overstepped_would_be_full() -> None:
    windows = [Window(4, 1.0), Window(80, 60.0), Window(3600, 3600.0)]
    assert requests_of(100, step_s=0.1, least_s=least_s(windows, is_last=False)) > 100
    assert requests_of(80 / 60, step_s=0.1, least_s=least_s(windows, is_last=True)) > 80
    assert least_s([], is_last=True) > 1


def test_the_limit_is_looked_for_until_it_is_close() -> None:
    assert between(10, 20, within=0.06) == 15
    assert between(19, 20, within=0.06) is None


def test_percentiles_are_values_that_were_measured() -> None:
    samples = Samples()
    for number in range(1, 1001):
        samples.add(number / 1000)
    assert samples.spread() == Spread(p50=0.5, p90=0.9, p99=0.99, p999=0.999, max=1.0)


def test_a_percentile_that_so_few_answers_cannot_tell_is_not_told() -> None:
    samples = Samples()
    for number in range(20):
        samples.add(0.01 * number)
    spread = samples.spread()
    assert (spread.p99, spread.p999) == (None, None)
    assert spread.p90 == pytest.approx(0.17)
    assert Samples().spread() == Spread()


def test_samples_are_bounded_and_still_fair() -> None:
    samples = Samples(most=500)
    for number in range(50_000):
        samples.add(number / 50_000)
    assert samples.count == 50_000
    assert samples.max == 49_999 / 50_000
    assert samples.within(0.5) == pytest.approx(0.5, abs=0.08)
    assert samples.within(0.9) == pytest.approx(0.9, abs=0.05)


REST = step(5)


@pytest.mark.parametrize(
    ("tried", "fault"),
    [
        (step(20), None),
        (step(20, throttled=1), "429"),
        (step(20, failed=2), "failed"),
        (step(20, answered=17.0), "late"),
        (step(20, answered=0.0), "late"),
        # A hundred at this rate are over within a quarter of a second: one late answer is a tenth of that.
        (step(400, answered=340.0), None),
        (step(20, latency=Spread(p50=0.12, max=0.2)), "slow"),
        (step(20, latency=Spread(p50=0.06, p99=0.5, max=0.5)), "slow"),
        (step(20, latency=Spread(p50=0.09, p99=0.3, max=0.3)), None),
        # Waited for its own gate, and answered as quickly as ever.
        (step(20, latency=Spread(p50=0.2, max=0.3), from_sent=Spread(p50=0.05, max=0.1)), None),
        (step(20, from_sent=Spread(p50=0.2, max=0.3)), "slow"),
    ],
)
def test_what_speaks_against_a_step(tried: Step, fault: str | None) -> None:
    assert fault_of(tried, REST) == fault


def test_no_step_above_a_faulty_one_is_safe() -> None:
    steps = [step(5), step(10), step(15, fault="429"), step(12, fault="slow"), step(20)]
    safe = highest_safe(steps)
    assert safe is not None
    assert safe.offered == 10
    assert highest_safe([step(5, fault="late")]) is None
