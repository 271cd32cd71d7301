"""What a sandbox may be set to, and that its options say the same as its settings."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from bulkmove.cli.sandbox import command
from bulkmove.errors import ConfigError
from bulkmove.sandbox.conditions import Fault, Latency, RateWindow
from bulkmove.sandbox.settings import SandboxSettings

EVERYTHING = SandboxSettings(
    port=8123,
    orders=7,
    products=3,
    seed=9,
    fractional=True,
    rates=(RateWindow(4, 1.0), RateWindow(80, 60.0, "merchantpro"), RateWindow(3, 2.5)),
    latency=Latency(0.02, 0.08),
    faults=(
        Fault("error-500", 0.02),
        Fault("error-502-after", 0.05, api="external-order", methods=("POST",), kinds=("upsert",), times=3),
    ),
    external_list="array",
    drf="indexed",
)


def test_the_options_of_settings_make_the_same_settings_again() -> None:
    seen: dict[str, object] = {}
    context = command.make_context("sandbox", EVERYTHING.arguments())
    seen.update(context.params)
    seen.pop("parent_pid")
    assert SandboxSettings(**seen) == EVERYTHING  # type: ignore[arg-type]  # click's values are untyped


def test_defaults_need_no_options() -> None:
    assert SandboxSettings().arguments() == []


@pytest.mark.parametrize("text", ["4", "4/year", "0/s", "shopify=4/s", "4/0s", "-1/s"])
def test_a_rate_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        RateWindow.parse(text)


def test_rates_are_read_with_their_units_and_api() -> None:
    assert RateWindow.parse("80/min") == RateWindow(80, 60.0)
    assert RateWindow.parse("robosize=3/2.5s") == RateWindow(3, 2.5, "robosize")


def test_latency_is_one_value_or_a_range() -> None:
    assert Latency.parse("100ms") == Latency(0.1, 0.1)
    assert Latency.parse("20-80ms") == Latency(0.02, 0.08)
    with pytest.raises(ConfigError):
        Latency.parse("80-20ms")


def test_latency_with_a_tail_is_mostly_short_and_never_beyond_its_ends() -> None:
    latency = Latency.parse("20~500ms")
    drawn = [latency.draw(number / 1000) for number in range(1000)]
    assert str(latency) == "20~500ms"
    assert (drawn[0], drawn[500] < 0.03, 0.4 < drawn[990] < 0.5) == (0.02, True, True)
    with pytest.raises(ConfigError):
        Latency.parse("0~500ms")


@pytest.mark.parametrize(
    "text",
    [
        "error-500",
        "no-such=0.1",
        "error-500=1.5",
        "nowhere:error-500=0.1",
        "error-500=1.2.3",
        "{",
        '{"share":1}',
    ],
)
def test_a_fault_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        Fault.parse(text)


def test_a_fault_can_be_narrowed_to_an_api() -> None:
    assert Fault.parse("robosize:dropped=0.1") == Fault("dropped", 0.1, api="robosize")


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.4", "example.com", "::"])  # noqa: S104  these are refused
def test_only_loopback_addresses_are_listened_on(host: str) -> None:
    with pytest.raises(ConfigError, match="loopback"):
        SandboxSettings(host=host)


def test_a_bad_option_is_a_usage_error() -> None:
    result = CliRunner().invoke(command, ["--fault", "no-such=0.1"])
    assert result.exit_code == 2
    assert "there is no fault" in result.output
    assert CliRunner().invoke(command, ["--host", "0.0.0.0"]).exit_code == 2  # noqa: S104  it is refused
