"""Progress as lines, for what is not a terminal."""

from __future__ import annotations

import datetime as dt
import io
import json

import pytest

from bulkmove.cli.showing import Style, shown
from bulkmove.events import (
    HostSample,
    Note,
    Phase,
    RecordsRead,
    RecordsSettled,
    RouteFinished,
    RouteRehearsed,
    RouteStarted,
)
from bulkmove.model import Counts
from bulkmove.protocols import Observer
from bulkmove.report.standing import Standing

SAMPLE = HostSample("old", 9, 3.5, 4.0, 2, 0.0, None)


class Told:
    """A run of one route, told to lines, with a clock of its own."""

    def __init__(self, style: Style) -> None:
        self.now = 0.0
        self.stream = io.StringIO()
        self._context = shown(Standing(clock=lambda: self.now), style, self.stream)
        self.observer: Observer = self._context.__enter__()

    def sample_at(self, now: float, sample: HostSample = SAMPLE) -> list[str]:
        self.now = now
        before = len(self.stream.getvalue())
        self.observer.on_event(sample)
        return self.stream.getvalue()[before:].splitlines()


@pytest.fixture
def text() -> Told:
    return Told("text")


def test_a_line_comes_at_the_start_and_the_end_of_a_route(text: Told) -> None:
    text.observer.on_event(RouteStarted("orders", Counts(), 2000))
    text.observer.on_event(RecordsRead("orders", 3))
    text.now = 75
    text.observer.on_event(RouteFinished("orders", Counts(written=1999, rejected=1), True))
    assert text.stream.getvalue().splitlines() == [
        "[0:00] orders: starts, 2,000 records expected",
        "[1:15] orders: finished: 2,000 read, 1,999 written, 1 failed",
    ]


def test_a_rehearsal_claims_no_write(text: Told) -> None:
    json_lines = Told("json")
    for told in (text, json_lines):
        told.observer.on_event(RouteRehearsed("orders"))
        told.observer.on_event(RouteFinished("orders", Counts(written=7), True))
    assert text.stream.getvalue() == "[0:00] orders: finished: 7 read, 7 to write, 0 failed\n"
    assert json.loads(json_lines.stream.getvalue())["is_dry"] is True


def test_a_route_that_goes_on_says_so(text: Told) -> None:
    text.observer.on_event(RouteStarted("orders", Counts(written=7), None))
    assert text.stream.getvalue() == "[0:00] orders: goes on, 7 read before\n"


def test_between_them_a_line_comes_every_30_seconds(text: Told) -> None:
    text.observer.on_event(RouteStarted("orders", Counts(), 2000))
    assert text.sample_at(29.5) == []
    text.observer.on_event(RecordsRead("orders", 300))
    text.observer.on_event(RecordsSettled("orders", "written", 300))
    assert text.sample_at(30) == [
        "[0:30] orders: 300 of 2,000 read, 300 written, 0 failed, 10.0 records/s, about 2:50 left"
    ]
    assert text.sample_at(59) == []
    assert len(text.sample_at(60)) == 1


def test_a_route_that_ended_is_not_told_again(text: Told) -> None:
    text.observer.on_event(RouteStarted("orders", Counts(), None))
    text.observer.on_event(RouteFinished("orders", Counts(), False))
    assert "ended, not finished" in text.stream.getvalue()
    assert text.sample_at(31) == []


def test_a_pause_of_a_host_is_told_with_its_reason(text: Told) -> None:
    assert text.sample_at(30, HostSample("new", 9, 0.0, 4.0, 0, 42.0, "429")) == [
        "[0:30] host new: paused for 0:42: 429"
    ]


def test_phases_and_notes_are_told_as_they_come(text: Told) -> None:
    text.observer.on_event(Phase("orders", "reading the target's keys"))
    text.observer.on_event(Phase("orders", ""))
    text.observer.on_event(Note("12 rows have no date"))
    assert text.stream.getvalue().splitlines() == [
        "[0:00] orders: reading the target's keys",
        "[0:00] note: 12 rows have no date",
    ]


def test_json_lines_say_when_what_and_how_much() -> None:
    told = Told("json")
    told.observer.on_event(RouteStarted("orders", Counts(written=2), 2000))
    told.observer.on_event(RecordsRead("orders", 300))
    told.observer.on_event(RecordsSettled("orders", "rejected", 300))
    progress, host = map(json.loads, told.sample_at(30))
    assert dt.datetime.fromisoformat(progress.pop("time")).tzinfo == dt.UTC
    assert progress == {
        "level": "info", "event": "progress", "elapsed_s": 30.0, "route": "orders", "read": 302, "expected": 2000, "written": 2,
        "unchanged": 0, "skipped": 0, "rejected": 300, "unknown": 0, "per_s": 10.0, "left_s": 170,
    }  # fmt: skip
    assert (host["event"], host["host"], host["used_per_s"]) == ("host", "old", 3.5)


def test_no_line_holds_a_control_code(text: Told) -> None:
    text.observer.on_event(RouteStarted("orders", Counts(), None))
    text.sample_at(31)
    text.observer.on_event(RouteFinished("orders", Counts(), True))
    assert all(sign.isprintable() or sign == "\n" for sign in text.stream.getvalue())
