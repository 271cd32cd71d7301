"""One function that nests the layers of a host's transport, and what its user holds."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Protocol, runtime_checkable

from bulkmove.events import HostSample
from bulkmove.model import Request, Response
from bulkmove.protocols import Signature
from bulkmove.settings import HostSettings, Window
from bulkmove.transport.circuit import HostCircuit
from bulkmove.transport.client import open_client
from bulkmove.transport.gate import Gate
from bulkmove.transport.gated import Attempting, GatedClient
from bulkmove.transport.health import HostHealth
from bulkmove.transport.hiding import without_secrets
from bulkmove.transport.knee import Found, Knee
from bulkmove.transport.rests import Rest
from bulkmove.transport.retry import Retrying, RetryRules
from bulkmove.transport.retry_budget import RetryBudget
from bulkmove.transport.spent import Spending, Spent, on_clock
from bulkmove.transport.steering import Steering
from bulkmove.transport.timetable import all_windows, windows_at
from bulkmove.transport.timing import Timing

DEFAULT_429_WAIT_S = 60.0
SAMPLED_OVER_S = 5.0
LEAST_SAMPLE_GAP_S = 0.2


def says_nothing(response: Response) -> float | None:
    """For an API whose 429 bodies name no time."""
    del response
    return None


def never_passing(response: Response) -> bool:
    """For an API whose 4xx answers all stand."""
    del response
    return False


class HostClient(Attempting, Protocol):
    """Sends to one host, and tells where a redirect points without what is secret in it."""

    def redirect_target(self, request: Request, answer: Response) -> str: ...


@runtime_checkable
class StandsInLine(Protocol):
    """A client whose requests, once they are connected, wait for their turn to be written."""

    def stand_in_line(self, turn: Callable[[Any], Awaitable[None]]) -> None:
        """`turn` is awaited for each request, by its mark, right before it is written."""
        ...


class OpenClient(Protocol):
    """What `client.open_client` is, or stands in for it: a host in this process, say."""

    def __call__(
        self,
        host: HostSettings,
        sign: Signature,
        *,
        wall_clock: Callable[[], float],
        on_sent: Callable[[Any], None] | None = None,
    ) -> AbstractAsyncContextManager[HostClient]: ...


@asynccontextmanager
async def open_transport(
    host: HostSettings,
    *,
    windows: Sequence[Window],
    sign: Signature,
    wait_from_body: Callable[[Response], float | None] = says_nothing,
    is_passing: Callable[[Response], bool] = never_passing,
    default_429_wait_s: float = DEFAULT_429_WAIT_S,
    timing: Timing | None = None,
    connect: OpenClient = open_client,
    knee: Knee | None = None,
) -> AsyncIterator[HostTransport]:
    """A transport to one host, and its connections, for as long as the context lasts.

    `windows` are the limits that hold (the user's, or else the connector's); none: unlimited, up to
    `host.concurrency`. At the times of `host.rate_at` its windows hold in their place; `host.windows` is not looked at. `wait_from_body` and `is_passing` are the connector's.
    `knee`: looks for the rate and the concurrency while no windows hold.
    Raises ConfigError for an address or credentials that can't be used.
    """
    timing = timing or Timing()
    now_windows = windows_at(host, windows, timing.wall_clock())
    gate = Gate(now_windows, burst=host.burst, concurrency=host.concurrency, clock=timing.clock, knee=knee)
    rules = RetryRules(wait_from_body, is_passing, default_429_wait_s)
    async with connect(host, sign, wall_clock=timing.wall_clock, on_sent=gate.sent) as client:
        if isinstance(client, StandsInLine):
            client.stand_in_line(gate.turn)
        yield layered(
            host,
            client,
            gate=gate,
            spending=Spending(all_windows(host, windows)),
            rules=rules,
            timing=timing,
            without_secrets=partial(without_secrets, sign),
            usual=windows,
        )


def layered(
    host: HostSettings,
    client: HostClient,
    *,
    gate: Gate,
    spending: Spending,
    rules: RetryRules,
    timing: Timing,
    without_secrets: Callable[[str], str],
    usual: Sequence[Window] | None = None,
) -> HostTransport:
    """All that stands between a client that sends once and those who ask for something.

    `usual`: the windows that hold outside of `host.rate_at`; None where nothing can be asked of the host.
    """
    health = HostHealth(host.give_up_after_s)
    gated = GatedClient(
        host.name,
        client,
        gate=gate,
        health=health,
        timing=timing,
        spending=spending,
        longest_s=host.timeout_s,
    )
    retrying = Retrying(
        host.name,
        gated,
        circuit=HostCircuit(gate, health, timing),
        budget=RetryBudget(),
        rules=rules,
        timing=timing,
        redirect_target=client.redirect_target,
        without_secrets=without_secrets,
    )
    steering = None if usual is None else Steering(host, gate, health, usual=usual, timing=timing)
    return HostTransport(host, retrying, gated=gated, gate=gate, timing=timing, steering=steering)


class HostTransport:
    """HTTP to one host under its one budget, shared by all who talk to it. See `protocols.Transport`."""

    def __init__(
        self,
        host: HostSettings,
        retrying: Retrying,
        *,
        gated: GatedClient,
        gate: Gate,
        timing: Timing,
        steering: Steering | None = None,
    ) -> None:
        self._host = host
        self.steering = steering
        self._retrying = retrying
        self._gated = gated
        self._gate = gate
        self._timing = timing
        self._polled: deque[tuple[float, int]] = deque([(timing.clock(), 0)])

    @property
    def host(self) -> HostSettings:
        return self._host

    async def send(self, request: Request) -> Response:
        if self._host.rate_at and self.steering is not None:
            self.steering.follow_timetable()
        return await self._retrying.send(request)

    @property
    def latency_s(self) -> float | None:
        """From a request's slot to its whole answer, averaged over the last ten or so; None before the first."""
        return self._gated.latency_s

    @property
    def rate_per_s(self) -> float | None:
        """The rate that can be used now, by the windows of at most a minute; None if there is no limit."""
        return self._gate.rate_per_s

    @property
    def found(self) -> Found | None:
        """What was found of a host whose rate nobody stated; None where that is not looked for, or shows nothing yet."""
        return None if self._gate.seeking is None else self._gate.seeking.found()

    @property
    def concurrency(self) -> int:
        """The most requests in flight that are allowed now."""
        return self._host.concurrency if self.steering is None else self.steering.concurrency

    @property
    def requests(self) -> int:
        """Attempts let out so far."""
        return self._gate.granted

    @property
    def retries(self) -> int:
        return self._retrying.retries

    @property
    def throttled(self) -> int:
        """Answers with 429 so far."""
        return self._retrying.throttled

    @property
    def longest_window_s(self) -> float:
        """How far back what was let out matters to another run; 0 where no window is a minute long or more."""
        return self._gated.spending.kept_s

    def spent(self) -> tuple[Spent, ...]:
        """What this transport let out, in coarse grains of epoch seconds, as far back as its longest window."""
        return self._gated.spending.grains()

    def remember(self, spent: Iterable[tuple[float, int]]) -> None:
        """Heed what `spent` told of an earlier run, in windows of a minute and more. To be called before anything is sent."""
        timing = self._timing
        self._gate.remember(on_clock(spent, wall_now=timing.wall_clock(), clock_now=timing.clock()))

    def pause(self, seconds: float, reason: str) -> None:
        """Let nothing more out for `seconds`; what is in flight goes on."""
        self._gate.pause(seconds, reason)

    def latencies(self) -> dict[int, int]:
        """How many answers took how long so far, by bucket (see `latencies.py`)."""
        return self._gated.latencies.counts()

    def take_peak(self) -> int:
        """The most requests in flight at once since this was asked last."""
        peak, self._gate.peak = self._gate.peak, self._gate.in_flight
        return peak

    def take_rests(self) -> list[Rest]:
        """When the host rested since this was asked last, in epoch seconds; a rest that goes on is told again."""
        now, wall_now = self._timing.clock(), self._timing.wall_clock()
        if not self._gate.paused()[0]:
            self._gate.rests.cut(now)
        rests = self._gate.rests.take(now)
        ahead_s = wall_now - now
        return [replace(r, began_at=r.began_at + ahead_s, until=r.until + ahead_s) for r in rests]

    def sample(self) -> HostSample:
        """The host at this moment; cheap, and without effect on it. `used_per_s` is over the last five seconds."""
        now, requests = self._timing.clock(), self._gate.granted
        polled = self._polled
        while len(polled) > 1 and polled[1][0] <= now - SAMPLED_OVER_S:
            polled.popleft()
        since, requests_then = polled[0]
        if now - polled[-1][0] >= LEAST_SAMPLE_GAP_S:
            polled.append((now, requests))
        paused_s, reason = self._gate.paused()
        return HostSample(
            host=self._host.name,
            requests=requests,
            used_per_s=(requests - requests_then) / (now - since) if now > since else 0.0,
            allowed_per_s=self._gate.rate_per_s,
            in_flight=self._gate.in_flight,
            paused_s=paused_s,
            reason=reason,
            retries=self._retrying.retries,
            throttled=self._retrying.throttled,
            latencies=self._gated.latencies.counts(),
            latency_s=self._gated.latencies_s,
        )
