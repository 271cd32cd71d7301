"""What a run would do, before it does anything: read and mapped on a throw-away ledger, nothing written."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import anyio
import orjson

from bulkmove.entries import TargetKey
from bulkmove.ledger import SqliteLedger, open_ledger, questions, tallies
from bulkmove.ledger.file import is_locked
from bulkmove.ledger.looking import looked_at
from bulkmove.mapping.lookups.collecting import Unresolved
from bulkmove.mapping.lookups.resolver import Lookups
from bulkmove.mapping.reading import Reading
from bulkmove.model import Counts, Summary
from bulkmove.pipeline.fieldwise import Comparison, Difference, FieldChange, RowChanges
from bulkmove.pipeline.forecast import Forecast
from bulkmove.pipeline.forecast_loads import foretell
from bulkmove.pipeline.job import RunOptions
from bulkmove.pipeline.plan import MigrationPlan, changed_keys
from bulkmove.pipeline.runner import run_migration
from bulkmove.pipeline.sharing import sharings
from bulkmove.pipeline.undecided import put_down_unresolved
from bulkmove.pipeline.watching import EmptyField
from bulkmove.pipeline.witness import ListSeen, Part, Sample, Witness
from bulkmove.protocols import Observer
from bulkmove.settings import Mode

__all__ = [
    "Cause",
    "Difference",
    "DiskNeed",
    "FieldChange",
    "LedgerSoFar",
    "ListPreview",
    "Part",
    "Preview",
    "RoutePreview",
    "Sample",
    "preview_migration",
]


# SQLite writes a log beside the ledger, and back into it every so many bytes.
_LOG_SIZE = 1000 * 4096


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
    there (their deletion, where that is the route's `mode`), of which `changes` tells field by field. `source_rows`: the
    source's own count, None where it tells none. `fingerprint`: what must stay the same of the route. `no_place`: source fields that the target can't carry;
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
    changes: RowChanges = field(default_factory=RowChanges)
    source_rows: int | None = None
    fingerprint: Mapping[str, Any] = field(default_factory=dict)

    @property
    def changed(self) -> int:
        return self.counts.written - self.created


class ListPreview(NamedTuple):
    """A list of the target, as it was read: its rows, those that no record stands for, and keys that several rows have."""

    stream: str
    rows: int
    foreign: int
    doubled: int


class LedgerSoFar(NamedTuple):
    """What the migration's own ledger holds of a route already. `changed`: what a run would refuse of its configuration."""

    counts: Counts
    is_finished: bool
    changed: tuple[str, ...] = ()


class DiskNeed(NamedTuple):
    """What the ledger of a run takes, about, and what is free where it stands."""

    size: int
    of_record: float
    free: int


@dataclass(frozen=True, slots=True)
class Preview:
    """What a run would do. `summary.exit_code` is 0 where nothing would be rejected.

    `unresolved`: the values that no look-up resolves, those of most records first. `decisions`: the file in which a
    person says what becomes of them. `is_written`: what is unresolved was put into it, or what is resolved taken out.
    `lists`: the target's lists that were read. `ledger`: what a run finds done, by route, and whether one `is_running`.
    `is_whole`: all records of all routes were planned.
    """

    summary: Summary
    routes: Mapping[str, RoutePreview]
    samples: Sequence[Sample] = ()
    unresolved: Sequence[Unresolved] = ()
    decisions: Path | None = None
    is_written: bool = False
    lists: Sequence[ListPreview] = ()
    forecast: Forecast | None = None
    disk: DiskNeed | None = None
    ledger: Mapping[str, LedgerSoFar] = field(default_factory=dict)
    is_running: bool = False
    is_whole: bool = False


async def preview_migration(
    plan: MigrationPlan,
    *,
    sample: int | None,
    show: int,
    compare: bool,
    observer: Observer | None,
    stop: anyio.Event,
) -> Preview:
    """Read and map all of the plan's routes, or the first `sample` records of each, and write to no host.

    What does not resolve is put into the decisions' file. `compare`: where bodies name their rows by id, the target's
    list is read, to tell what they would change. Raises what `run_migration` raises, and ConfigError where that
    file can't be written; hosts that fail stand in the summary.
    """
    opened: list[Lookups] = []
    with TemporaryDirectory(prefix="bulkmove-plan-") as folder:
        async with open_ledger(Path(folder) / "plan.ledger.db", synchronous="normal") as ledger:
            empty_size = await ledger.ask(_size)
            comparison = Comparison(ledger.save_list, reads=compare and sample is None)
            witness = Witness(plan.routes, comparison, show)
            options = RunOptions(
                limit=sample, is_dry=True, onlooker=witness, on_lookups=opened.append, has_budget=False
            )
            begun_at = anyio.current_time()
            summary = await run_migration(plan, ledger, options=options, observer=observer, stop=stop)
            read_s = anyio.current_time() - begun_at
            routes = {name: await _route(ledger, plan, name, witness, summary) for name in plan.routes}
            lists = [await _list(ledger, plan, name, seen, witness) for name, seen in witness.lists.items()]
            size = await ledger.ask(_size) - empty_size
    unresolved: Sequence[Unresolved] = ()
    written_to = None
    is_whole = sample is None and not stop.is_set() and summary.finished >= plan.routes.keys()
    for lookups in opened:
        unresolved, written_to = await put_down_unresolved(plan, lookups, is_whole=is_whole)
    told = None
    if summary.is_complete:  # of less nothing can be foretold
        told = foretell(plan, witness, summary.routes, is_sample=sample is not None, read_s=read_s)
    order = list(plan.routes)
    return Preview(
        summary=summary,
        routes=routes,
        samples=sorted(witness.samples, key=lambda each: order.index(each.route)),
        unresolved=unresolved,
        decisions=plan.settings.decisions,
        is_written=written_to is not None,
        lists=lists,
        forecast=told,
        disk=_disk(plan, witness, summary, size=size, scale=told.scale) if told is not None else None,
        ledger=_so_far(plan),
        is_running=is_locked(plan.settings.ledger),
        is_whole=is_whole,
    )


async def _route(
    ledger: SqliteLedger, plan: MigrationPlan, name: str, witness: Witness, summary: Summary
) -> RoutePreview:
    route = plan.routes[name]
    watch = witness.watches.get(name)
    return RoutePreview(
        mode=route.settings.mode,
        counts=summary.routes[name],
        created=witness.created[name],
        causes=await _causes(ledger, name, witness),
        no_place=route.mapper.no_place,
        unread=route.unread if route.settings.mode != "delete" else (),
        readings=route.mapper.readings,
        empty=watch.empty() if watch is not None else (),
        bodies=watch.bodies if watch is not None else 0,
        changes=witness.comparison.of(name),
        source_rows=witness.tallies[name].source_rows,
        fingerprint=route.fingerprint,
    )


async def _causes(ledger: SqliteLedger, route: str, witness: Witness) -> list[Cause]:
    causes: list[Cause] = []
    for state, cause, records, first_id in await ledger.causes(route):
        source_id, message = witness.rejected.get((route, cause), (first_id, None))
        causes.append(Cause(state.name.lower(), cause, records, source_id, message))
    return causes


async def _list(
    ledger: SqliteLedger, plan: MigrationPlan, name: str, seen: ListSeen, witness: Witness
) -> ListPreview:
    """Rows whose key no record claims are foreign, but for those that rejected records name."""
    number = ledger.number_of_list(name)
    unclaimed, doubled = await ledger.ask(
        lambda connection: connection.execute(
            "SELECT total(iif(route IS NULL, rows, 0)), total(rows > 1) FROM keys WHERE list = ? AND rows > 0",
            (number,),
        ).fetchone()
    )
    named: Mapping[str, TargetKey] = await ledger.find_keys(name, sorted(seen.named)) if seen.named else {}
    known = sum(key.rows for key in named.values() if key.owner is None)
    route = next(route for route, its_list in witness.list_of.items() if its_list == name)
    stream = str(plan.routes[route].settings.target)
    return ListPreview(stream, seen.rows, int(unclaimed) - known + seen.keyless, int(doubled))


def _size(connection: sqlite3.Connection) -> int:
    """Bytes of all pages, those too that still stand in the log beside the file."""
    ((pages,), (page_size,)) = (
        connection.execute(f"PRAGMA {each}").fetchone() for each in ("page_count", "page_size")
    )
    return int(pages * page_size)


def _disk(
    plan: MigrationPlan, witness: Witness, summary: Summary, *, size: int, scale: float
) -> DiskNeed | None:
    """By what the throw-away ledger took; what `keep_before` keeps beside that, by the size of some bodies.

    Routes that share a reading write at their own pace: all of what one maps may have to wait in the ledger.

    The log beside the ledger keeps within some MB, however many records there are.
    """
    records = sum(counts.read for counts in summary.routes.values())
    if not records:
        return None
    kept, together = 0.0, sharings(plan, plan.routes)
    for name, tally in witness.tallies.items():
        route = plan.routes[name].settings
        is_kept = plan.settings.keep_before or route.is_self_route or name in together
        if tally.weighed and is_kept:
            images = tally.updates.bodies if plan.settings.keep_before else 0
            bodies = tally.creates.bodies + tally.updates.bodies + images
            kept += bodies * tally.weighed_bytes / tally.weighed
    need = max(0.0, size) + kept
    free = shutil.disk_usage(plan.settings.ledger.parent).free
    return DiskNeed(int(need * scale) + _LOG_SIZE, need / records, free)


def _so_far(plan: MigrationPlan) -> dict[str, LedgerSoFar]:
    """What the migration's ledger holds, without holding it; routes of which it holds nothing are left out."""
    found: dict[str, LedgerSoFar] = {}
    with looked_at(plan.settings.ledger) as connection:
        if connection is None:
            return found
        numbers, known = questions.routes(connection), questions.fingerprints(connection)
        for name, route in plan.routes.items():
            if name not in numbers:
                continue
            counts = tallies.counts(connection, numbers[name])
            is_finished = questions.is_finished(connection, numbers[name])
            if counts.read or is_finished:
                now = orjson.loads(orjson.dumps(route.fingerprint))
                changed = tuple(changed_keys(orjson.loads(known[name]), now))
                found[name] = LedgerSoFar(counts, is_finished, changed)
    return found
