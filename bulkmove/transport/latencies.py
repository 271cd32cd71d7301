"""How long answers took, counted in buckets that are the same everywhere, so that any two counts can be added."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

# A bucket ends 9 % above where it begins: what is told from its middle is off by at most 4.4 %.
SHORTEST_S = 0.001
BUCKETS_A_DOUBLING = 8
LAST_BUCKET = 22 * BUCKETS_A_DOUBLING  # over an hour: longer than any deadline

Buckets = Mapping[int, int]


def bucket_of(seconds: float) -> int:
    if seconds <= SHORTEST_S:
        return 0
    return min(LAST_BUCKET, int(BUCKETS_A_DOUBLING * math.log2(seconds / SHORTEST_S)))


def middle_s(bucket: int) -> float:
    """What a bucket's answers took, within 4.4 %."""
    return SHORTEST_S * math.exp2((bucket + 0.5) / BUCKETS_A_DOUBLING)


def percentile_s(buckets: Buckets, share: float) -> float | None:
    """What this share of the answers took at most (0.5: the median, 1: the slowest); None where there are none."""
    total = sum(buckets.values())
    seen = 0
    for bucket in sorted(buckets):
        seen += buckets[bucket]
        if buckets[bucket] > 0 and seen >= share * total:
            return middle_s(bucket)
    return None


class Latencies:
    """The answers of one host since it was opened."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        self._counts[bucket_of(seconds)] += 1

    def counts(self) -> dict[int, int]:
        """By bucket, so far."""
        return dict(self._counts)
