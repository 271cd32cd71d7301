"""How long to wait: what a host says of it, read strictly, and what is done where it says nothing.

A host's words are hints from outside: each is checked, rounded up and capped, and nonsense counts as silence.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime

BACKOFF_BASE_S = 0.5
BACKOFF_CAP_S = 30.0
LONGEST_WAIT_S = 3900.0  # an hourly window and five minutes

_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_HTTP_DATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? [\x20-\x7e]{15,30}")
_RESET_HEADERS = ("RateLimit-Reset", "X-RateLimit-Reset", "X-Rate-Limit-Reset")
_LEAST_EPOCH_S = 1e9
_LEAST_EPOCH_MS = 1e12


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
    if _SECONDS.fullmatch(text):
        return _bounded(float(text))
    moment = http_date(text)
    return None if moment is None else _bounded(moment - now)


def reset_s(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds until a limit starts anew by the RateLimit headers: they hold seconds, or the epoch in s or ms."""
    for name in _RESET_HEADERS:
        text = headers.get(name, "").strip()
        if not _SECONDS.fullmatch(text) and not re.fullmatch(r"[0-9]{10,16}", text):
            continue
        value = float(text)
        if value >= _LEAST_EPOCH_MS:
            value /= 1000
        wait_s = value - now if value >= _LEAST_EPOCH_S else value
        if wait_s > 0:
            return _bounded(wait_s)
    return None


def throttled_s(
    headers: Mapping[str, str], *, now: float, from_body: Callable[[], float | None], default_s: float
) -> float:
    """Seconds that a 429 asks for, by the best of its words; 0 where it says that it need not be long."""
    told = retry_after_s(headers.get("Retry-After"), now)
    if told is None:
        body_s = from_body()
        told = _bounded(body_s) if body_s is not None and not math.isnan(body_s) else None
    if told is None:
        told = reset_s(headers, now)
    return default_s if told is None else told


def full_jitter_s(failures: int, chance: float) -> float:
    """The backoff of one request after its nth failure: anywhere below a limit that doubles."""
    return _doubled(failures) * chance


def rest_s(trips: int, chance: float) -> float:
    """How long a whole host rests after its nth trouble in a row: growing, and never the same for two clients."""
    return _doubled(trips) * (0.5 + chance / 2)


def _doubled(times: int) -> float:
    return min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2.0 ** min(max(times, 1) - 1, 30))


def _bounded(seconds: float) -> float:
    return float(math.ceil(min(max(seconds, 0.0), LONGEST_WAIT_S)))
