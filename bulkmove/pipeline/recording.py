"""What a run notes of its hosts and routes as it goes, for the report: a row each about every five seconds.

A run that was killed lost at most the last five seconds of this; its records are noted elsewhere, and lose nothing.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import anyio

from bulkmove import clock
from bulkmove.ledger import SqliteLedger, history, tallies
from bulkmove.ledger.history import HostSpan, RestSpan, RouteSpan
from bulkmove.model import State
from bulkmove.transport import HostTransport

NOTE_EVERY_S = 5.0
FIRST_NOTED_AFTER_S = 1.0  # who looks early sees something
LOOK_EVERY_S = 0.5
_NOTE_WITHIN_S = 5.0


@dataclass(slots=True)
class _Host:
    """A host since the row before: what it had come to then, and what was seen of it since."""

    requests: int = 0
    retries: int = 0
    throttled: int = 0
    latencies: Mapping[int, int] = field(default_factory=dict)
    allowed: list[float | None] = field(default_factory=list)


class Recorder:
    """Keeps the history of one run."""

    def __init__(
        self, ledger: SqliteLedger, transports: Mapping[str, HostTransport], routes: Sequence[str]
    ) -> None:
        self._ledger = ledger
        self._transports = transports
        self._hosts = {name: _Host() for name in transports}
        self._routes = [ledger.number_of(name) for name in routes]
        self._tallies: dict[int, Counter[State]] | None = None
        self._since = clock.now()
        # What is no run, as a verification, has no number: its rests are told from others' by when it began.
        self._run = ledger.run or -int(self._since)

    async def keep(self) -> None:
        """Note what happens until cancelled, and once more then."""
        try:
            self._tallies = await self._ledger.ask(self._tallied)
            after_s = FIRST_NOTED_AFTER_S
            while True:
                await self._watch(after_s)
                await self._note()
                after_s = NOTE_EVERY_S
        finally:
            if self._tallies is not None:
                with anyio.move_on_after(_NOTE_WITHIN_S, shield=True):
                    self._look()
                    await self._note()

    async def _watch(self, seconds: float) -> None:
        until = self._since + seconds
        while clock.now() < until:
            await anyio.sleep(LOOK_EVERY_S)
            self._look()

    def _look(self) -> None:
        for name, transport in self._transports.items():
            self._hosts[name].allowed.append(transport.rate_per_s)

    async def _note(self) -> None:
        began_at, self._since = self._since, clock.now()
        hosts = [self._host_span(name, began_at, self._since) for name in self._transports]
        rests = [
            RestSpan(self._run, name, r.number, r.began_at, r.until, r.until - r.began_at, 1, r.reason)
            for name, transport in self._transports.items()
            for r in transport.take_rests()
        ]

        def change(connection: sqlite3.Connection, ended_at: float = self._since) -> None:
            # A host that nothing was ever sent to, such as a directory, has no history.
            history.save_hosts(connection, [span for span in hosts if self._hosts[span.host].requests])
            history.save_rests(connection, rests)
            history.save_routes(connection, self._route_spans(connection, began_at, ended_at))

        # Nobody waits for it: it becomes durable with what is put down next.
        await self._ledger.writer.put(change, wait=False)

    def _host_span(self, name: str, began_at: float, ended_at: float) -> HostSpan:
        transport, before = self._transports[name], self._hosts[name]
        now = self._hosts[name] = _Host(
            transport.requests, transport.retries, transport.throttled, transport.latencies()
        )
        rates = [rate for rate in before.allowed if rate is not None]
        seconds = ended_at - began_at
        has_limit = bool(rates) and len(rates) == len(before.allowed)
        return HostSpan(
            host=name,
            began_at=began_at,
            ended_at=ended_at,
            seconds=seconds,
            requests=now.requests - before.requests,
            retries=now.retries - before.retries,
            throttled=now.throttled - before.throttled,
            most_in_flight=transport.take_peak(),
            allowed=seconds * sum(rates) / len(rates) if has_limit else None,
            latencies=Counter(now.latencies) - Counter(before.latencies),
        )

    def _tallied(self, connection: sqlite3.Connection) -> dict[int, Counter[State]]:
        return {route: tallies.bodies(connection, route) for route in self._routes}

    def _route_spans(
        self, connection: sqlite3.Connection, began_at: float, ended_at: float
    ) -> list[RouteSpan]:
        """By how much each state grew; the ledger's own tallies, as they are in this transaction."""
        before, self._tallies = self._tallies or {}, self._tallied(connection)
        spans: list[RouteSpan] = []
        for route, counts in self._tallies.items():
            old, new = history.states(before[route]), history.states(counts)
            grown = [now - then for now, then in zip(new, old, strict=True)]
            spans.append(RouteSpan(route, began_at, ended_at, ended_at - began_at, *grown))
        return spans
