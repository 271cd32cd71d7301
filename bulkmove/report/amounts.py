"""Numbers and durations as people read them."""

from __future__ import annotations

from bulkmove.events import PAUSED_BY_HAND

_MINUTE_S = 60
_HOUR_S = 3600
_DAY_S = 86400


def count(number: int) -> str:
    """`1,234,567`."""
    return f"{number:,}"


def of_records(number: int) -> str:
    """`1 record`, `2,000 records`."""
    return f"{number:,} record{'' if number == 1 else 's'}"


def rate(per_s: float) -> str:
    """Three digits that matter: `0.25`, `4.0`, `78.5`, `1,204`."""
    if per_s and per_s < 1:
        return f"{per_s:.2f}"
    return f"{per_s:.1f}" if per_s < 100 else f"{per_s:,.0f}"


def duration(seconds: float) -> str:
    """`0:42`, `12:07`, `3:05:00`, `2 d 04 h`; whole seconds, rounded up."""
    whole = -int(-seconds // 1)
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S}:{whole % _MINUTE_S:02d}"
    if whole < _DAY_S:
        return f"{whole // _HOUR_S}:{whole % _HOUR_S // _MINUTE_S:02d}:{whole % _MINUTE_S:02d}"
    return f"{whole // _DAY_S} d {whole % _DAY_S // _HOUR_S:02d} h"


def pause(seconds: float, reason: str | None, *, said: str = "paused") -> str:
    """`paused 0:42: it asked to wait (429)`; a pause by hand lasts as long as somebody likes."""
    if reason == PAUSED_BY_HAND:
        return reason
    return f"{said} {duration(seconds)}{f': {reason}' if reason else ''}"
