"""Latencies can be added and told by percentile; rests are told once, as they came about."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from bulkmove.transport.latencies import Latencies, percentile_s
from bulkmove.transport.rests import Rest, RestLog


def test_percentiles_are_within_five_percent_whatever_took_how_long() -> None:
    dice = random.Random(4)
    took = sorted(dice.lognormvariate(-2, 1.3) + 0.002 for _ in range(5000))
    latencies = Latencies()
    for seconds in took:
        latencies.add(seconds)
    for share in (0.5, 0.95, 0.99, 1.0):
        exact = took[round(share * len(took)) - 1]
        assert percentile_s(latencies.counts(), share) == pytest.approx(exact, rel=0.05)


def test_two_counts_together_tell_what_one_count_of_all_would() -> None:
    one, other, both = Latencies(), Latencies(), Latencies()
    for place in range(200):
        seconds = 0.01 * (place + 1)
        (one if place % 3 else other).add(seconds)
        both.add(seconds)
    assert Counter(one.counts()) + Counter(other.counts()) == Counter(both.counts())


def test_nothing_answered_has_no_percentile() -> None:
    assert percentile_s({}, 0.5) is None


def test_a_rest_that_goes_on_is_told_again_under_its_number_until_it_is_over() -> None:
    log = RestLog()
    log.note(10, until=20, reason="429")
    assert log.take(12) == [Rest(1, 10, 20, "429")]
    log.note(15, until=30, reason="429")
    assert log.take(25) == [Rest(1, 10, 30, "429")]
    assert log.take(31) == [Rest(1, 10, 30, "429")]
    assert log.take(32) == []


def test_rests_that_overlap_are_not_counted_twice() -> None:
    log = RestLog()
    log.note(0, until=10, reason="429")
    log.note(5, until=8, reason="answered 502")
    log.note(6, until=14, reason="answered 503")
    assert log.take(20) == [Rest(1, 0, 10, "429"), Rest(2, 10, 14, "answered 503")]


def test_a_rest_that_somebody_ended_ends_there() -> None:
    log = RestLog()
    log.note(0, until=100, reason="paused")
    log.cut(7)
    assert log.take(8) == [Rest(1, 0, 7, "paused")]


def test_where_nobody_takes_rests_they_do_not_pile_up() -> None:
    log = RestLog()
    for at in range(1000):
        log.note(2 * at, until=2 * at + 1, reason="429")
    assert len(log.take(2000)) <= 20
