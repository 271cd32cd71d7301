"""What a host's 429s say: that the rate is too high, that two requests came too close, or nothing but chance. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from bulkmove.settings import Window
from bulkmove.transport.meters import LONGEST_SPACED_S

# Of windows that hold few. And what comes minute after minute is no chance: a limit by the minute is the cause. Where a
# host asks to wait for a second, that is so of what comes every few seconds.
LEAST_MANY, MOST_RARE, RARE_S = 40, 3, 600.0
LEAST_RARE_S, TIMES_ITS_REST = 20.0, 10.0


class Refusals:
    """The 429s of one host. `granted` is how many requests it was sent in all."""

    def __init__(self, windows: Sequence[Window]) -> None:
        self._at = deque[float](maxlen=MOST_RARE)
        self._counts_gaps = False
        self.set_windows(windows, granted=0)

    def set_windows(self, windows: Sequence[Window], *, granted: int) -> None:
        self._few, self._many = _few_and_many(windows)
        self._granted = granted

    def is_chance(self, *, granted: int) -> bool:
        """Whether so many were served since the last one that the host neither counts gaps nor allows a lower rate."""
        return not self._counts_gaps and granted - self._granted >= self._many

    def came_too_close(self, *, served: int, is_new_to_gaps: bool) -> bool:
        """Whether it came so soon that no rate can be too high yet: then the host counts gaps.

        `served`: how many were sent at the whole rate before it. `is_new_to_gaps`: whether none were kept before.
        """
        if not (is_new_to_gaps and 1 < served <= self._few):
            return False
        self._counts_gaps = True
        return True

    def note(self, now: float, *, granted: int, rest_s: float) -> tuple[bool, bool]:
        """Whether it is a rare one, and whether it came late at least, after a whole window; it asks to rest for `rest_s`."""
        since_last, self._granted = granted - self._granted, granted
        is_often = len(self._at) == MOST_RARE and now - self._at[0] <= _rare_s(rest_s)
        self._at.append(now)
        # One that counts gaps refuses the second request of a rate that is too high.
        many = LEAST_MANY if self._counts_gaps else self._many
        return since_last >= many and not is_often, since_last >= many // 2


def _rare_s(rest_s: float) -> float:
    """Within how long MOST_RARE 429s are no chance any more, where the last one asked to rest for so long."""
    return min(RARE_S, max(LEAST_RARE_S, TIMES_ITS_REST * rest_s))


def _few_and_many(windows: Sequence[Window]) -> tuple[int, int]:
    """After how few at the whole rate no rate can be too high yet, and after how many a 429 is a rare one.

    A rate that is too high is refused within a window: not in its first half, as a rule, and not after two.
    """
    counts = [window.count for window in windows if window.period_s <= LONGEST_SPACED_S]
    return min(counts, default=0) // 2, max(LEAST_MANY, 2 * max(counts, default=0))
