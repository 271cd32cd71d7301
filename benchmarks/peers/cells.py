"""Who is compared, at which latencies and limits, over how many orders, and what each of them guarantees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

LATENCIES_MS = (0, 20, 100)
LIMITS = (None, 50)  # requests a second that each host lets in, in a sliding window; None: all


@dataclass(frozen=True, slots=True)
class Tool:
    """`module` of this package does the job as a program; `care` says what the tool guarantees, and what not."""

    name: str
    module: str
    care: str
    is_sequential: bool = False


BULKMOVE = Tool(
    "bulkmove",
    "with_bulkmove",
    "ledger with FULL synchronisation, an intent before each create, proven reading, one budget a host: all on",
)
BARE = Tool(
    "bare aiohttp loop",
    "bare_loop",
    "none: no ledger, no going on after a stop, no proof; a row that moves between two pages is lost or doubled",
)
DLT = Tool(
    "dlt",
    "with_dlt",
    "goes on from the batch that failed; no intents (a lost answer doubles its batch), no proof, no rate (asks until it"
    " is refused); all is read before the first write",
)
REQUESTS = Tool(
    "requests script",
    "with_requests",
    "none: no ledger, no going on after a stop, no proof; one request at a time",
    is_sequential=True,
)
TOOLS = (BULKMOVE, BARE, DLT, REQUESTS)


@dataclass(frozen=True, slots=True)
class Host:
    """How both hosts of a cell are."""

    latency_ms: int
    rate: int | None

    @property
    def in_flight(self) -> int:
        """Requests at once, for all that can: the fewest that let the fastest go no faster with more."""
        if self.rate is not None:
            return 16
        return {0: 4, 20: 16, 100: 64}[self.latency_ms]

    def orders_of(self, tool: Tool, *, is_quick: bool) -> int:
        """Enough for a second or more of the fastest; a sequential script gets what it does in about two."""
        whole = 30_000 if self.rate is None else 20_000
        if tool.is_sequential:
            whole = min(whole, {0: 10_000, 20: 5_000, 100: 1_500}[self.latency_ms])
        return whole // 3 // 100 * 100 if is_quick else whole

    def __str__(self) -> str:
        limit = "unlimited" if self.rate is None else f"{self.rate}/s"
        return f"{self.latency_ms} ms, {limit}"


def hosts(*, is_quick: bool) -> Iterator[Host]:
    """A quick look leaves out the latencies between the shortest and the longest."""
    latencies_ms = (LATENCIES_MS[0], LATENCIES_MS[-1]) if is_quick else LATENCIES_MS
    for rate in LIMITS:
        for latency_ms in latencies_ms:
            yield Host(latency_ms, rate)
