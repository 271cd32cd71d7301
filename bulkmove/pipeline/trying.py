"""A route's mapping tried on single records: nothing is read from its source, matched, put down or sent."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NamedTuple

import anyio

from bulkmove.errors import single_error
from bulkmove.exact import decode_json
from bulkmove.ledger import open_ledger, questions
from bulkmove.load.matching import Body, as_text
from bulkmove.model import JsonObject, Record, State
from bulkmove.pipeline.bodies import attempt
from bulkmove.pipeline.job import RouteJob, Run, RunOptions
from bulkmove.pipeline.lookups import open_lookups
from bulkmove.pipeline.opening import open_host, open_hosts, open_job
from bulkmove.pipeline.plan import MigrationPlan

TargetIds = Callable[[str, str], tuple[str, ...]]


Outcome = Literal["mapped", "skipped", "rejected"]


class Tried(NamedTuple):
    """What one record is mapped to: its bodies in order, and why it is rejected or skipped, where it is.

    A body stands as it is sent, with the target's id in front where it has one; of a row to be deleted, what it is
    found by.
    """

    source_id: str
    outcome: Outcome
    bodies: Sequence[JsonObject]
    cause: str | None = None
    message: str | None = None


async def try_mapping(
    plan: MigrationPlan, route: str, rows: Sequence[JsonObject], *, ids_of: TargetIds, offline: bool = False
) -> list[Tried]:
    """Map the rows as the route does, each by itself, with its look-ups and its checks of bodies.

    `ids_of`: what records of other routes became. `offline`: look-ups into streams are not loaded, so that their
    values do not resolve. Raises ConfigError, and what the hosts of look-ups raise.
    """
    with TemporaryDirectory(prefix="bulkmove-map-") as folder, single_error():
        async with open_ledger(Path(folder) / "map.ledger.db", synchronous="normal") as ledger:
            plan = _without_streams(plan) if offline else plan
            run = Run(plan, ledger, RunOptions(is_dry=True), None, anyio.Event())
            async with open_hosts(plan, open_host) as run.transports:
                run.lookups = await open_lookups(
                    plan, run.transports, routes=[route], emit=run.emit, collecting=True
                )
                job = await open_job(run, plan.routes[route])
                job.context = replace(job.context, ids_of=ids_of)
                if run.mask is not None:
                    rows = [run.mask.data(row) for row in rows]
                id_field = plan.routes[route].source.id_field
                return [await _try_one(job, row, as_text(row.get(id_field)) or "") for row in rows]


def _without_streams(plan: MigrationPlan) -> MigrationPlan:
    """The plan with nothing in the tables that would be read from hosts; what is decided of their values holds."""
    lookups = {
        name: each if each.stream is None else replace(each, stream=None, inline={}, load="whole")
        for name, each in plan.settings.lookups.items()
    }
    return replace(plan, settings=replace(plan.settings, lookups=lookups))


async def _try_one(job: RouteJob, row: JsonObject, source_id: str) -> Tried:
    bodies, others = await attempt(job, [Record(id=source_id, key=None, version=None, data=row)])
    for entry in others:
        outcome: Outcome = "rejected" if entry.state is State.REJECTED else "skipped"
        if outcome == "rejected" or not bodies:
            return Tried(source_id, outcome, (), entry.cause, entry.message)
    return Tried(source_id, "mapped", [_with_id(job, body) for body in bodies])


def _with_id(job: RouteJob, body: Body) -> JsonObject:
    fields: JsonObject = decode_json(body.encoded)
    if job.rules.mode == "delete" and body.key is not None:
        fields = {job.rules.natural_key: body.key}
    return fields if body.target_id is None else {job.rules.id_field: body.target_id, **fields}


def ids_in(connection: sqlite3.Connection | None) -> TargetIds:
    """What a ledger knows of the target's ids of other routes' records; nothing where there is none."""
    routes = {} if connection is None else questions.routes(connection)

    def ids_of(route: str, source_id: str) -> tuple[str, ...]:
        if connection is None or route not in routes:
            return ()
        return questions.target_ids(connection, routes[route], source_id)

    return ids_of
