"""A host whose capacity is nobody's knowledge, in virtual time, behind all layers of the transport but the client."""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import anyio

from bulkmove.errors import BulkmoveError
from bulkmove.model import Request
from bulkmove.transport.answers import Answer
from bulkmove.transport.circuit import HostCircuit
from bulkmove.transport.gate import Gate
from bulkmove.transport.gated import GatedClient
from bulkmove.transport.health import HostHealth
from bulkmove.transport.knee import Knee
from bulkmove.transport.retry import Retrying, RetryRules
from bulkmove.transport.retry_budget import RetryBudget
from bulkmove.transport.slot import Slot
from bulkmove.transport.spent import Spending
from bulkmove.transport.timing import Timing
from tests.unit.transport.scripted_host import GET, OK, answer

DOWN = answer(503)


@dataclass
class Capacity:
    """What a host is capable of from a moment on.

    `works_per_s`: it works on one request after the other, and latency rises beyond that; `allows`: it answers 429, or
    whatever `refuses_with` is, to what is more than so many in any `period_s`. `retry_after`: what those answers say. `sigma`: of the latency's logarithm.
    """

    works_per_s: float = math.inf
    allows: float = math.inf
    period_s: float = 1.0
    latency_s: float = 0.02
    sigma: float = 0.0
    retry_after: str | None = "1"
    refuses_with: int = 429
    is_down: bool = False


@dataclass
class KneeHost:
    """Serves by the capacity that holds, and notes when it served, refused, and after how long."""

    capacity: Capacity
    gate: Gate
    dice: random.Random
    served: list[tuple[float, float]] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    _free_at: float = 0.0
    _window: deque[float] = field(default_factory=deque)

    async def send(self, request: Request, mark: object = None) -> Answer:
        del request
        assert isinstance(mark, Slot)
        self.gate.sent(mark)
        now, capacity = now_s(), self.capacity
        while self._window and self._window[0] <= now - capacity.period_s:
            self._window.popleft()
        if capacity.is_down:
            await anyio.sleep(capacity.latency_s)
            return DOWN
        if len(self._window) >= capacity.allows:
            self.refused.append(now)
            await anyio.sleep(capacity.latency_s)
            said = {} if capacity.retry_after is None else {"Retry_After": capacity.retry_after}
            return answer(capacity.refuses_with, **said)
        self._window.append(now)
        self._free_at = max(self._free_at, now) + 1 / capacity.works_per_s
        takes_s = capacity.latency_s * math.exp(self.dice.gauss(0.0, capacity.sigma))
        await anyio.sleep(self._free_at - now + takes_s)
        self.served.append((now, now_s() - now))
        return OK

    def between(self, since: float, until: float) -> list[float]:
        """The latencies of those that came then and were served."""
        return [took for at, took in self.served if since <= at < until]

    def per_s(self, since: float, until: float) -> float:
        return len(self.between(since, until)) / (until - since)

    def refused_between(self, since: float, until: float) -> int:
        return sum(since <= at < until for at in self.refused)


def now_s() -> float:
    return asyncio.get_running_loop().time() - 1000.0


@dataclass
class Watched:
    """A host after it was asked for as much as it took; `knee`: as it was found at the end."""

    host: KneeHost
    knee: Knee
    gate: Gate


async def used_to_the_full(
    phases: Sequence[tuple[float, Capacity]],
    timing: Timing,
    *,
    most_at_once: int = 16,
    most_per_s: float = math.inf,
    seed: int = 1,
    callers: int = 40,
) -> Watched:
    """Ask a host for all that the gate lets out; `phases`: for how many seconds which capacity holds."""
    knee = Knee(most_at_once=most_at_once, most_per_s=most_per_s)
    gate = Gate((), burst=1, concurrency=most_at_once, clock=timing.clock, knee=knee)
    host = KneeHost(phases[0][1], gate, random.Random(seed))
    health = HostHealth(600.0)
    gated = GatedClient("new", host, gate=gate, health=health, timing=timing, spending=Spending(()))
    retrying = Retrying(
        "new",
        gated,
        circuit=HostCircuit(gate, health, timing),
        budget=RetryBudget(),
        rules=RetryRules(lambda _: None, lambda _: False, 60.0),
        timing=timing,
        without_secrets=str,
        redirect_target=lambda _request, _answer: "",
    )

    async def ask() -> None:
        while True:
            try:
                await retrying.send(GET)
            except BulkmoveError:
                await anyio.sleep(0.1)

    async with anyio.create_task_group() as tasks:
        for _ in range(callers):
            tasks.start_soon(ask)
        for seconds, capacity in phases:
            host.capacity = capacity
            await anyio.sleep(seconds)
        tasks.cancel_scope.cancel()
    return Watched(host, knee, gate)
