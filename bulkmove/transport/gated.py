"""A slot of the gate around every attempt, a retry's too."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from bulkmove.model import Request, Response
from bulkmove.transport import messages
from bulkmove.transport.answers import Answer, status_of
from bulkmove.transport.gate import Gate
from bulkmove.transport.health import HostHealth
from bulkmove.transport.knee import kind_of
from bulkmove.transport.latencies import Latencies
from bulkmove.transport.leaving import LeftError
from bulkmove.transport.spent import Spending
from bulkmove.transport.timing import Timing

LATENCY_WEIGHT = 0.1
_READS = ("GET", "HEAD", "OPTIONS")


def is_write(request: Request) -> bool:
    return request.method not in _READS


@dataclass(slots=True)
class Tries:
    """What one request went through so far; the last three are of its last attempt."""

    first_at: float
    failures: int = 0
    throttled: int = 0
    pauses: int = -1
    started_at: float = 0.0
    sent_at: float = 0.0


class Attempting(Protocol):
    """What sends a request once. `mark` names its slot to whoever is told that it goes on the wire."""

    async def send(self, request: Request, mark: object = None) -> Answer: ...


class GatedClient:
    """Sends once, when the gate lets it, and measures how long answers take. `longest_s`: the longest attempt."""

    def __init__(
        self,
        host: str,
        client: Attempting,
        *,
        gate: Gate,
        health: HostHealth,
        timing: Timing,
        spending: Spending,
        longest_s: float = math.inf,
    ) -> None:
        self._host = host
        self._client = client
        self._gate = gate
        self._health = health
        self._timing = timing
        self._longest_s = longest_s
        self.spending = spending
        self.latency_s: float | None = None
        self.latencies = Latencies()
        self.latencies_s = 0.0

    async def send(self, request: Request, tries: Tries) -> Answer:
        """One attempt, noted in `tries`.

        Raises HostUnavailableError where the host has been given up by the time that the slot comes, for a request
        that could come to be in doubt, and for one that failed before: it is no news that it would fail again. Raises
        HeldError where the run ends and the host lets nothing out for long.
        """
        clock = self._timing.clock
        try:
            slot = await self._gate.acquire()
        except LeftError as error:
            raise messages.held(self._host, request, str(error)) from None
        tries.pauses = slot.pauses
        try:
            tries.started_at = started_at = clock()
            is_enough = tries.failures or not request.is_repeatable
            if is_enough and self._health.is_given_up(started_at, is_write=is_write(request)):
                raise messages.given_up(self._host, request, self._health)
            tries.sent_at = self._timing.wall_clock()
            self.spending.note(tries.sent_at)
            answer = await self._client.send(request, slot)
            self._gate.answered(slot, kind_of(request), status_of(answer))
            # A process that was held up meanwhile (a laptop's lid) may have sent it long after that, but no longer
            # than an attempt takes before now.
            tries.sent_at = max(tries.sent_at, self._timing.wall_clock() - self._longest_s)
        finally:
            self._gate.release(slot)
        if isinstance(answer, Response):
            took_s, known_s = clock() - started_at, self.latency_s
            self.latencies.add(took_s)
            self.latencies_s += took_s
            self.latency_s = took_s if known_s is None else known_s + LATENCY_WEIGHT * (took_s - known_s)
        return answer
