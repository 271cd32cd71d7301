"""The time by which a run reckons: its machine's when the process began, and steadily on from there.

Whoever sets the machine's clock while a run goes changes nothing of it: a write in doubt is still given all the time that
its host may take. Times of two runs on one machine compare by what each took for the start of its machine's uptime.
"""

from __future__ import annotations

import time

# When the machine's uptime began, by its clock at the start of this process.
UP_SINCE = time.time() - time.monotonic()


def now() -> float:
    """Seconds since the epoch."""
    return UP_SINCE + time.monotonic()
