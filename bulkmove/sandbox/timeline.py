"""When a shop's orders were made: more each year, few at night, imports that share a second, both sides of the clock changes."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime

from bulkmove.sandbox.shop_time import CHANGES, from_wall

# Both ends lie in the past on every machine: a migration that fixes its end at the host's clock sees all of them.
FIRST_DAY = date(2018, 1, 8)
LAST_DAY = date(2025, 3, 31)
_GROWTH_A_YEAR = 1.4
_HOURS = (2, 1, 1, 0.5, 0.5, 1, 2, 5, 9, 12, 13, 13, 12, 12, 12, 13, 13, 13, 14, 15, 16, 14, 9, 5)
_FEWEST_FOR_AN_IMPORT = 1000


def creation_seconds(*, seed: int, count: int) -> list[int]:
    """`count` epoch seconds, rising. From 1,000 on one second holds 150 to 250 orders, and eight hold 3 to 20."""
    rng = random.Random(f"times {seed}")
    day_count = (LAST_DAY - FIRST_DAY).days
    days = range(day_count)
    growth = [_GROWTH_A_YEAR ** (day / 365) * (2.5 if _is_sale(day) else 1.0) for day in days]
    epoch = datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, tzinfo=UTC)
    first_s = int(epoch.timestamp())
    hours = rng.choices(range(24), _HOURS, k=count)
    times = [
        from_wall(first_s + day * 86400 + hour * 3600 + int(rng.random() * 3600))
        for day, hour in zip(rng.choices(days, growth, k=count), hours, strict=True)
    ]
    times.sort()
    _share_seconds(rng, times)
    _straddle_clock_changes(times)
    times.sort()
    return times


def _is_sale(day: int) -> bool:
    return 310 <= day % 365 <= 330


def _share_seconds(rng: random.Random, times: list[int]) -> None:
    count = len(times)
    if count >= _FEWEST_FOR_AN_IMPORT:
        sizes = [rng.randint(150, 250), *(rng.randint(3, 20) for _ in range(8))]
    else:
        sizes = [min(3, count // 10)] * 3
    for number, size in enumerate(sizes):
        # Evenly spread places can't overlap: the longest run is a quarter of the shortest list it is made in.
        first = count * (number + 1) // (len(sizes) + 2) + (0 if number == 0 else size)
        if size > 1 and first + size <= count:
            times[first : first + size] = [times[first]] * size


def _straddle_clock_changes(times: list[int]) -> None:
    """Two orders at one wall time on both sides of an autumn change, where there are enough to spare."""
    autumns = [change for change in CHANGES[1::2] if times and times[0] < change < times[-1]]
    for number, change in enumerate(autumns):
        place = (number + 1) * len(times) // (len(autumns) + 1)
        if len(times) >= 200 and times[place - 2] < times[place - 1] < times[place] < times[place + 1]:
            times[place - 1], times[place] = change - 1234, change - 1234 + 3600
