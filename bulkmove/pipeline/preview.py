"""What a run would do, before it does anything: read and mapped on a throw-away ledger, nothing written."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NamedTuple

import anyio

from bulkmove.entries import Entry
from bulkmove.exact import decode_json
from bulkmove.ledger import SqliteLedger, open_ledger
from bulkmove.mapping.lookups.collecting import Unresolved
from bulkmove.mapping.lookups.resolver import Lookups
from bulkmove.mapping.reading import Reading
from bulkmove.model import Counts, JsonObject, Record, State, Summary
from bulkmove.pipeline.job import RunOptions
from bulkmove.pipeline.lookups import put_down_unresolved
from bulkmove.pipeline.plan import MigrationPlan, RoutePlan
from bulkmove.pipeline.runner import run_migration
from bulkmove.pipeline.watching import EmptyField, FieldWatch
from bulkmove.protocols import Observer
from bulkmove.settings import Mode

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


class Cause(NamedTuple):
    """Why records would be rejected or unknown: how many, and one of them with what was said of it."""

    outcome: str
    cause: str
    records: int
    source_id: str
    message: str | None = None


@dataclass(frozen=True, slots=True)
class RoutePreview:
    """What would become of a route's records.

    `counts.written` is what would be written: `created` of it as new rows, the rest as changes of rows that are
    there (their deletion, where that is the route's `mode`). `no_place`: source fields that the target can't carry;
    `unread`: those that a mapping without code doesn't read. `readings`: what such a mapping makes its fields of; `empty`: those that
    none of the `bodies` had.
    """

    mode: Mode
    counts: Counts
    created: int
    causes: Sequence[Cause]
    no_place: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    readings: tuple[Reading, ...] = ()
    empty: tuple[EmptyField, ...] = ()
    bodies: int = 0

    @property
    def changed(self) -> int:
        return self.counts.written - self.created


@dataclass(frozen=True, slots=True)
class Preview:
    """What a run would do. `summary.exit_code` is 0 where nothing would be rejected.

    `unresolved`: the values that no look-up resolves, those of most records first. `decisions`: the file in which a
    person says what becomes of them. `is_written`: what is unresolved was put into it, or what is resolved taken out.
    """

    summary: Summary
    routes: Mapping[str, RoutePreview]
    samples: Sequence[Sample] = ()
    unresolved: Sequence[Unresolved] = ()
    decisions: Path | None = None
    is_written: bool = False


@dataclass(slots=True)
class Witness:
    """Implements `bulkmove.pipeline.job.Onlooker`: counts creations, and keeps the first `most` records of a route.

    `rejected`: the first rejected record of each route and cause, and why. `watches`: those of mappings without code.
    """

    routes: Mapping[str, RoutePlan]
    most: int = 0
    watches: dict[str, FieldWatch] = field(default_factory=dict)
    created: Counter[str] = field(default_factory=Counter)
    samples: list[Sample] = field(default_factory=list)
    rejected: dict[tuple[str, str], tuple[str, str | None]] = field(default_factory=dict)
    _sources: dict[str, dict[str, JsonObject]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, route in self.routes.items():
            if route.mapper.readings and route.settings.mode != "delete":
                self.watches[name] = FieldWatch(route.mapper.readings, without=route.target.id_field)

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


async def preview_migration(
    plan: MigrationPlan, *, sample: int | None, show: int, observer: Observer | None, stop: anyio.Event
) -> Preview:
    """Read and map all of the plan's routes, or the first `sample` records of each, and write to no host.

    What does not resolve is put into the decisions' file. Raises what `run_migration` raises, and ConfigError where
    that file can't be written; hosts that fail stand in the summary.
    """
    witness = Witness(plan.routes, show)
    opened: list[Lookups] = []
    options = RunOptions(
        limit=sample, is_dry=True, onlooker=witness, on_lookups=opened.append, has_budget=False
    )
    with TemporaryDirectory(prefix="bulkmove-plan-") as folder:
        async with open_ledger(Path(folder) / "plan.ledger.db", synchronous="normal") as ledger:
            summary = await run_migration(plan, ledger, options=options, observer=observer, stop=stop)
            routes = {
                name: RoutePreview(
                    mode=route.settings.mode,
                    counts=summary.routes[name],
                    created=witness.created[name],
                    causes=await _causes(ledger, name, witness),
                    no_place=route.mapper.no_place,
                    unread=route.unread if route.settings.mode != "delete" else (),
                    readings=route.mapper.readings,
                    empty=witness.watches[name].empty() if name in witness.watches else (),
                    bodies=witness.watches[name].bodies if name in witness.watches else 0,
                )
                for name, route in plan.routes.items()
            }
    unresolved: Sequence[Unresolved] = ()
    written_to = None
    is_whole = sample is None and not stop.is_set() and summary.finished >= plan.routes.keys()
    for lookups in opened:
        unresolved, written_to = await put_down_unresolved(plan, lookups, is_whole=is_whole)
    order = list(plan.routes)
    return Preview(
        summary=summary,
        routes=routes,
        samples=sorted(witness.samples, key=lambda each: order.index(each.route)),
        unresolved=unresolved,
        decisions=plan.settings.decisions,
        is_written=written_to is not None,
    )


async def _causes(ledger: SqliteLedger, route: str, witness: Witness) -> list[Cause]:
    causes: list[Cause] = []
    for state, cause, records, first_id in await ledger.causes(route):
        source_id, message = witness.rejected.get((route, cause), (first_id, None))
        causes.append(Cause(state.name.lower(), cause, records, source_id, message))
    return causes
