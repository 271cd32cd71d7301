"""Shop time: Europe/Bucharest by rule, so that the data do not hang on a machine's time zone tables.

EU summer time runs from 01:00 UTC on the last Sunday of March to 01:00 UTC on the last Sunday of October.
"""

from __future__ import annotations

import calendar
from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from typing import Literal

_WINTER_S = 7200
_SUMMER_S = 10800


def _change(year: int, month: int) -> int:
    last_sunday = max(week[calendar.SUNDAY] for week in calendar.monthcalendar(year, month))
    return calendar.timegm((year, month, last_sunday, 1, 0, 0))


# Spring changes stand at even positions, autumn changes at odd ones.
CHANGES = tuple(change for year in range(2010, 2050) for change in (_change(year, 3), _change(year, 10)))


def offset_s(epoch_s: int) -> int:
    """Seconds that shop time is ahead of UTC."""
    return _SUMMER_S if bisect_right(CHANGES, epoch_s) % 2 else _WINTER_S


def from_wall(wall_s: int) -> int:
    """The epoch second of a wall clock's reading, given as if it were UTC; an hour that comes twice means its second."""
    epoch_s = wall_s - _WINTER_S
    return epoch_s if offset_s(epoch_s) == _WINTER_S else wall_s - _SUMMER_S


class ShopClock:
    """Writes epoch seconds as ISO 8601 with the zone, `2020-03-26T15:47:08+02:00`; remembers days it has written.

    `dates` "naive" leaves the zone out, "utc" writes `2020-03-26T13:47:08Z`.
    """

    def __init__(self, dates: Literal["zoned", "naive", "utc"] = "zoned") -> None:
        self._days: dict[int, str] = {}
        self._dates = dates

    def text(self, epoch_s: int) -> str:
        offset = 0 if self._dates == "utc" else offset_s(epoch_s)
        day, second = divmod(epoch_s + offset, 86400)
        date = self._days.get(day)
        if date is None:
            date = self._days[day] = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)).strftime(
                "%Y-%m-%d"
            )
        zone = {"naive": "", "utc": "Z"}.get(self._dates, f"+0{offset // 3600}:00")
        return f"{date}T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}{zone}"


def parse_time(text: str) -> int | None:
    """The epoch second of an ISO 8601 date or time; without a zone it is shop time; fractions are cut off.

    None where the text is no such thing: so for a `+02:00` whose plus sign was sent bare and became a space.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return from_wall(calendar.timegm(moment.timetuple()))
    return int(moment.timestamp() // 1)
