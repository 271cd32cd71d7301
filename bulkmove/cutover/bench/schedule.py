"""When the requests of a step are due, and which rates are offered one after the other. Pure.

The load is open: a request is due by the schedule, whatever became of those before it. A closed loop, which asks again
when it was answered, asks a host that stalls for less just then, and so hides the stall (coordinated omission).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from bulkmove.settings import Window
from bulkmove.transport.meters import LONGEST_SPACED_S, margin_s

Arrivals = Literal["even", "poisson"]

# Up to here a host's limit is looked for in shares of it; above, by doubling.
FEW_PER_S = 200.0
SHARES = (0.25, 0.5, 0.75, 0.9, 1.0)
# A slow host would take minutes for each of them.
SLOW_PER_S, SLOW_SHARES = 2.0, (0.5, 1.0)
FIRST_DOUBLED = 25.0
# No more is offered: one process does not send more in an orderly way.
MOST_PER_S = 6400.0
# So many requests a step at least, as long as that takes no longer than so; and at most.
LEAST_A_STEP, LONGEST_STEP_S, MOST_A_STEP = 20, 15.0, 4000
# A window that is overstepped shows once it is full: a step lasts a little longer than that.
BEYOND = 1.15


def due_times(
    per_s: float, count: int, *, arrivals: Arrivals, chance: Callable[[], float]
) -> Iterator[float]:
    """Seconds from the step's start at which `count` requests are due. `chance` is in [0, 1)."""
    at = 0.0
    for number in range(count):
        if arrivals == "even":
            yield number / per_s
        else:
            at -= math.log(1.0 - chance()) / per_s
            yield at


def requests_of(per_s: float, *, step_s: float, least_s: float = 0.0) -> int:
    """How many requests a step of this rate makes. `least_s`: seconds that it lasts, however long those take."""
    least = min(LEAST_A_STEP, max(2, int(per_s * LONGEST_STEP_S)))
    return max(least, math.ceil(per_s * least_s), min(MOST_A_STEP, round(per_s * step_s)))


def least_s(windows: Sequence[Window], *, is_last: bool) -> float:
    """The seconds in which a limit like these would show; the last step has to stand the longest of up to a minute."""
    periods = [window.period_s for window in windows if window.period_s <= LONGEST_SPACED_S] or [1.0]
    return BEYOND * (max(periods) if is_last else min(1.0, *periods))


def allowed_per_s(windows: Sequence[Window]) -> float | None:
    """What the gate of a run lets out at most by the windows of up to a minute; None where there is none.

    A gate keeps a little more than a window between as many requests as it holds: so much is lost of each.
    """
    rates = [
        window.count / (window.period_s + margin_s(window.period_s))
        for window in windows
        if window.period_s <= LONGEST_SPACED_S
    ]
    return min(rates, default=None)


def ladder(allowed: float | None) -> list[float]:
    """The rates to offer, rising, up to what is allowed or to what one process can send."""
    if allowed is not None and allowed <= FEW_PER_S:
        return [share * allowed for share in (SLOW_SHARES if allowed < SLOW_PER_S else SHARES)]
    most = min(MOST_PER_S, allowed or MOST_PER_S)
    rates = [FIRST_DOUBLED]
    while rates[-1] * 2 < most:
        rates.append(rates[-1] * 2)
    return [*rates, most]


def between(good: float, bad: float, *, within: float) -> float | None:
    """The rate to offer next where one was served and a higher one not; None once they are close (`within`: a share)."""
    return None if bad <= good * (1 + within) else (good + bad) / 2
