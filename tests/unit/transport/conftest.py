"""An event loop whose time passes by itself: whoever waits for a timer gets it at once, and the clock says so."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from bulkmove.transport import Timing

WALL_START = 1_700_000_000.0
RunVirtually = Callable[[Coroutine[Any, Any, None]], None]


class _JumpingSelector(selectors.DefaultSelector):
    """Where nothing is ready, time jumps to the next timer. Sockets of this machine get a real millisecond first."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        has_sockets = len(self.get_map()) > 1
        ready = super().select(0.002 if has_sockets and timeout else 0 if timeout is not None else None)
        if not ready and timeout:
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


@pytest.fixture
def run_virtually() -> RunVirtually:
    def run(coroutine: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(coroutine)

    return run


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


@pytest.fixture
def virtual_timing() -> Timing:
    """Follows the virtual loop; its chance is always a half."""
    return Timing(clock=_loop_time, wall_clock=lambda: WALL_START + _loop_time() - 1000.0, chance=lambda: 0.5)
