"""What changes at a host while a run goes: a person pauses it or sets its limits, or its timetable does."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bulkmove.settings import HostSettings, Window
from bulkmove.transport.gate import Gate
from bulkmove.transport.health import HostHealth
from bulkmove.transport.timetable import windows_at
from bulkmove.transport.timing import Timing

LOOK_AT_CLOCK_EVERY_S = 1.0


class Steering:
    """A host's windows, concurrency and pauses by hand. What is set by hand holds before the timetable.

    `usual` are the windows that hold outside of `host.rate_at`. Changes hold at once, for all who wait too.
    """

    def __init__(
        self, host: HostSettings, gate: Gate, health: HostHealth, *, usual: Sequence[Window], timing: Timing
    ) -> None:
        self._host = host
        self._gate = gate
        self._health = health
        self._usual = tuple(usual)
        self._timing = timing
        self._windows_by_hand: tuple[Window, ...] | None = None
        self._concurrency_by_hand: int | None = None
        self._look_at = timing.clock() + LOOK_AT_CLOCK_EVERY_S if host.rate_at else math.inf
        self.windows = windows_at(host, usual, timing.wall_clock())
        self.concurrency = host.concurrency

    @property
    def in_flight(self) -> int:
        return self._gate.in_flight

    @property
    def is_paused(self) -> bool:
        return self._gate.is_held_by_hand

    def pause(self) -> None:
        """No new request until `resume`; what is in flight goes on. The time counts for no failure of the host."""
        self._gate.hold_by_hand()

    def resume(self) -> bool:
        """Whether it was paused."""
        if not self._gate.is_held_by_hand:
            return False
        self._health.rested(self._gate.let_go())
        return True

    def leave(self) -> None:
        """The run ends: who waits while the host is paused, or long, is sent away with HeldError, now and later."""
        self._gate.leave()

    def set_windows(self, windows: Sequence[Window] | None) -> None:
        """None: those of the configuration again."""
        self._windows_by_hand = None if windows is None else tuple(windows)
        self._apply()

    def set_concurrency(self, concurrency: int | None) -> None:
        """None: that of the configuration again."""
        self._concurrency_by_hand = concurrency
        self._apply()

    def follow_timetable(self) -> bool:
        """Whether other windows hold now than when this was last asked. Looks at the clock about once a second."""
        now = self._timing.clock()
        if now < self._look_at:
            return False
        self._look_at = now + LOOK_AT_CLOCK_EVERY_S
        return self._apply()

    def _apply(self) -> bool:
        windows, concurrency = self._windows_by_hand, self._concurrency_by_hand
        if windows is None:
            windows = windows_at(self._host, self._usual, self._timing.wall_clock())
        if concurrency is None:
            concurrency = self._host.concurrency
        if (windows, concurrency) == (self.windows, self.concurrency):
            return False
        self.windows, self.concurrency = windows, concurrency
        self._gate.set_limits(windows, concurrency=concurrency)
        return True
