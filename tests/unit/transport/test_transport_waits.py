"""Waits are read strictly, rounded up and capped; nonsense counts as silence."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkmove.transport.waits import (
    BACKOFF_CAP_S,
    LONGEST_WAIT_S,
    full_jitter_s,
    http_date,
    rest_s,
    retry_after_s,
)

NOW = 784111777.0  # Sun, 06 Nov 1994 08:49:37 GMT


@pytest.mark.parametrize(
    ("text", "wait_s"),
    [
        ("60", 60),
        (" 60 ", 60),
        ("1.2", 2),
        ("0", 0),
        ("0.0", 0),
        ("999999999", LONGEST_WAIT_S),
        ("Sun, 06 Nov 1994 08:50:07 GMT", 30),
        ("Sun, 06 Nov 1994 08:49:00 GMT", 0),
        ("Sunday, 06-Nov-94 08:50:07 GMT", 30),
        ("Sun, 06 Nov 2094 08:49:37 GMT", LONGEST_WAIT_S),
        (None, None),
        ("", None),
        ("-5", None),
        ("+5", None),
        ("1e3", None),
        ("0x10", None),
        ("٦٠", None),
        ("nan", None),
        ("inf", None),
        ("60, 60", None),
        ("60s", None),
        ("soon", None),
        ("1" * 400, None),
        ("Sun, 99 Nov 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994", None),
        ("Sun, 06 Nov 99999 08:49:37 GMT", None),
    ],
)
def test_retry_after_means_seconds_or_a_date_and_nothing_else(text: str | None, wait_s: float | None) -> None:
    assert retry_after_s(text, NOW) == wait_s


def test_a_retry_after_date_is_rounded_up() -> None:
    assert retry_after_s("Sun, 06 Nov 1994 08:49:40 GMT", NOW + 0.4) == 3


@given(st.text(max_size=60))
def test_no_text_breaks_the_readers_or_makes_a_wait_out_of_bounds(text: str) -> None:
    wait_s = retry_after_s(text, NOW)
    assert wait_s is None or 0 <= wait_s <= LONGEST_WAIT_S
    moment = http_date(text)
    assert moment is None or math.isfinite(moment)


def test_backoff_doubles_up_to_its_cap_with_full_jitter() -> None:
    assert [full_jitter_s(n, 1.0) for n in (1, 2, 3, 6, 7, 8, 10**9)] == [0.5, 1, 2, 16, 30, 30, 30]
    assert full_jitter_s(5, 0.0) == 0
    assert full_jitter_s(5, 0.25) == 2


def test_a_host_rests_at_least_half_of_a_growing_time() -> None:
    assert [rest_s(n, 0.0) for n in (1, 2, 3)] == [0.25, 0.5, 1]
    assert rest_s(50, 0.999) <= BACKOFF_CAP_S
