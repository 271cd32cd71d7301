"""What a plan counts of each route: the requests that it made itself, and those that a run would write with."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bulkmove.ledger.chunks import compressed
from bulkmove.load.rehearsal import RehearsedTarget
from bulkmove.model import BatchRule, Listing, PageQuery, Request, Response, WriteItem
from bulkmove.pipeline.job import RouteJob
from bulkmove.protocols import FindsById, LooksFirst, Transport
from bulkmove.settings import HostSettings, Mode

# Bodies of a route whose compressed size is measured.
_WEIGHED = 200


class CountedTransport:
    """Implements `bulkmove.protocols.Transport`: hands on to another, and tells of each request; not of its retries."""

    def __init__(self, transport: Transport, note: Callable[[], None]) -> None:
        self._transport = transport
        self._note = note

    @property
    def host(self) -> HostSettings:
        return self._transport.host

    async def send(self, request: Request) -> Response:
        self._note()
        return await self._transport.send(request)


@dataclass(slots=True)
class WriteTally:
    """Writes of one action that a run would send. `looks`: requests before them, in which rows are looked at.

    `spare`: those of joined changes beyond the fewest that can make them.
    """

    rule: BatchRule = field(default_factory=lambda: BatchRule("single"))
    requests: int = 0
    looks: int = 0
    bodies: int = 0
    spare: int = 0

    @property
    def least(self) -> int:
        """Requests that carry as much, were each as full as it can be; no fewer make the joined changes."""
        if self.rule.shape == "joined":
            return max(0, self.requests - self.spare)
        return math.ceil(self.bodies / self.rule.max_items) if self.requests else 0


@dataclass(slots=True)
class RouteTally:
    """One route. `source` and `target`: requests that reading its source and its target's keys took.

    `source_rows`: the source's own count before it was read, None where it tells none. `compared`: requests of the
    target's that were made for the comparison alone, `own` those of the source's for its count. `weighed`: bodies whose compressed size was added up.
    `can_look`: the target looks at rows before it changes them, where it is asked to; `find_at_once`: how many it brings
    by their ids, None where it doesn't.
    """

    mode: Mode
    listing: Listing | None = None
    target_listing: Listing | None = None
    source: int = 0
    target: int = 0
    compared: int = 0
    own: int = 0
    source_rows: int | None = None
    creates: WriteTally = field(default_factory=WriteTally)
    updates: WriteTally = field(default_factory=WriteTally)
    weighed: int = 0
    weighed_bytes: int = 0
    can_look: bool = False
    find_at_once: int | None = None

    async def begin(self, job: RouteJob) -> None:
        """Ask the source for its own count, which is no request of a run. Raises what the source raises."""
        self.listing, self.target_listing = job.source.listing, job.target.list().listing
        self.creates.rule, self.updates.rule = (_rule(job, "create"), _rule(job, "update"))
        rehearsed = job.target.rehearsed if isinstance(job.target, RehearsedTarget) else job.target
        self.can_look, rows = isinstance(rehearsed, LooksFirst), job.target.list()
        self.find_at_once = rows.find_at_once if isinstance(rows, FindsById) else None
        before = self.source
        self.source_rows = (await job.source.fetch(PageQuery(limit=1))).total
        self.source, self.own = before, self.source - before

    def write(self, items: Sequence[WriteItem]) -> None:
        """One request, as it would be sent."""
        is_update = items[0].target_id is not None
        tally = self.updates if is_update else self.creates
        tally.bodies += len(items)
        if is_update and self.mode != "delete" and tally.rule.shape != "array" and not items[0].body:
            return  # there is nothing to send
        tally.requests += 1
        if tally.rule.looks_first:
            tally.looks += len(items)
        if self.weighed < _WEIGHED:
            self.weighed += len(items)
            self.weighed_bytes += sum(len(compressed(item.encoded)) for item in items)


def _rule(job: RouteJob, action: str) -> BatchRule:
    """The target's rule, with the user's batch size."""
    rule = job.target.rules["create" if action == "create" else "update"]
    if job.settings.batch_size is None or rule.shape == "single":
        return rule
    return BatchRule(rule.shape, min(job.settings.batch_size, rule.max_items), looks_first=rule.looks_first)
