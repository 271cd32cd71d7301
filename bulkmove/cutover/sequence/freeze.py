"""How long the old shop will have to be frozen, as a range, and what that is made of. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bulkmove.settings import Window

# The last delta brings what is left, a further one shows that nothing moves any more.
_FEWEST_DELTAS, _MOST_DELTAS = 2, 3
# Hosts may be slower than when they were measured.
_SLOWER = 1.5


@dataclass(frozen=True, slots=True)
class FreezeForecast:
    """Seconds of one delta and of the verification, as they are expected; `is_measured`: a verification took so long."""

    delta_s: float
    verify_s: float
    is_measured: bool

    @property
    def shortest_s(self) -> float:
        return _FEWEST_DELTAS * self.delta_s + self.verify_s

    @property
    def longest_s(self) -> float:
        return _SLOWER * (_MOST_DELTAS * self.delta_s + self.verify_s)


def forecast_freeze(
    *,
    delta_s: float,
    verify_s: float | None,
    requests: Mapping[str, int],
    windows: Mapping[str, Sequence[Window]],
) -> FreezeForecast:
    """`delta_s`: what the last delta took. `verify_s`: what a verification took, None where none was made: then it is
    made of its `requests` by host and what the hosts' `windows` let through.
    """
    if verify_s is not None:
        return FreezeForecast(delta_s, verify_s, is_measured=True)
    by_host = (least_seconds(count, windows.get(host, ())) for host, count in requests.items())
    return FreezeForecast(delta_s, max(by_host, default=0.0), is_measured=False)


def least_seconds(requests: int, windows: Sequence[Window]) -> float:
    """How long a host's windows make so many requests take, if each is used to the full."""
    return max(
        (
            max(0.0, requests / window.count - 1) * window.period_s
            if window.period_s > 1
            else requests / window.count
            for window in windows
        ),
        default=0.0,
    )
