"""What can be done with records that failed, each by what is kept of it: questions, as functions of a connection."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

from bulkmove.entries import Kept, Member
from bulkmove.ledger import failing, sweeping
from bulkmove.ledger.chunks import unpack
from bulkmove.ledger.failing import NAMELESS, Selection
from bulkmove.model import State

# A record of which a body is in one of these is not mapped anew: its bodies are at the target, or may be.
FIXED = (State.WRITTEN, State.SEEN, State.PENDING, State.UNKNOWN)
_NO_ID = (
    "it has no id of its own: mended at the source it is another record, which `bulkmove run --fresh` reads"
)
_IDS = "(SELECT value FROM json_each(?))"


class Row(NamedTuple):
    """One body of a failed record. `kept`: what is kept of it, None where nothing is."""

    part: int
    state: State
    cause: str
    page: int | None
    chunk: int | None
    target_id: str | None
    request: int | None
    kept: Kept | None

    @property
    def is_ready(self) -> bool:
        """Whether its body was made to be sent: one that was rejected when it was matched has neither row nor key."""
        return self.kept is not None and (self.kept.target_id is not None or self.kept.key is not None)


class Left(NamedTuple):
    """A record that can't be retried as it was asked for, and why."""

    source_id: str
    why: str


@dataclass(slots=True)
class Plan:
    """What is done with some failed records.

    `creates`, `updates`: rejected bodies to be sent again as they were made; `look`: bodies of unknown fate, to be
    looked for once more; `swept`: how many more are by looking through the target's list; `map`: records to be mapped anew, by source id, each with a body that was rejected.
    `last_id` is where the next slice begins, None where there is none.
    """

    creates: list[Member] = field(default_factory=list)
    updates: list[Member] = field(default_factory=list)
    look: list[Member] = field(default_factory=list)
    swept: int = 0
    map: dict[str, Row] = field(default_factory=dict)
    left: list[Left] = field(default_factory=list)
    last_id: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What a retry is asked for. `remap`: map also what has a kept body anew."""

    selection: Selection = field(default_factory=Selection)
    remap: bool = False


def contested_rows(connection: sqlite3.Connection, route: int) -> dict[str, int | None]:
    """Rows of the target that a failed update is for and that other records wrote, or are to write.

    With the number of the last request that wrote it; None where it is not known, or still to come.
    """
    has_updates = connection.execute(
        "SELECT 1 FROM records WHERE route = ? AND state >= 5 AND target_id IS NOT NULL LIMIT 1", (route,)
    ).fetchone()
    if has_updates is None:
        return {}
    rows = connection.execute(
        "SELECT target_id, iif(count(request) = count(*) AND max(state) = 2, max(request), NULL) FROM records"
        " WHERE route = ?1 AND state IN (2, 4) AND target_id IN"
        " (SELECT target_id FROM records WHERE route = ?1 AND state >= 5 AND target_id IS NOT NULL) GROUP BY target_id",
        (route,),
    )
    return dict(rows.fetchall())


def plan_slice(
    connection: sqlite3.Connection,
    route: int,
    asked: Asked,
    *,
    before_run: int,
    after: str | None,
    among: Sequence[str] | None,
    most: int,
    contested: Mapping[str, int | None],
) -> Plan:
    """What is done with the next failed records behind the id `after`, of those that failed before that run.

    `among`: of these records alone.
    """
    chosen: dict[str, set[int]] = defaultdict(set)
    failed = failing.places(
        connection, route, asked.selection, before_run=before_run, after=after, among=among, most=most
    )
    for source_id, part in failed:
        chosen[source_id].add(part)
    plan = Plan(last_id=max(chosen, default=None))
    bodies = _bodies(connection, route, list(chosen))
    for source_id in sorted(chosen):
        _plan_record(plan, source_id, bodies[source_id], chosen[source_id], contested, remap=asked.remap)
    return plan


def _bodies(connection: sqlite3.Connection, route: int, ids: Sequence[str]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    kept: dict[int, dict[tuple[str, int], Kept]] = {}
    rows = connection.execute(
        "SELECT source_id, body, state, coalesce(cause, ''), page, chunk, target_id, request FROM records"  # noqa: S608  our own names
        f" WHERE route = ? AND source_id IN {_IDS} ORDER BY source_id, body",
        (route, orjson.dumps(list(ids)).decode()),
    ).fetchall()
    for source_id, part, state, cause, page, chunk, target_id, request in rows:
        if chunk is not None and state >= State.REJECTED and chunk not in kept:
            row = connection.execute("SELECT bodies FROM chunks WHERE id = ?", (chunk,)).fetchone()
            kept[chunk] = {} if row is None else {(k.source_id, k.part): k for k in unpack(row[0])}
        body = None if chunk is None else kept.get(chunk, {}).get((source_id, part))
        found[source_id].append(Row(part, State(state), cause, page, chunk, target_id, request, body))
    return found


def _plan_record(
    plan: Plan,
    source_id: str,
    bodies: Sequence[Row],
    chosen: set[int],
    contested: Mapping[str, int | None],
    *,
    remap: bool,
) -> None:
    failed = [row for row in bodies if row.part in chosen]
    if nameless := [row for row in failed if row.cause in NAMELESS]:
        plan.left.append(Left(source_id, _NO_ID))
        failed = [row for row in failed if row not in nameless]
    rejected = [row for row in failed if row.state is State.REJECTED]
    fixed = [row for row in bodies if row.state in FIXED]
    if rejected and not fixed and (remap or not all(row.is_ready for row in rejected)):
        plan.map[source_id] = rejected[0]
        return
    for row in failed:
        if row.state is State.UNKNOWN and row.cause == sweeping.DOUBLED:
            plan.swept += 1
            continue
        why = _obstacle(row, bodies, contested)
        if why is not None or row.chunk is None:
            plan.left.append(Left(source_id, why or ""))
            continue
        rejected_ones = plan.creates if row.target_id is None else plan.updates
        work = plan.look if row.state is State.UNKNOWN else rejected_ones
        work.append(Member(source_id, row.part, row.chunk))


def _obstacle(row: Row, bodies: Sequence[Row], contested: Mapping[str, int | None]) -> str | None:
    """Why a failed body can't be worked as it was made."""
    if not row.is_ready:
        if row.state is State.UNKNOWN:
            return "its body is not kept any more, so that nothing tells which row it is"
        others = ", ".join(sorted({other.state.name.lower() for other in bodies if other.state in FIXED}))
        return f"it became several bodies, of which one is {others}: it is not mapped anew"
    if row.target_id in contested and row.target_id is not None:
        last = contested[row.target_id]
        if row.state is State.UNKNOWN or last is None or row.request is None or last > row.request:
            return f"another record wrote row {row.target_id} of the target since, or is to write it"
    return None
