"""What a host tells of its limits beside its answers, read strictly: how much is left, and when it starts anew.

    RateLimit-Remaining: 0        RateLimit-Reset: 30              seconds, or the epoch in s or ms
    X-RateLimit-Remaining: 0      X-RateLimit-Reset: 1700000030    also spelled X-Rate-Limit-…
    RateLimit: limit=100, remaining=0, reset=30                    the IETF's drafts up to 07
    RateLimit: "minute";r=0;t=30, "day";r=500;t=36000              since 08; `t` may be missing

These are words from outside: nonsense counts as silence, and no wait is longer than that of a Retry-After.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from bulkmove.transport.waits import SECONDS, bounded, retry_after_s

_FAMILIES = ("RateLimit", "X-RateLimit", "X-Rate-Limit")
_EPOCH = re.compile(r"[0-9]{10,16}")
_LONGEST_HEADER = 1000
_MOST_POLICIES = 20
_LEAST_EPOCH_S = 1e9
_LEAST_EPOCH_MS = 1e12
_PAIR = re.compile(r"\s*(?P<name>[a-z]{1,12})\s*=\s*(?P<value>[0-9]{1,9})\s*")
_POLICY = re.compile(
    r'\s*(?:"[^"\\,;]{0,100}"|[A-Za-z*][A-Za-z0-9_.*/-]{0,99})\s*(?P<parameters>(?:;[^;]{0,100})*)'
)


class Hint(NamedTuple):
    """What one policy of a host says. `reset_s`: seconds from now, above 0; None where it does not tell."""

    remaining: int | None
    reset_s: float | None


def hints_in(headers: Mapping[str, str], now: float) -> list[Hint]:
    """Everything that the headers say; empty for most hosts. `now`: epoch seconds, best by the host's own `Date`."""
    found: list[Hint] = []
    for family in _FAMILIES:
        remaining, reset = headers.get(f"{family}-Remaining"), headers.get(f"{family}-Reset")
        if remaining is not None or reset is not None:
            found.append(Hint(_whole(remaining), _reset_s(reset, now)))
    combined = headers.get("RateLimit")
    if combined is not None and len(combined) <= _LONGEST_HEADER:
        found += _combined(combined, now)
    return [hint for hint in found if hint != Hint(None, None)]


def reset_s(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds until a 429 is over by these headers: the longest of the limits that are spent, else the first told."""
    hints = [hint for hint in hints_in(headers, now) if hint.reset_s is not None]
    spent = [hint.reset_s for hint in hints if hint.remaining == 0 and hint.reset_s is not None]
    return max(spent) if spent else next((hint.reset_s for hint in hints), None)


def throttled_s(
    headers: Mapping[str, str], *, now: float, from_body: Callable[[], float | None]
) -> float | None:
    """Seconds that a 429 asks for, by the best of its words; 0 where it need not be long, None where it tells no time."""
    told = retry_after_s(headers.get("Retry-After"), now)
    if told is None:
        body_s = from_body()
        told = bounded(body_s) if body_s is not None and not math.isnan(body_s) else None
    return reset_s(headers, now) if told is None else told


def _combined(text: str, now: float) -> list[Hint]:
    parts = text.split(",")[:_MOST_POLICIES]
    pairs = [_PAIR.fullmatch(part) for part in parts]
    named = {pair["name"]: pair["value"] for pair in pairs if pair is not None}
    if named:
        return [Hint(_whole(named.get("remaining")), _reset_s(named.get("reset"), now))] if all(pairs) else []
    hints: list[Hint] = []
    for part in parts:
        policy = _POLICY.fullmatch(part)
        if policy is None:
            return []
        pairs = [_PAIR.fullmatch(parameter) for parameter in policy["parameters"].split(";")[1:]]
        told = {pair["name"]: pair["value"] for pair in pairs if pair is not None}
        hints.append(Hint(_whole(told.get("r")), _reset_s(told.get("t"), now)))
    return hints


def _whole(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None


def _reset_s(text: str | None, now: float) -> float | None:
    text = (text or "").strip()
    if not SECONDS.fullmatch(text) and not _EPOCH.fullmatch(text):
        return None
    value = float(text)
    if value >= _LEAST_EPOCH_MS:
        value /= 1000
    wait_s = value - now if value >= _LEAST_EPOCH_S else value
    return bounded(wait_s) if wait_s > 0 else None
