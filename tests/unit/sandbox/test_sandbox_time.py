"""Shop time agrees with the zone's own tables, also around the clock changes."""

from __future__ import annotations

import random
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from bulkmove.sandbox.shop_time import CHANGES, ShopClock, from_wall, parse_time

BUCHAREST = ZoneInfo("Europe/Bucharest")


def test_text_is_what_the_zone_tables_say() -> None:
    rng = random.Random(1)
    clock = ShopClock()
    near = [change + step for change in CHANGES[:60] for step in (-3601, -1, 0, 1, 3600)]
    for second in [*near, *(rng.randrange(1_300_000_000, 2_200_000_000) for _ in range(500))]:
        assert clock.text(second) == datetime.fromtimestamp(second, BUCHAREST).isoformat()
        assert parse_time(clock.text(second)) == second


def test_times_without_a_zone_are_shop_time() -> None:
    assert parse_time("2024-01-01") == parse_time("2024-01-01T00:00:00+02:00")
    assert parse_time("2024-07-01T12:00:00") == parse_time("2024-07-01T09:00:00Z")
    assert from_wall(0) == -7200


def test_fractions_of_a_second_are_cut_off() -> None:
    assert parse_time("2024-07-01T09:00:00.999Z") == parse_time("2024-07-01T09:00:00Z")


@pytest.mark.parametrize("text", ["", "yesterday", "2024-13-01", "2024-01-01T00:00:00 02:00", "1741710342"])
def test_what_is_no_time_is_told_apart(text: str) -> None:
    assert parse_time(text) is None
