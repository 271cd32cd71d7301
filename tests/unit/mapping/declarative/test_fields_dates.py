"""Dates: read and written in stated forms, and never in a zone that nobody stated."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.mapping.declarative.conftest import MapOne, Refused

DATE = 'a = {{ path = "x", as = "date"{} }}'
ZONE = ', zone = "Europe/Bucharest"'


@pytest.mark.parametrize(
    ("steps", "value", "expected"),
    [
        ("", "2024-01-31T10:00:00+02:00", "2024-01-31T10:00:00+02:00"),
        ("", "2024-01-31T08:00:00Z", "2024-01-31T08:00:00+00:00"),
        ("", "2024-01-31T08:00:00.25Z", "2024-01-31T08:00:00.250000+00:00"),
        (ZONE, "2024-01-31T10:00:00", "2024-01-31T10:00:00+02:00"),
        (ZONE, "2024-07-31 10:00:00", "2024-07-31T10:00:00+03:00"),
        (ZONE, "2024-07-31", "2024-07-31T00:00:00+03:00"),
        (ZONE, "2024-07-31T10:00:00Z", "2024-07-31T10:00:00+00:00"),
        (f'{ZONE}, format = "epoch"', "2024-01-31T10:00:00", 1706688000),
        (', format = "epoch"', "2024-01-31T08:00:00.9Z", 1706688000),
        (', to_zone = "Europe/Bucharest"', "2024-01-31T23:00:00Z", "2024-02-01T01:00:00+02:00"),
        (', to_zone = "Europe/Bucharest", format = "%d.%m.%Y"', "2024-01-31T23:00:00Z", "01.02.2024"),
        (', format = "%Y-%m-%d"', "2024-01-31T23:00:00Z", "2024-01-31"),
        (', input = "epoch"', 1706688000, "2024-01-31T08:00:00+00:00"),
        (', input = "epoch"', "1706688000", "2024-01-31T08:00:00+00:00"),
        (', input = "epoch", to_zone = "Europe/Bucharest"', 1706688000, "2024-01-31T10:00:00+02:00"),
        (f'{ZONE}, input = "%d.%m.%Y %H:%M"', "31.01.2024 10:00", "2024-01-31T10:00:00+02:00"),
        (', input = "%d.%m.%Y %H:%M %z"', "31.01.2024 10:00 +0200", "2024-01-31T10:00:00+02:00"),
        (ZONE, "2024-10-27T03:30:00", "2024-10-27T03:30:00+03:00"),  # repeated: the first of the two
    ],
)
def test_dates(map_one: MapOne, steps: str, value: Any, expected: Any) -> None:
    assert map_one(DATE.format(steps), {"x": value}) == {"a": expected}


@pytest.mark.parametrize(
    ("steps", "value", "message"),
    [
        ("", "2024-01-31T10:00:00", "a: '2024-01-31T10:00:00' names no time zone; state it, as zone ="),
        ("", "2024-01-31", "names no time zone"),
        (', input = "%d.%m.%Y"', "31.01.2024", "names no time zone"),
        (
            ZONE,
            "2024-03-31T03:30:00",
            "does not exist in Europe/Bucharest, where the clocks were put forward",
        ),
        (ZONE, "yesterday", "a: 'yesterday' is no date of ISO 8601"),
        (ZONE, "0000-00-00 00:00:00", "is no date of ISO 8601"),
        (ZONE, 1706688000, 'is a number, no text; input = "epoch" reads seconds'),
        (ZONE, True, "a: True is no date of ISO 8601"),
        (ZONE, {"d": 1}, "a: an object is no date of ISO 8601"),
        (', input = "epoch"', "soon", "a: 'soon' is no time in seconds since 1970"),
        (', input = "epoch"', 10**20, "is no time in seconds since 1970"),
        (', input = "epoch"', True, "is no time in seconds since 1970"),
        (f'{ZONE}, input = "%d.%m.%Y"', "2024-01-31", "a: '2024-01-31' is no date like %d.%m.%Y"),
    ],
)
def test_what_is_no_certain_date_is_rejected(refused: Refused, steps: str, value: Any, message: str) -> None:
    cause, told = refused(DATE.format(steps), {"x": value})
    assert cause == "bad-date"
    assert message in told
