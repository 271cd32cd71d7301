"""Which answers show that their requests may have got to the host late."""

from __future__ import annotations

import pytest

from bulkmove.transport.lateness import BLOCK, LEAST_LATE_S, MOST_KINDS, MOST_LATE, MOST_LATE_S, Lateness


def answered(lateness: Lateness, took_s: tuple[float, ...], *, kind: str = "GET /orders") -> list[float]:
    """What the answers of one block show."""
    return [lateness.of(kind, took_s[number % len(took_s)]) for number in range(BLOCK)]


def test_nothing_is_late_before_a_block_of_answers_was_seen() -> None:
    assert not any(answered(Lateness(), (0.1, 0.12, 0.3)))


@pytest.mark.parametrize(
    ("took_s", "late_s"),
    [(0.12, 0.0), (0.129, 0.0), (0.131, 0.031), (0.22, 0.12), (0.1 + MOST_LATE_S + 0.001, 0.0)],
)
def test_what_takes_longer_than_all_of_the_block_before_was_late_by_what_the_quickest_did_not_take(
    took_s: float, late_s: float
) -> None:
    lateness = Lateness()
    answered(lateness, (0.1, 0.12))
    assert lateness.of("GET /orders", took_s) == pytest.approx(late_s)


def test_a_host_whose_answers_differ_is_hardly_ever_late() -> None:
    lateness = Lateness()
    answered(lateness, (0.02, 0.5))
    assert not any(answered(lateness, (0.02, 0.5, 0.7)))


def test_a_host_that_takes_longer_from_now_on_is_late_a_few_times_alone() -> None:
    lateness = Lateness()
    answered(lateness, (0.1,))
    assert sum(late_s > 0 for late_s in answered(lateness, (0.2,))) == MOST_LATE
    assert not any(answered(lateness, (0.2,)))


def test_kinds_are_held_against_their_own_and_no_more_are_kept_than_a_host_has() -> None:
    lateness = Lateness()
    answered(lateness, (0.005,))
    assert not lateness.of("POST /orders", 0.1)
    assert lateness.of("GET /orders", 0.005 + 2 * LEAST_LATE_S)
    for number in range(MOST_KINDS):
        answered(lateness, (0.005,), kind=f"GET /{number}/x")
    assert not lateness.of(f"GET /{MOST_KINDS - 1}/x", 0.1)
