"""How long to wait: what a host says of it, read strictly, and what is done where it says nothing.

A host's words are hints from outside: each is checked, rounded up and capped, and nonsense counts as silence.
"""

from __future__ import annotations

import math
import re
from email.utils import parsedate_to_datetime

BACKOFF_BASE_S = 0.5
BACKOFF_CAP_S = 30.0
LONGEST_WAIT_S = 3900.0  # an hourly window and five minutes

SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_HTTP_DATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? [\x20-\x7e]{15,30}")


def http_date(text: str) -> float | None:
    """Epoch seconds of an HTTP date (`Sun, 06 Nov 1994 08:49:37 GMT`), None for anything else."""
    if not _HTTP_DATE.fullmatch(text):
        return None
    try:
        moment = parsedate_to_datetime(text)
        return moment.timestamp() if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def retry_after_s(text: str | None, now: float) -> float | None:
    """Seconds that a `Retry-After` asks for: 0 for "now" and for a date that is past, None for nonsense.

    `now`: epoch seconds, best by the host's own `Date`, as its dates are by that clock.
    """
    if text is None:
        return None
    text = text.strip()
    if SECONDS.fullmatch(text):
        return bounded(float(text))
    moment = http_date(text)
    return None if moment is None else bounded(moment - now)


def full_jitter_s(failures: int, chance: float) -> float:
    """The backoff of one request after its nth failure: anywhere below a limit that doubles."""
    return _doubled(failures) * chance


def rest_s(trips: int, chance: float) -> float:
    """How long a whole host rests after its nth trouble in a row: growing, and never the same for two clients."""
    return _doubled(trips) * (0.5 + chance / 2)


def _doubled(times: int) -> float:
    return min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2.0 ** min(max(times, 1) - 1, 30))


def bounded(seconds: float) -> float:
    """Whole seconds, rounded up, from 0 to LONGEST_WAIT_S."""
    return float(math.ceil(min(max(seconds, 0.0), LONGEST_WAIT_S)))
