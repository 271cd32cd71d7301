"""A transport that is looked at while it is used: how long answers took, what time the host has, which paths answered."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from bulkmove.model import Request, Response
from bulkmove.protocols import Transport
from bulkmove.settings import HostSettings

# A `Date` names the second that has begun.
_HALF_A_SECOND = 0.5


class WitnessedTransport:
    """Hands every request on. Latencies are without the wait for a slot, since an answer tells when it was sent for."""

    def __init__(self, transport: Transport, *, wall_clock: Callable[[], float] = time.time) -> None:
        self._transport = transport
        self._wall_clock = wall_clock
        self._latencies_s: list[float] = []
        self._skews_s: list[float] = []
        self.statuses: dict[str, int] = {}

    @property
    def host(self) -> HostSettings:
        return self._transport.host

    async def send(self, request: Request) -> Response:
        response = await self._transport.send(request)
        now = self._wall_clock()
        self._latencies_s.append(max(0.0, now - response.sent_at))
        if response.date is not None:
            self._skews_s.append(response.date + _HALF_A_SECOND - (response.sent_at + now) / 2)
        self.statuses[request.path] = response.status
        return response

    @property
    def answers(self) -> int:
        return len(self._latencies_s)

    @property
    def has_served(self) -> bool:
        """Whether a call was answered with what it asked for."""
        return any(200 <= status < 300 for status in self.statuses.values())

    @property
    def latency_s(self) -> float | None:
        """The median, None before the first answer."""
        return statistics.median(self._latencies_s) if self._latencies_s else None

    @property
    def skew_s(self) -> float | None:
        """By how much the host's clock is ahead of this machine's, to about a second; None where it tells no time."""
        return statistics.median(self._skews_s) if self._skews_s else None
