"""Rows that are on the target too often, deleted: the newest of doubled ones, and those of records that are gone.

Only what this migration made goes, and only what the list, read once more, still shows as it was found.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

from bulkmove.errors import RequestFailedError
from bulkmove.events import Note, Phase
from bulkmove.ledger import SqliteLedger, verifying
from bulkmove.ledger.again import Claims
from bulkmove.ledger.delta_deletions import Deletable, note_deleted
from bulkmove.ledger.verifying import Finding
from bulkmove.load.matching import as_text
from bulkmove.model import Record, State, Verdict, WriteItem, WriteResult
from bulkmove.pipeline.job import RouteJob, Run
from bulkmove.pipeline.keys import read_target
from bulkmove.protocols import SeesDeletions, Target

_SLICE = 500
_AT_TARGET = (State.UNCHANGED, State.WRITTEN)
Leave = Callable[[str, str], None]


class _Row(NamedTuple):
    finding: Finding
    row: str


@dataclass(slots=True)
class _There:
    """What the list shows of the rows that may go, and of the keys of doubled ones. As many as were found."""

    wanted: set[str]
    keys: set[str]
    rows: dict[str, str | None] = field(default_factory=dict)
    by_key: dict[str, set[str]] = field(default_factory=dict)


async def remove(
    run: Run, job: RouteJob, ledger: SqliteLedger, kinds: Sequence[str], *, leave: Leave
) -> Counter[str]:
    """Delete them, some at a time, each once the list was seen to show it still; how many findings of each kind are mended.

    `leave` is told what stays, and why. Raises what reading the list and the transport raise.
    """
    mended: Counter[str] = Counter()
    route, after = ledger.number_of(job.name), 0
    while not job.stop.is_set() and (
        found := await ledger.ask(
            partial(verifying.findings, route=route, kinds=kinds, after=after, most=_SLICE)
        )
    ):
        after = found[-1].id
        if (target := await _deleting(run, job)) is None:
            for each in found:
                leave(_name(each), f"{job.settings.target} deletes no rows: delete what is too much there")
            continue
        there = await _look(job, found)
        for each in found:
            if job.stop.is_set():
                break
            if await _mend(job, ledger, target, each, there, leave):
                mended[each.kind] += 1
    if mended:
        job.emit(
            Note(f"route {job.name}: {mended.total():,} findings mended by deleting rows", route=job.name)
        )
    job.emit(Phase(job.name, ""))
    return mended


def _name(finding: Finding) -> str:
    return finding.source_id or f"row {finding.row}"


async def _deleting(run: Run, job: RouteJob) -> Target | None:
    settings = job.settings
    if "delete" not in run.plan.routes[job.name].target.modes:
        return None
    api, transport = run.plan.connectors[settings.target.host], run.transports[settings.target.host]
    target = api.target(settings.target.stream, transport, replace(settings, mode="delete"))
    if isinstance(target, SeesDeletions) and (await job.ledger.counts(job.name)).written:
        # Rows of this list were written by this address: one that is not there was deleted.
        target.has_deleted = True
    return target


async def _look(job: RouteJob, found: Sequence[Finding]) -> _There:
    """Read the list once more."""
    there = _There(
        wanted={row for each in found for row in (each.row, *each.rows)},
        keys={each.key for each in found if each.key is not None},
    )
    job.emit(Phase(job.name, "looking once more at what is to be deleted"))

    async def show(records: Sequence[Record]) -> None:
        for record in records:
            row = as_text(record.data.get(job.target.id_field))
            key = as_text(record.data.get(job.rules.natural_key))
            if row is None:
                continue
            if row in there.wanted:
                there.rows[row] = key
            if key in there.keys and key is not None:
                there.by_key.setdefault(key, set()).add(row)

    async with job.target_list.gate.reading():
        await read_target(job, show)
    return there


async def _mend(
    job: RouteJob, ledger: SqliteLedger, target: Target, finding: Finding, there: _There, leave: Leave
) -> bool:
    if finding.kind == "extra" and not finding.is_ours:
        leave(_name(finding), "this migration did not make them: delete them there, if they are not wanted")
        return False
    for row in _too_many(finding, there):
        result = await _delete(target, row)
        if result.verdict not in (Verdict.WRITTEN, Verdict.UNCHANGED):
            leave(_name(finding), f"row {row} was not deleted: {result.message or result.cause or 'refused'}")
            return False
    await _note(job, ledger, finding)
    return True


def _too_many(finding: Finding, there: _There) -> list[str]:
    """The rows that go. Of doubled ones one always stays: that which the ledger knows, else the oldest."""
    if finding.kind == "extra":
        shows = there.rows.get(finding.row, "")
        return [finding.row] if finding.row in there.rows and shows == finding.key else []
    showing = there.by_key.get(finding.key or "", set())
    ours = [row for row in finding.rows if row in showing]
    return ours[1:]


async def _delete(target: Target, row: str) -> WriteResult:
    """One that is not there is asked for once more, since an answer can be wrong once."""
    for attempt in range(2):
        try:
            (result,) = await target.write([WriteItem(row, {}, b"{}", attempts=attempt)])
        except RequestFailedError:
            if attempt:
                raise
        else:
            return result
    raise AssertionError("unreachable")


async def _note(job: RouteJob, ledger: SqliteLedger, finding: Finding) -> None:
    """What is mended is not worked again; a record whose only row went has none any more, by the ledger too."""
    route = ledger.number_of(job.name)
    claims = Claims(ledger.number_of_list(job.target_list.name), job.name)

    def change(connection: sqlite3.Connection) -> None:
        if finding.kind == "extra" and finding.source_id:
            known = verifying.known(connection, route, [finding.source_id]).get(finding.source_id, ())
            gone = [
                Deletable(each.source_id, each.part, each.state, each.target_id, was_sent=True)
                for each in known
                if each.target_id == finding.row and each.state in _AT_TARGET
            ]
            note_deleted(connection, route=route, run=ledger.run, deleted=gone, claims=claims)
        verifying.note_mended(connection, [finding.id], run=ledger.run)

    await ledger.change(change)
