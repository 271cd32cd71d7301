"""`rate = ["4/s", "80/min"]`, `max_rejected = "2%"`: the spelling of budgets."""

from __future__ import annotations

import re

from bulkmove.settings import RejectionLimit, Window

_PERIODS_S = {"s": 1.0, "min": 60.0, "h": 3600.0, "day": 86400.0}
_OTHER_SPELLINGS = {
    "sec": "s", "second": "s", "seconds": "s", "m": "min", "minute": "min", "minutes": "min", "hr": "h", "hour": "h",
    "hours": "h", "d": "day", "days": "day",
}  # fmt: skip
_MOST_DIGITS = 9
_SHORTEST_S, _LONGEST_S = 0.001, 31 * 86400.0
_RATE = re.compile(r"\s*(?P<count>\d+)\s*/\s*(?P<times>\d+(?:\.\d+)?)?\s*(?P<unit>[A-Za-z]+)\s*")


def parse_window(text: str) -> Window:
    """`4/s`, `80/min`, `3600/h`, `60000/day`, `5/10s`. Raises ValueError with a "must be …"."""
    match = _RATE.fullmatch(text)
    if match is None or match["unit"] not in _PERIODS_S:
        unit = _OTHER_SPELLINGS.get(match["unit"].lower()) if match else None
        hint = f' (the unit is spelled "{unit}")' if unit else ""
        raise ValueError(f"must be a whole number of requests and a period, as in 4/s, 80/min or 5/10s{hint}")
    if len(match["count"]) > _MOST_DIGITS or len(match["times"] or "") > _MOST_DIGITS:
        raise ValueError(f"must be numbers of at most {_MOST_DIGITS} digits")
    count, period_s = int(match["count"]), float(match["times"] or 1) * _PERIODS_S[match["unit"]]
    if count < 1 or not _SHORTEST_S <= period_s <= _LONGEST_S:
        raise ValueError("must allow at least 1 request, in a period from 0.001 s to 31 days")
    return Window(count, period_s)


_SHARE = re.compile(r"\s*(?P<percent>\d+(?:\.\d+)?)\s*%\s*")


def parse_rejections(value: int | str) -> RejectionLimit:
    """`1000`, or `"2%"` of the records that a run handles. Raises ValueError with a "must be …"."""
    if isinstance(value, int):
        return RejectionLimit(count=value)
    match = _SHARE.fullmatch(value)
    if match is None or float(match["percent"]) > 100:
        raise ValueError('must be a number of records, as 1000, or a share of them, as "2%"')
    return RejectionLimit(share=float(match["percent"]) / 100)


def check_rejections(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, (int, str)) or (isinstance(value, int) and value < 0):
        raise ValueError('must be a number of records, as 1000, or a share of them, as "2%"')
    parse_rejections(value)
    return value


_HOURS = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)")
MINUTES_A_DAY = 24 * 60


def parse_hours(text: str) -> tuple[int, int]:
    """`08:00-23:00` as minutes since midnight; `22:00-06:00` goes over midnight. Raises ValueError with a "must be …"."""
    match = _HOURS.fullmatch(text)
    if match is None:
        raise ValueError("must be two times of the day, as 08:00-23:00")
    first, first_minutes, last, last_minutes = map(int, match.groups())
    since, until = 60 * first + first_minutes, 60 * last + last_minutes
    if max(first_minutes, last_minutes) > 59 or since >= MINUTES_A_DAY or until > MINUTES_A_DAY:
        raise ValueError("must be two times of the day, from 00:00 to 24:00")
    if since == until:
        raise ValueError("must begin and end at different times; 00:00-24:00 is the whole day")
    return since, until


def minutes_of(since: int, until: int) -> set[int]:
    """The minutes of the day that it holds in, over midnight where it ends before it begins."""
    end = until if until > since else until + MINUTES_A_DAY
    return {minute % MINUTES_A_DAY for minute in range(since, end)}


def check_hours(text: str) -> str:
    parse_hours(text)
    return text


def check_rate(text: str) -> str:
    parse_window(text)
    return text
