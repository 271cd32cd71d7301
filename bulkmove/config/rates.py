"""`rate = ["4/s", "80/min"]`, `max_rejected = "2%"`: the spelling of budgets."""

from __future__ import annotations

import re

from bulkmove.settings import RejectionLimit, Window

_PERIODS_S = {"s": 1.0, "min": 60.0, "h": 3600.0, "day": 86400.0}
_OTHER_SPELLINGS = {
    "sec": "s", "second": "s", "seconds": "s", "m": "min", "minute": "min", "minutes": "min", "hr": "h", "hour": "h",
    "hours": "h", "d": "day", "days": "day",
}  # fmt: skip
_RATE = re.compile(r"\s*(?P<count>\d+)\s*/\s*(?P<times>\d+(?:\.\d+)?)?\s*(?P<unit>[A-Za-z]+)\s*")


def parse_window(text: str) -> Window:
    """`4/s`, `80/min`, `3600/h`, `60000/day`, `5/10s`. Raises ValueError with a "must be …"."""
    match = _RATE.fullmatch(text)
    if match is None or match["unit"] not in _PERIODS_S:
        unit = _OTHER_SPELLINGS.get(match["unit"].lower()) if match else None
        hint = f' (the unit is spelled "{unit}")' if unit else ""
        raise ValueError(f"must be a whole number of requests and a period, as in 4/s, 80/min or 5/10s{hint}")
    count, period_s = int(match["count"]), float(match["times"] or 1) * _PERIODS_S[match["unit"]]
    if count < 1 or period_s <= 0:
        raise ValueError("must allow at least 1 request in a period longer than 0")
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


def check_rate(text: str) -> str:
    parse_window(text)
    return text
