"""RateLimit headers are words from outside: read strictly, bounded, and silence where they are nonsense."""

from __future__ import annotations

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulkmove.transport.hints import Hint, hints_in, reset_s, throttled_s
from bulkmove.transport.waits import LONGEST_WAIT_S

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("headers", "hints"),
    [
        ({}, []),
        ({"RateLimit-Limit": "100"}, []),
        ({"RateLimit-Remaining": "0", "RateLimit-Reset": "30"}, [(0, 30)]),
        ({"X-RateLimit-Remaining": "7", "X-RateLimit-Reset": "1700000030"}, [(7, 30)]),
        ({"X-Rate-Limit-Remaining": "0", "X-Rate-Limit-Reset": "1700000030500"}, [(0, 31)]),
        ({"X-RateLimit-Remaining": "0"}, [(0, None)]),
        ({"RateLimit-Remaining": "-1", "RateLimit-Reset": "-5"}, []),
        ({"RateLimit-Remaining": "0", "RateLimit-Reset": "soon"}, [(0, None)]),
        ({"RateLimit-Remaining": "none", "RateLimit-Reset": "1.2"}, [(None, 2)]),
        ({"RateLimit-Remaining": "0", "RateLimit-Reset": "1600000000"}, [(0, None)]),
        ({"RateLimit-Remaining": "0", "RateLimit-Reset": "999999999"}, [(0, LONGEST_WAIT_S)]),
        ({"RateLimit": "limit=100, remaining=0, reset=50"}, [(0, 50)]),
        ({"RateLimit": "limit=100,remaining=3"}, [(3, None)]),
        ({"RateLimit": "limit=100, remaining=0, reset=-50"}, []),
        ({"RateLimit": '"default";r=0;t=30'}, [(0, 30)]),
        ({"RateLimit": '"burst";r=0;t=1, "daily";r=500;t=36000'}, [(0, 1), (500, LONGEST_WAIT_S)]),
        ({"RateLimit": "default;r=4;pk=:Y29s:;t=9"}, [(4, 9)]),
        ({"RateLimit": '"default";r=0'}, [(0, None)]),
        ({"RateLimit": '"default";q=10;w=60'}, []),
        ({"RateLimit": '"default;r=0;t=30'}, []),
        ({"RateLimit": "0"}, []),
        ({"RateLimit": "r=0;" * 500}, []),
    ],
)  # fmt: skip
def test_what_is_left_and_when_it_starts_anew(headers: dict[str, str], hints: list[Hint]) -> None:
    assert hints_in(headers, NOW) == hints


_PIECES = st.sampled_from(
    ["limit", "remaining", "reset", "r", "t", "=", ";", ",", '"', '"a"', "0", "1", "99999999999", "-1", " ", "\\", "٣", "é", "1e9", "nan"]
)  # fmt: skip
_TEXTS = st.text(max_size=60) | st.lists(_PIECES, max_size=30).map("".join)
_NAMES = st.sampled_from(
    ["RateLimit", "RateLimit-Remaining", "RateLimit-Reset", "X-RateLimit-Remaining", "X-RateLimit-Reset", "X-Rate-Limit-Reset", "Retry-After"]
)  # fmt: skip


# On a machine that is busy otherwise, to make these texts takes longer than hypothesis likes; what is tested is quick.
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(headers=st.dictionaries(_NAMES, _TEXTS), now=st.floats(0, 1e11))
def test_rubbish_raises_nothing_and_makes_no_wait_out_of_bounds(headers: dict[str, str], now: float) -> None:
    for hint in hints_in(headers, now):
        assert hint.remaining is None or 0 <= hint.remaining < 10**9
        assert hint.reset_s is None or 0 < hint.reset_s <= LONGEST_WAIT_S
    told_s = reset_s(headers, now)
    assert told_s is None or 0 < told_s <= LONGEST_WAIT_S
    waited_s = throttled_s(headers, now=now, from_body=lambda: None)
    assert waited_s is None or 0 <= waited_s <= LONGEST_WAIT_S


@given(st.integers(0, 9), st.integers(1, 3000), st.sampled_from(["", "X-", "draft 7", "draft 8"]))
def test_each_spelling_says_the_same(remaining: int, reset: int, spelling: str) -> None:
    headers = {
        "draft 7": {"RateLimit": f"limit=9, remaining={remaining}, reset={reset}"},
        "draft 8": {"RateLimit": f'"default";r={remaining};t={reset}'},
    }.get(
        spelling,
        {f"{spelling}RateLimit-Remaining": str(remaining), f"{spelling}RateLimit-Reset": str(reset)},
    )
    assert hints_in(headers, NOW) == [Hint(remaining, float(reset))]


def test_a_429_waits_for_the_longest_limit_that_is_spent() -> None:
    assert reset_s({"RateLimit": '"s";r=0;t=1, "min";r=0;t=40, "day";r=5;t=3000'}, NOW) == 40


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"RateLimit-Reset": "30"}, 30),
        ({"X-RateLimit-Reset": "2.1"}, 3),
        ({"X-RateLimit-Reset": "1700000045"}, 45),
        ({"X-RateLimit-Reset": "1700000045000"}, 45),
        ({"RateLimit-Reset": "rubbish", "X-RateLimit-Reset": "7"}, 7),
        ({"X-RateLimit-Reset": "1699999999"}, None),
        ({"RateLimit-Reset": "0"}, None),
        ({}, None),
    ],
)
def test_a_reset_is_seconds_or_the_epoch(headers: dict[str, str], wait_s: float | None) -> None:
    assert reset_s(headers, NOW) == wait_s


@pytest.mark.parametrize(
    ("headers", "body_s", "wait_s"),
    [
        ({"Retry-After": "5", "RateLimit-Reset": "9"}, 7.0, 5),
        ({"Retry-After": "0", "RateLimit-Reset": "9"}, 7.0, 0),
        ({"Retry-After": "rubbish", "RateLimit-Reset": "9"}, 6.5, 7),
        ({"RateLimit-Reset": "9"}, None, 9),
        ({"RateLimit-Reset": "9"}, math.nan, 9),
        ({}, math.inf, LONGEST_WAIT_S),
        ({}, -3.0, 0),
        ({}, None, None),
    ],
)
def test_retry_after_wins_over_the_body_and_the_body_over_hints(
    headers: dict[str, str], body_s: float | None, wait_s: float | None
) -> None:
    assert throttled_s(headers, now=0.0, from_body=lambda: body_s) == wait_s
