"""What looks on while a plan's pages are mapped: outcomes, requests, differences, and the records that are shown."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, NamedTuple

from bulkmove.entries import Entry, TargetKey
from bulkmove.exact import decode_json
from bulkmove.load.matching import Body, as_text
from bulkmove.model import JsonObject, Record, State, WriteItem
from bulkmove.pipeline.counting import CountedTransport, RouteTally
from bulkmove.pipeline.fieldwise import Comparison, updates_in
from bulkmove.pipeline.job import RouteJob, Use
from bulkmove.pipeline.plan import RoutePlan
from bulkmove.pipeline.watching import FieldWatch
from bulkmove.protocols import Transport
from bulkmove.transport import HostTransport

Outcome = Literal["create", "update", "delete", "unchanged", "skipped", "rejected"]


class Part(NamedTuple):
    """One body that a record was mapped to, and what would become of it. `body` None: there is none.

    Of a row that would be deleted it is what the row is found by: its natural key, and its id where that is known.
    """

    body: JsonObject | None
    outcome: Outcome
    target_id: str | None = None
    cause: str | None = None
    message: str | None = None


class Sample(NamedTuple):
    """One source record as it was read, and all that it was mapped to."""

    route: str
    source_id: str
    source: JsonObject
    parts: tuple[Part, ...]


@dataclass(slots=True)
class ListSeen:
    """What a list of the target held when it was read for its keys.

    `named`: keys of rows that bodies named which claim none of them; `keyless`: rows without the natural key.
    """

    rows: int = 0
    keyless: int = 0
    named: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Witness:
    """Implements `bulkmove.pipeline.job.SeesMapping`: counts creations, and keeps the first `most` records of a route.

    `rejected`: the first rejected record of each route and cause, and why. `watches`: those of mappings without code.
    `tallies`: requests and writes by route; `lists`: what the lists of the target held, `list_of` the route's.
    """

    routes: Mapping[str, RoutePlan]
    comparison: Comparison
    most: int = 0
    watches: dict[str, FieldWatch] = field(default_factory=dict)
    created: Counter[str] = field(default_factory=Counter)
    samples: list[Sample] = field(default_factory=list)
    rejected: dict[tuple[str, str], tuple[str, str | None]] = field(default_factory=dict)
    tallies: dict[str, RouteTally] = field(default_factory=dict)
    transports: Mapping[str, HostTransport] = field(default_factory=dict)
    lists: dict[str, ListSeen] = field(default_factory=dict)
    list_of: dict[str, str] = field(default_factory=dict)
    _sources: dict[str, dict[str, JsonObject]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, route in self.routes.items():
            self.tallies[name] = RouteTally(route.settings.mode)
            if route.mapper.readings and route.settings.mode != "delete":
                self.watches[name] = FieldWatch(route.mapper.readings, without=route.target.id_field)

    # Requests.

    def opened(self, transports: Mapping[str, HostTransport]) -> None:
        self.transports = transports

    def counted(self, route: str, use: Use, transport: Transport) -> Transport:
        return CountedTransport(transport, partial(self._count, self.tallies[route], use))

    def _count(self, tally: RouteTally, use: Use) -> None:
        if use == "source":
            tally.source += 1
        else:
            tally.target += 1

    async def begin(self, job: RouteJob) -> None:
        self.list_of[job.name] = job.target_list.name
        await self.tallies[job.name].begin(job)

    def rehearsed(self, route: str, items: Sequence[WriteItem]) -> None:
        self.tallies[route].write(items)

    def joined(self, route: str, spare: int, again: int) -> None:
        updates = self.tallies[route].updates
        updates.spare += spare
        updates.bodies -= again

    # Differences.

    def found(self, job: RouteJob, records: Sequence[Record]) -> None:
        seen = self.lists.setdefault(job.target_list.name, ListSeen())
        keyed = [
            (key, record.data)
            for record in records
            if (key := as_text(record.data.get(job.rules.natural_key))) is not None
        ]
        seen.rows += len(records)
        seen.keyless += len(records) - len(keyed)
        self.comparison.keep(job.target_list.name, job, keyed)

    async def matched(
        self,
        job: RouteJob,
        bodies: Sequence[Body],
        entries: Sequence[Entry],
        *,
        known: Mapping[str, TargetKey],
        own_rows: Mapping[str, JsonObject],
    ) -> None:
        self._note_named(job, bodies, entries, known)
        if job.settings.mode == "delete":
            return
        by_key, by_id = updates_in(bodies, entries)
        if by_key:
            await self.comparison.hold(job, by_key, known=known, target_list=job.target_list.name)
        elsewhere = []
        for update in by_id:
            row = own_rows.get(update.body.source_id)
            if row is not None and as_text(row.get(job.rules.id_field)) == update.target_id:
                self.comparison.hold_row(job, update, row)
            else:
                elsewhere.append(update)
        if elsewhere:
            tally = self.tallies[job.name]
            before = tally.target
            await self.comparison.hold_by_id(job, elsewhere)
            tally.compared += tally.target - before

    def _note_named(
        self,
        job: RouteJob,
        bodies: Sequence[Body],
        entries: Sequence[Entry],
        known: Mapping[str, TargetKey],
    ) -> None:
        """Rows that a record stands for which is rejected are nobody else's."""
        for body, entry in zip(bodies, entries, strict=True):
            if entry.state is State.REJECTED and body.key is not None:
                row = known.get(body.key)
                if row is not None and row.rows:
                    self.lists.setdefault(job.target_list.name, ListSeen()).named.add(body.key)

    # Outcomes.

    def see(self, route: str, records: Sequence[Record]) -> None:
        sources = self._sources.setdefault(route, {})
        for record in records[: self.most - len(sources)]:
            # A mapper may change its record.
            sources[record.id or ""] = copy.deepcopy(record.data)

    def note(self, route: str, entries: Sequence[Entry], encoded: Sequence[bytes]) -> None:
        gravest: dict[str, State] = {}
        creates: set[str] = set()
        for entry in entries:
            gravest[entry.source_id] = max(gravest.get(entry.source_id, State.SKIPPED), entry.state)
            if entry.state is State.PENDING and entry.target_id is None:
                creates.add(entry.source_id)
            elif entry.state is State.REJECTED:
                self.rejected.setdefault((route, entry.cause or ""), (entry.source_id, entry.message))
        self.created[route] += sum(gravest[source_id] is State.PENDING for source_id in creates)
        if (watch := self.watches.get(route)) is not None:
            for body in encoded:
                # Once all fields were seen, counting is enough.
                watch.see({} if watch.has_seen_all else decode_json(body))
        if len(self._sources.get(route, ())):
            self._keep(route, entries, encoded)

    def _keep(self, route: str, entries: Sequence[Entry], encoded: Sequence[bytes]) -> None:
        sources = self._sources[route]
        found: dict[str, list[tuple[int, Part]]] = {}
        for place, entry in enumerate(entries):
            if entry.source_id in sources:
                body = decode_json(encoded[place]) if place < len(encoded) else None
                found.setdefault(entry.source_id, []).append((entry.part, self._part(route, entry, body)))
        for source_id in [each for each in sources if each in found]:
            parts = tuple(part for _, part in sorted(found[source_id], key=lambda pair: pair[0]))
            self.samples.append(Sample(route, source_id, sources[source_id], parts))

    def _part(self, route: str, entry: Entry, body: JsonObject | None) -> Part:
        is_delete = self.routes[route].settings.mode == "delete"
        if is_delete and body is not None:
            body = _found_by(self.routes[route], entry)
        match entry.state:
            case State.PENDING if entry.target_id is None:
                outcome: Outcome = "create"
            case State.PENDING:
                outcome = "delete" if is_delete else "update"
            case State.UNCHANGED:
                outcome = "unchanged"
            case State.SKIPPED:
                outcome = "skipped"
            case _:
                outcome = "rejected"
        return Part(body, outcome, entry.target_id, entry.cause, entry.message)


def _found_by(route: RoutePlan, entry: Entry) -> JsonObject:
    """What names a row that is to be deleted, in place of the body, which is empty."""
    named = {route.natural_key: entry.key, route.target.id_field: entry.target_id}
    return {name: value for name, value in named.items() if value is not None}
