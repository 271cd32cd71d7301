"""The real sources, which are only read: their own counts, and the requests that read their first pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bulkmove.cutover.bench.offering import Line, Probe
from bulkmove.cutover.bench.probing import refuse_grave
from bulkmove.errors import BulkmoveError, ConfigError
from bulkmove.model import PageQuery, Request, Response
from bulkmove.pipeline.plan import MigrationPlan
from bulkmove.settings import HostSettings
from bulkmove.transport.answers import Failure, Verdict

# Pages of each list that are read over and over: a run reads no deep offsets either.
PAGES = 4


class EnoughError(BulkmoveError):
    """A host is asked no more: it answered 429, or the budget is spent. Never leaves `look`."""

    def __init__(self, *, is_throttled: bool) -> None:
        super().__init__("answered 429" if is_throttled else "the budget of requests is spent")
        self.is_throttled = is_throttled


@dataclass(slots=True)
class Reader:
    """Implements `bulkmove.protocols.Transport` for GETs: each is sent once, `budget` of them at most.

    Raises EnoughError, and what the house raises for what does not settle a request.
    """

    host: HostSettings
    line: Line
    sent: list[Request]
    budget: int

    async def send(self, request: Request) -> Response:
        if request.method != "GET":
            raise ConfigError(f"{self.host.name}: a bench of real hosts only reads them")
        if len(self.sent) >= self.budget:
            raise EnoughError(is_throttled=False)
        self.sent.append(request)
        slot = await self.line.gate.acquire()
        try:
            answer = await self.line.client.send(request, slot)
        finally:
            self.line.gate.release(slot)
        verdict = self.line.judge(answer)
        if verdict is Verdict.THROTTLED:
            raise EnoughError(is_throttled=True)
        if verdict is not Verdict.SETTLED or isinstance(answer, Failure):
            refuse_grave(self.host.name, request, answer, verdict)
            raise AssertionError("an answer that settles nothing was not refused")
        return answer


@dataclass(frozen=True, slots=True)
class SourceSeen:
    """What the first pages of a host's lists showed. `counts`: the host's own, by route; None where it tells none.

    `is_throttled`: it answered 429 to one of them, and was asked no more.
    """

    probes: tuple[Probe, ...]
    counts: dict[str, int | None]
    requests: int
    is_throttled: bool


async def look(plan: MigrationPlan, host: HostSettings, line: Line, *, budget: int) -> SourceSeen:
    """Read a few pages of each list that routes read of this host, until the budget is spent or it answers 429.

    Raises what `refuse_grave` raises.
    """
    reader, is_throttled = Reader(host, line, [], budget), False
    probes: list[Probe] = []
    counts: dict[str, int | None] = {}
    routes = [route for route in plan.routes.values() if route.settings.source.host == host.name]
    pages = max(1, min(PAGES, budget // (4 * max(1, len(routes)))))
    try:
        for route in routes:
            source = plan.connectors[host.name].source(route.settings.source.stream, reader, route.settings)
            limit = source.listing.page_limit
            for number in range(pages):
                before = len(reader.sent)
                page = await source.fetch(PageQuery(limit=limit, offset=number * limit))
                if number == 0:
                    counts[route.settings.name] = page.total
                if page.records or not number:
                    probes += _probes(reader.sent[before:], len(page.records))
                if len(page.records) < limit:
                    break
    except EnoughError as enough:
        is_throttled = enough.is_throttled
    return SourceSeen(tuple(probes), counts, len(reader.sent), is_throttled)


def _probes(requests: Sequence[Request], rows: int) -> list[Probe]:
    return [Probe(request, rows / len(requests)) for request in requests]
