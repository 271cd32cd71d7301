"""What looks on while a migration is rehearsed: it counts each route's requests, and keeps some to make them again."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import anyio

from bulkmove.model import Request, Response
from bulkmove.pipeline.forecast import Load, Step
from bulkmove.pipeline.job import RouteJob, Use
from bulkmove.protocols import StagedTarget, Transport
from bulkmove.settings import HostSettings
from bulkmove.transport import HostTransport

# Bodies of a hundred orders are kept whole.
MOST_KEPT = 64
# Of fewer the pace of a host says nothing.
FEWEST_ANSWERS = 20


class Kept:
    """A fair part of a host's requests, each as likely to be kept as any other (Vitter's algorithm R)."""

    def __init__(self, seed: str) -> None:
        self._rng = random.Random(seed)
        self._seen = 0
        self.requests: list[tuple[tuple[str, Step], Request]] = []

    def add(self, key: tuple[str, Step], request: Request) -> None:
        self._seen += 1
        if len(self.requests) < MOST_KEPT:
            self.requests.append((key, request))
        elif (place := self._rng.randrange(self._seen)) < MOST_KEPT:
            self.requests[place] = (key, request)


class _Watched:
    """Implements `bulkmove.protocols.Transport`: hands on to another, and tells of each request."""

    def __init__(self, transport: Transport, watch: Watch, route: str, use: Use) -> None:
        self._transport = transport
        self._watch = watch
        self._route = route
        self._use = use

    @property
    def host(self) -> HostSettings:
        return self._transport.host

    async def send(self, request: Request) -> Response:
        self._watch.sent(self.host.name, self._route, self._use, request)
        response = await self._transport.send(request)
        self._watch.answered(self.host.name)
        return response


@dataclass(slots=True)
class Watch:
    """Implements `bulkmove.pipeline.job.Onlooker`: what is sent alone matters to it. By route: `page_limits` of sources,
    `arrays`: how many bodies one write carries, where it is more than one that need not be equal; `targets`: hosts.
    """

    transports: Mapping[str, HostTransport] = field(default_factory=dict)
    counts: Counter[tuple[str, str, Step]] = field(default_factory=Counter)
    kept: dict[str, Kept] = field(default_factory=dict)
    page_limits: dict[str, int] = field(default_factory=dict)
    arrays: dict[str, int] = field(default_factory=dict)
    targets: dict[str, str] = field(default_factory=dict)
    answered_at: dict[str, list[float]] = field(default_factory=dict)

    def sent(self, host: str, route: str, use: Use, request: Request) -> None:
        step: Step = "reading" if use == "source" else "keys" if request.method == "GET" else "writing"
        self.counts[route, host, step] += 1
        self.kept.setdefault(host, Kept(host)).add((route, step), request)

    def answered(self, host: str) -> None:
        self.answered_at.setdefault(host, []).append(anyio.current_time())

    def paces(self) -> dict[str, float]:
        """Answers a second of each host in the midst of the run, where it neither begins nor ends."""
        found: dict[str, float] = {}
        for host, times in self.answered_at.items():
            middle = times[len(times) * 15 // 100 : len(times) * 85 // 100 + 1]
            if len(middle) >= FEWEST_ANSWERS:
                found[host] = (len(middle) - 1) / max(1e-6, middle[-1] - middle[0])
        return found

    def loads(self) -> tuple[Load, ...]:
        """All that was asked of each host, look-ups with no route; retries left out."""
        loads = [Load(route, host, step, count, 0) for (route, host, step), count in self.counts.items()]
        for name, transport in self.transports.items():
            rest = (
                transport.requests
                - transport.retries
                - sum(each.requests for each in loads if each.host == name)
            )
            if rest > 0:
                loads.append(Load("", name, "look-ups", rest, 0))
        return tuple(loads)

    def opened(self, transports: Mapping[str, HostTransport]) -> None:
        self.transports = transports

    def counted(self, route: str, use: Use, transport: Transport) -> Transport:
        return _Watched(transport, self, route, use)

    async def begin(self, job: RouteJob) -> None:
        self.page_limits[job.name] = job.source.listing.page_limit
        if isinstance(job.target, StagedTarget):
            return  # a file, which nobody limits
        self.targets[job.name] = job.target_host.name
        rule = job.target.rules["update" if job.settings.mode == "update" else "create"]
        if rule.shape == "array":
            self.arrays[job.name] = min(job.settings.batch_size or rule.max_items, rule.max_items)
