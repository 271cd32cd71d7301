"""`rate_at`: other limits at times of a host's day."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bulkmove.config import described, json_schema, load_migration, read_document, show
from bulkmove.errors import ConfigError
from bulkmove.settings import DailyRate, Window

Write = Callable[..., Path]
RATE = 'rate = ["4/s", "80/min"]\n'


def test_times_of_the_day_have_windows_of_their_own(write: Write) -> None:
    file = write(
        (
            RATE,
            RATE + 'timezone = "Europe/Bucharest"\n'
            'rate_at = { "08:00-22:00" = "2/s", "22:30-06:00" = ["8/s", "100/min"] }\n',
        )
    )
    settings = load_migration(file)
    assert settings.hosts["old"].rate_at == (
        DailyRate(480, 1320, (Window(2, 1.0),)),
        DailyRate(1350, 360, (Window(8, 1.0), Window(100, 60.0))),
    )
    document = read_document(file)
    assert 'rate_at = { "08:00-22:00" = ["2/s"], "22:30-06:00" = ["8/s", "100/min"] }\n' in show(
        settings, document
    )
    told = described(settings, document, file)
    assert told["hosts"]["old"]["rate_at"]["08:00-22:00"] == ["2/s"]
    assert "hosts.new.rate_at" in told["defaults"]


@pytest.mark.parametrize(
    ("rate_at", "said"),
    [
        ('{ "8-23" = "2/s" }', "rate_at.8-23: must be two times of the day, as 08:00-23:00"),
        (
            '{ "08:00-24:01" = "2/s" }',
            'rate_at."08:00-24:01": must be two times of the day, from 00:00 to 24:00',
        ),
        ('{ "24:00-08:00" = "2/s" }', "must be two times of the day, from 00:00 to 24:00"),
        ('{ "08:60-09:00" = "2/s" }', "must be two times of the day, from 00:00 to 24:00"),
        ('{ "08:00-08:00" = "2/s" }', "must begin and end at different times"),
        ('{ "08:00-23:00" = "2/sec" }', 'the unit is spelled "s"'),
        ('{ "08:00-23:00" = [] }', "must not be empty"),
        (
            '{ "08:00-23:00" = "2/s", "22:59-23:30" = "3/s" }',
            "must not hold at a time when 08:00-23:00 holds",
        ),
        (
            '{ "22:00-06:00" = "2/s", "05:59-07:00" = "3/s" }',
            "must not hold at a time when 22:00-06:00 holds",
        ),
        (
            '{ "00:00-24:00" = "2/s", "05:00-07:00" = "3/s" }',
            "must not hold at a time when 00:00-24:00 holds",
        ),
        ('"2/s"', "rate_at: must be a table"),
    ],
)
def test_what_is_no_timetable_is_refused_with_what_to_write(write: Write, rate_at: str, said: str) -> None:
    file = write((RATE, f'{RATE}timezone = "Europe/Bucharest"\nrate_at = {rate_at}\n'))
    with pytest.raises(ConfigError) as caught:
        load_migration(file)
    assert "hosts.old.rate_at" in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize("rate_at", ['{ "08:00-12:00" = "2/s", "12:00-08:00" = "3/s" }', "{}"])
def test_times_may_follow_each_other(write: Write, rate_at: str) -> None:
    load_migration(write((RATE, f'{RATE}timezone = "Europe/Bucharest"\nrate_at = {rate_at}\n')))


def test_times_of_the_day_need_a_time_zone(write: Write) -> None:
    with pytest.raises(
        ConfigError, match=r"hosts\.old\.timezone: is missing: `rate_at` is by the clocks of a"
    ):
        load_migration(write((RATE, RATE + 'rate_at = { "08:00-23:00" = "2/s" }\n')))


def test_editors_are_told_what_a_timetable_holds() -> None:
    host = json_schema()["$defs"]["Host"]["properties"]["rate_at"]
    assert host["type"] == "object"
    assert "over midnight" in host["description"]
