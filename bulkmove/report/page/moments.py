"""Moments and durations as a report writes them, in the time zone of whoever makes it."""

from __future__ import annotations

from datetime import datetime, tzinfo

_MINUTE_S = 60
_HOUR_S = 3600
_DAY_S = 86400


class Moments:
    """`zone` None: this machine's."""

    def __init__(self, zone: tzinfo | None = None) -> None:
        self._zone = zone

    def at(self, epoch_s: float) -> datetime:
        return datetime.fromtimestamp(epoch_s, tz=self._zone).astimezone(self._zone)

    def day(self, epoch_s: float) -> str:
        """`21 Nov 2026`."""
        moment = self.at(epoch_s)
        return f"{moment.day} {moment:%b %Y}"

    def minute(self, epoch_s: float) -> str:
        """`21 Nov 2026, 14:03`."""
        return f"{self.day(epoch_s)}, {self.at(epoch_s):%H:%M}"

    def second(self, epoch_s: float) -> str:
        """`21 Nov, 14:03:09`."""
        moment = self.at(epoch_s)
        return f"{moment.day} {moment:%b, %H:%M:%S}"

    def zone_name(self, epoch_s: float) -> str:
        """`UTC+02:00`."""
        text = f"{self.at(epoch_s):%z}" or "+0000"
        return "UTC" if text == "+0000" else f"UTC{text[:3]}:{text[3:5]}"


def lasted(seconds: float) -> str:
    """`0.4 s`, `12 s`, `4 min 05 s`, `3 h 20 min`, `2 d 4 h`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE_S:
        return f"{whole} s"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min {whole % _MINUTE_S:02d} s"
    if whole < _DAY_S:
        return f"{whole // _HOUR_S} h {whole % _HOUR_S // _MINUTE_S:02d} min"
    return f"{whole // _DAY_S} d {whole % _DAY_S // _HOUR_S} h"


def latency(seconds: float | None) -> str:
    """`84 ms`, `1.2 s`; a dash where there was no answer."""
    if seconds is None:
        return "–"
    return f"{seconds * 1000:.0f} ms" if seconds < 0.9995 else f"{seconds:.1f} s"
