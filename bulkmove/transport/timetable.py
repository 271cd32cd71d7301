"""Which windows hold at a host at this time of its day."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Sequence

from bulkmove.settings import DailyRate, HostSettings, Window


def daily_rate(host: HostSettings, now: float) -> DailyRate | None:
    """The entry of `rate_at` that holds at `now` (epoch seconds), by the clocks on the walls of its time zone."""
    if not host.rate_at or host.timezone is None:
        return None
    there = dt.datetime.fromtimestamp(now, zoneinfo.ZoneInfo(host.timezone))
    minute = there.hour * 60 + there.minute
    return next((entry for entry in host.rate_at if entry.holds_at(minute)), None)


def windows_at(host: HostSettings, usual: Sequence[Window], now: float) -> tuple[Window, ...]:
    entry = daily_rate(host, now)
    return tuple(usual) if entry is None else entry.windows


def all_windows(host: HostSettings, usual: Sequence[Window]) -> tuple[Window, ...]:
    """Those that may hold at any time."""
    return (*usual, *(window for entry in host.rate_at for window in entry.windows))
