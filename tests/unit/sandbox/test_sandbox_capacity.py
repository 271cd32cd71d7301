"""A capacity of the sandbox: what is more than it can work on waits its turn."""

from __future__ import annotations

import pytest

from bulkmove.sandbox.capacity import Capacity
from bulkmove.sandbox.conditions import RateWindow
from bulkmove.sandbox.settings import SandboxSettings


def test_requests_within_the_capacity_take_as_long_as_one_and_others_wait_for_those_before() -> None:
    capacity = Capacity([RateWindow(10, 1.0)])
    assert [capacity.serve(at) for at in (0.0, 0.1, 0.2)] == pytest.approx([0.1, 0.1, 0.1])
    assert [capacity.serve(10.0) for _ in range(3)] == pytest.approx([0.1, 0.2, 0.3])
    assert capacity.serve(20.0) == pytest.approx(0.1), "the queue is done"


def test_the_least_of_several_holds_and_another_from_the_moment_that_it_is_set() -> None:
    capacity = Capacity([RateWindow(10, 1.0), RateWindow(120, 60.0)])
    assert capacity.serve(0.0) == pytest.approx(0.5)
    capacity.set([RateWindow(100, 1.0)])
    assert capacity.serve(0.0) == pytest.approx(0.51), "who waits already is served first"
    assert capacity.serve(1.0) == pytest.approx(0.01)


def test_without_a_capacity_nothing_waits() -> None:
    capacity = Capacity()
    assert [capacity.serve(0.0) for _ in range(100)] == [0.0] * 100


def test_it_is_set_by_an_option_of_the_command_line() -> None:
    settings = SandboxSettings(capacities=(RateWindow(50, 1.0), RateWindow(20, 1.0, "robosize")))
    assert settings.arguments() == ["--capacity", "50/s", "--capacity", "robosize=20/s"]
