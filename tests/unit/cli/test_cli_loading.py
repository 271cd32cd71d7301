"""Signals that come while modules are loaded."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator

import pytest

from bulkmove.cli.exits import exits
from bulkmove.cli.loading import deliver, hold, loading


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_an_interrupt_waits_until_the_module_is_loaded() -> None:
    done = []

    def load() -> None:
        with loading():
            signal.raise_signal(signal.SIGINT)
            done.append("loaded")

    with pytest.raises(KeyboardInterrupt):
        load()
    assert done == ["loaded"]


def test_afterwards_a_signal_does_what_it_did_before() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with loading():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_what_was_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with loading():
        signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_a_handler_that_is_set_meanwhile_is_the_one_that_is_called() -> None:
    came: list[int] = []
    hold()
    signal.raise_signal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
    deliver()
    assert came == [signal.SIGTERM]
    signal.raise_signal(signal.SIGTERM)
    assert came == [signal.SIGTERM] * 2


def test_the_first_that_came_is_delivered_and_only_once() -> None:
    came: list[int] = []
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: came.append(number))
    with loading():
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGHUP):
            signal.raise_signal(number)
    assert came == [signal.SIGHUP]


def test_a_late_import_of_a_command_that_is_still_loaded_lets_nothing_through() -> None:
    hold()
    with loading():
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(SystemExit) as end, exits():
        pytest.fail("the body began, though an interrupt waited")
    assert end.value.code == 130


def test_a_handler_that_an_earlier_exception_left_behind_still_does_what_the_one_before_did() -> None:
    hold()
    left = signal.getsignal(signal.SIGINT)
    deliver()
    signal.signal(signal.SIGINT, left)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_threads_and_event_loops_are_left_alone() -> None:
    seen = []

    def look() -> None:
        with loading():
            seen.append(signal.getsignal(signal.SIGTERM))

    async def look_on_loop() -> None:
        look()

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    asyncio.run(look_on_loop())
    assert seen == [signal.getsignal(signal.SIGTERM)] * 2
