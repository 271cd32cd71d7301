"""Signals that come while modules are loaded: they wait, and are delivered once it is done.

An interrupt that is raised inside an import leaves the interpreter's import lock held, or an extension half set up: what
goes on then hangs, or crashes. Handlers do what a signal mask would, and neither threads nor child processes inherit them.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

from bulkmove.errors import INTERRUPTED

_NUMBERS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class _Hold:
    """The handlers that were there before, and what came since."""

    def __init__(self) -> None:
        self.before: dict[int, Any] = {}
        self.came: list[int] = []
        self.is_over = False

    def note(self, number: int, frame: FrameType | None) -> None:
        if not self.is_over:
            self.came.append(number)
            return
        # An earlier signal's exception left this handler behind.
        before = self.before[number]
        if callable(before):
            before(number, frame)
        else:
            signal.signal(number, before)
            signal.raise_signal(number)


_holds: list[_Hold] = []


def hold() -> None:
    """Let signals wait until `deliver`; those that are ignored stay so, and what waits already goes on waiting."""
    if _holds or threading.current_thread() is not threading.main_thread():
        return
    held = _Hold()
    _holds.append(held)
    for number in _NUMBERS:
        before = signal.getsignal(number)
        if before is None or before is signal.SIG_IGN:
            continue
        held.before[number] = before
        signal.signal(number, held.note)


def deliver() -> None:
    """Let no signal wait any longer, and let the first that came do what it does.

    A handler that was set meanwhile stays, and is the one that is called.
    """
    if not _holds or threading.current_thread() is not threading.main_thread():
        return
    held = _holds.pop()
    held.is_over = True
    for number, before in held.before.items():
        if signal.getsignal(number) == held.note:
            signal.signal(number, before)
    if held.came:
        signal.raise_signal(held.came[0])


@contextmanager
def loading() -> Iterator[None]:
    """What stands around a late import.

    It does nothing where signals wait already, and on an event loop, which hears of them on a way of its own.
    """
    if _holds or _is_on_event_loop():
        yield
        return
    hold()
    try:
        yield
    finally:
        deliver()


def end_interrupted() -> NoReturn:
    """The end of a command whose body had not begun, or was over."""
    sys.stderr.write("interrupted\n")
    sys.exit(INTERRUPTED)


def _is_on_event_loop() -> bool:
    asyncio = sys.modules.get("asyncio")  # where nobody has imported it, none is going
    if asyncio is None:
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
