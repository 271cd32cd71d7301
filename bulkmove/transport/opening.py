"""One function that nests the layers of a host's transport, and what its user holds."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

from bulkmove.events import HostSample
from bulkmove.model import Request, Response
from bulkmove.protocols import Signature
from bulkmove.settings import HostSettings, Window
from bulkmove.transport.auth import without_secrets
from bulkmove.transport.client import open_client
from bulkmove.transport.gate import Gate
from bulkmove.transport.gated import GatedClient
from bulkmove.transport.health import HostHealth
from bulkmove.transport.retry import Retrying, RetryRules
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
) -> AsyncIterator[HostTransport]:
    """A transport to one host, and its connections, for as long as the context lasts.

    `windows` are the limits that hold (the user's, or else the connector's); none: unlimited, up to
    `host.concurrency`. `host.windows` is not looked at. `wait_from_body` and `is_passing` are the connector's.
    Raises ConfigError for an address or credentials that can't be used.
    """
    timing = timing or Timing()
    health = HostHealth(host.give_up_after_s)
    gate = Gate(windows, burst=host.burst, concurrency=host.concurrency, clock=timing.clock)
    rules = RetryRules(wait_from_body, is_passing, default_429_wait_s)
    async with open_client(
        host, sign, wall_clock=timing.wall_clock, on_sent=gate.sent if windows else None
    ) as client:
        gated = GatedClient(host.name, client, gate=gate, health=health, timing=timing)
        retrying = Retrying(
            host.name,
            gated,
            gate=gate,
            health=health,
            rules=rules,
            timing=timing,
            redirect_target=client.redirect_target,
            without_secrets=partial(without_secrets, sign),
        )
        yield HostTransport(host, retrying, gated=gated, gate=gate, clock=timing.clock)


class HostTransport:
    """HTTP to one host under its one budget, shared by all who talk to it. See `protocols.Transport`."""

    def __init__(
        self,
        host: HostSettings,
        retrying: Retrying,
        *,
        gated: GatedClient,
        gate: Gate,
        clock: Callable[[], float],
    ) -> None:
        self._host = host
        self._retrying = retrying
        self._gated = gated
        self._gate = gate
        self._clock = clock
        self._polled: deque[tuple[float, int]] = deque([(clock(), 0)])

    @property
    def host(self) -> HostSettings:
        return self._host

    async def send(self, request: Request) -> Response:
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

    def pause(self, seconds: float, reason: str) -> None:
        """Let nothing more out for `seconds`; what is in flight goes on."""
        self._gate.pause(seconds, reason)

    def sample(self) -> HostSample:
        """The host at this moment; cheap, and without effect on it. `used_per_s` is over the last five seconds."""
        now, requests = self._clock(), self._gate.granted
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
        )
