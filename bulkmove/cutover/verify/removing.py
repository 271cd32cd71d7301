"""Rows that are on the target too often, deleted: the newest of doubled ones.

Only a true double goes: a row that the list, read once more, shows with the very values of the one that stays, that no
record of the migration became and that did not stand there before. Rows of records that are gone are delta's work.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from bulkmove.errors import RequestFailedError
from bulkmove.events import Note, Phase
from bulkmove.exact import name_of_content
from bulkmove.ledger import SqliteLedger, verified, verifying
from bulkmove.ledger.verified import Finding
from bulkmove.load.matching import as_text
from bulkmove.model import Record, Verdict, WriteItem, WriteResult
from bulkmove.pipeline.job import RouteJob, Run
from bulkmove.pipeline.keys import read_target
from bulkmove.protocols import SeesDeletions, Target

_SLICE = 500
_DELTA = "their records are not at the source: bulkmove delta names them, and deletes them with --deletions"
_NOT_OURS = "this migration did not make them: delete them there, if they are not wanted"
Leave = Callable[[str, str], None]


@dataclass(slots=True)
class _There:
    """What the list shows of the keys of doubled rows: by key its rows, each with the hash of its values.

    `spared`: rows among them that stood there before the first write, or that a record of the migration became.
    """

    keys: set[str]
    by_key: dict[str, dict[str, str]] = field(default_factory=dict)
    spared: set[str] = field(default_factory=set)


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
            partial(verified.findings, route=route, kinds=kinds, after=after, most=_SLICE)
        )
    ):
        after = found[-1].id
        if (target := await _deleting(run, job)) is None:
            for each in found:
                leave(_name(each), f"{job.settings.target} deletes no rows: delete what is too much there")
            continue
        there = await _look(run, job, ledger, found)
        for each in found:
            if job.stop.is_set():
                break
            if await _mend(ledger, target, each, there, leave):
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


async def _look(run: Run, job: RouteJob, ledger: SqliteLedger, found: Sequence[Finding]) -> _There:
    """Read the list once more."""
    there = _There(keys={each.key for each in found if each.kind == "doubled" and each.key is not None})
    job.emit(Phase(job.name, "looking once more at what is to be deleted"))

    async def show(records: Sequence[Record]) -> None:
        for record in records:
            row = as_text(record.data.get(job.target.id_field))
            key = as_text(record.data.get(job.rules.natural_key))
            if row is None:
                continue
            if key in there.keys and key is not None:
                values = name_of_content(job.target.comparable(record.data))
                there.by_key.setdefault(key, {})[row] = values

    async with job.target_list.gate.reading():
        await read_target(job, show)
    known = await ledger.fingerprints()
    foreign, ours = await ledger.ask(
        partial(
            verifying.owners_of_rows,
            list_id=ledger.number_of_list(job.target_list.name),
            routes=[ledger.number_of(name) for name in run.plan.routes if name in known],
            rows=[row for rows in there.by_key.values() for row in rows],
        )
    )
    there.spared = foreign | ours.keys()
    return there


async def _mend(ledger: SqliteLedger, target: Target, finding: Finding, there: _There, leave: Leave) -> bool:
    if finding.kind == "extra":
        leave(_name(finding), _DELTA if finding.is_ours else _NOT_OURS)
        return False
    showing = there.by_key.get(finding.key or "", {})
    stays = finding.row if finding.row in showing else next((r for r in finding.rows if r in showing), "")
    for row in [row for row in showing if row != stays]:
        why = f"it has the key of row {stays}, and is no copy of it that this migration made"
        if row not in there.spared and showing[row] == showing[stays]:
            result = await _delete(target, row)
            if result.verdict in (Verdict.WRITTEN, Verdict.UNCHANGED):
                del showing[row]
                continue
            why = result.message or result.cause or "refused"
        leave(_name(finding), f"row {row} was not deleted: {why}")
    if set(showing) - {stays}:
        return False
    await ledger.change(partial(verified.note_mended, ids=[finding.id], run=ledger.run))
    return True


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
