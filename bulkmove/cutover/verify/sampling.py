"""A sample of records: how many of how many, which ones by a seed, and what it lets one say of the rest."""

from __future__ import annotations

import math
import random
import re
from dataclasses import dataclass

_SAMPLE = re.compile(r"(?P<share>[0-9]+(?:\.[0-9]+)?)\s*%|(?P<count>[0-9]+)")
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Sample:
    """How much of each route is looked at: a number of records, or a share of them; exactly one is set."""

    count: int | None = None
    share: float | None = None

    def of(self, records: int) -> int:
        """At least one, where there is any."""
        wanted = self.count if self.share is None else math.ceil(records * self.share)
        return min(records, max(1, wanted or 0))

    def __str__(self) -> str:
        return f"{self.count}" if self.share is None else f"{100 * self.share:g}%"


def parse_sample(text: str) -> Sample:
    """`500` or `2%`. Raises ValueError."""
    found = _SAMPLE.fullmatch(text.strip())
    if found is None:
        raise ValueError("must be a number of records, as 500, or a share of them, as 2%")
    if found["count"] is not None:
        count = int(found["count"])
        if count < 1:
            raise ValueError("must be at least 1")
        return Sample(count=count)
    share = float(found["share"]) / 100
    if not 0 < share <= 1:
        raise ValueError("a share is above 0 % and at most 100 %")
    return Sample(share=share)


def chosen_places(records: int, wanted: int, *, seed: int, route: str) -> list[int]:
    """Which of so many records, from 0 on, in order: each as likely as any other, the same ones for the same seed."""
    return sorted(random.Random(f"{seed} {route}").sample(range(records), wanted))


def most_that_differ(*, population: int, looked_at: int, found: int, confidence: float = CONFIDENCE) -> int:
    """The largest number of records that may differ when so many of a sample do: the exact hypergeometric bound.

    With more than that, a sample that shows no more than `found` would come in fewer than 1 − `confidence` of all draws.
    """
    low, high = found, population - (looked_at - found)
    while low < high:
        middle = (low + high + 1) // 2
        if _at_most(found, population=population, bad=middle, looked_at=looked_at) >= 1 - confidence:
            low = middle
        else:
            high = middle - 1
    return low


def _at_most(found: int, *, population: int, bad: int, looked_at: int) -> float:
    """The probability of at most so many bad ones in a sample without replacement."""
    every = _log_choose(population, looked_at)
    return math.fsum(
        math.exp(_log_choose(bad, k) + _log_choose(population - bad, looked_at - k) - every)
        for k in range(min(found, bad) + 1)
        if looked_at - k <= population - bad
    )


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def confidence_text(*, population: int, looked_at: int, found: int) -> str:
    """`0 of 500 differ: with 95 % confidence fewer than 0.6 % of 84,000 do`."""
    said = f"{found:,} of {looked_at:,} differ{'s' if found == 1 else ''}"
    if looked_at >= population:
        return f"{said}: all there are were looked at"
    most = most_that_differ(population=population, looked_at=looked_at, found=found)
    # Rounded up, so that what is said holds.
    percent = math.ceil((most + 1) / population * 1000) / 10
    return f"{said}: with {CONFIDENCE:.0%} confidence fewer than {percent:g} % of {population:,} do".replace(
        "95%", "95 %"
    )
