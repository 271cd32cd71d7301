"""A run tells what it found of a host whose rate nobody states; a rate that is stated or published is left alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import pytest

from bulkmove.connectors.discover import connector
from bulkmove.events import Event, Note
from bulkmove.pipeline.finding import FEWEST_REQUESTS, tell_found
from bulkmove.pipeline.opening import DEFAULT_WINDOWS, default_windows, is_rate_known, open_host, windows_of
from bulkmove.protocols import Connector
from bulkmove.settings import HostSettings, Secret, Window
from bulkmove.transport import HostTransport
from bulkmove.transport.knee import START_PER_S, Found

NEW = HostSettings("new", "external-order", "http://127.0.0.1:9", {"token": Secret("t")})
OLD = HostSettings("old", "merchantpro", "http://127.0.0.1:9", {"key": Secret("k"), "secret": Secret("s")})


@dataclass
class Asked:
    """What of a transport is told at the end of a run."""

    found: Found | None
    requests: int = FEWEST_REQUESTS


def told(**hosts: Asked) -> list[str]:
    events: list[Event] = []
    tell_found(cast("dict[str, HostTransport]", hosts), events.append)
    return [event.text for event in events if isinstance(event, Note)]


def test_what_was_found_is_told_as_the_line_of_the_configuration() -> None:
    assert told(new=Asked(Found(18.4, 6, "429"))) == [
        'host new: no rate is set; found 18/s with 6 at once; set rate = "18/s"'
    ]


def test_where_latency_told_the_concurrency_is_told_too() -> None:
    (text,) = told(new=Asked(Found(80.2, 4, "latency")))
    assert 'set rate = "80/s" and concurrency = 4: its latency climbs with more' in text


def test_a_host_that_was_never_at_its_limit_is_told_as_that() -> None:
    assert told(new=Asked(Found(160.0, 16, None))) == [
        "host new: no rate is set; it took up to 160/s with 16 at once, and was not at its limit"
    ]


@pytest.mark.parametrize("told_by", ["latency", None])
def test_of_a_host_that_answered_429_no_rate_is_suggested_that_another_thing_told(
    told_by: Literal["latency"] | None,
) -> None:
    many, one = (Asked(Found(5.2, 4, told_by, refusals=refusals)) for refusals in (3, 1))
    said = "no rate is set; it took up to 5/s with 4 at once, but answered 429"
    assert told(new=many, old=one) == [
        f"host new: {said} 3 times: its limit is lower; ask what is allowed",
        f"host old: {said} once: its limit is lower; ask what is allowed",
    ]


@pytest.mark.parametrize("asked", [Asked(None), Asked(Found(18.4, 6, "429"), FEWEST_REQUESTS - 1)])
def test_nothing_is_told_where_a_rate_is_set_or_hardly_anything_was_asked(asked: Asked) -> None:
    assert told(new=asked) == []


def test_a_rate_is_known_that_the_user_states_or_the_api_publishes() -> None:
    assert not is_rate_known(NEW, connector(NEW.api))
    assert is_rate_known(replace(NEW, windows=(Window(10, 1.0),)), connector(NEW.api))
    assert is_rate_known(OLD, connector(OLD.api))


def test_a_published_limit_is_known_be_it_what_is_begun_with_where_none_is() -> None:
    publishing = cast("Connector", replace(cast("Any", connector(NEW.api)), windows=DEFAULT_WINDOWS))
    assert is_rate_known(NEW, publishing)


def test_where_none_is_published_a_forecast_reckons_with_what_is_begun_with_and_with_none_of_files() -> None:
    assert default_windows(connector(NEW.api)) == windows_of(NEW, connector(NEW.api)) == DEFAULT_WINDOWS
    assert default_windows(connector("files")) == ()


async def test_a_host_is_begun_with_the_default_and_its_steering_tells_no_rate() -> None:
    async with open_host(NEW, connector(NEW.api)) as transport:
        assert transport.rate_per_s == START_PER_S
        assert transport.found is None
        assert transport.steering is not None
        assert transport.steering.windows == ()
        transport.steering.set_windows([Window(4, 1.0)])
        assert transport.rate_per_s == 4
        transport.steering.set_windows(None)
        assert transport.rate_per_s == START_PER_S
    async with open_host(OLD, connector(OLD.api)) as transport:
        assert transport.rate_per_s == pytest.approx(80 / 60)
        assert transport.found is None
