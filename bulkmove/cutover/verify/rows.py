"""The target's rows as they are now, read into the working file; and what of them no record accounts for."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from bulkmove.cutover.verify import kept
from bulkmove.cutover.verify.comparing import ONE, Comparison, form_of
from bulkmove.cutover.verify.kept import Row
from bulkmove.cutover.verify.marks import marks_of
from bulkmove.cutover.verify.reading import Progress, read_on
from bulkmove.cutover.verify.totals import parts_of
from bulkmove.cutover.verify.working import Working
from bulkmove.errors import UnprovenError
from bulkmove.events import Phase
from bulkmove.exact import name_of_content
from bulkmove.ledger import SqliteLedger, verifying
from bulkmove.ledger.verifying import Claim
from bulkmove.load.matching import as_text
from bulkmove.model import Record
from bulkmove.pipeline.job import RouteJob, Run
from bulkmove.pipeline.whole import find_all
from bulkmove.protocols import FindsById, Source, StagedTarget

_SLICE = 500


async def read_rows(run: Run, job: RouteJob, working: Working, *, plain: bool) -> int:
    """Read the list whole, unless that is done; its number in the working file.

    Raises UnprovenError where some rows can't be read, and what the transport raises.
    """
    name = f"target {job.target_list.name}"
    async with job.target_list.lock:
        number, is_done, _ = await working.change(lambda c: kept.reading(c, name))
        if is_done:
            return number
        source = list_of(run, job)
        if source.listing.reading != "keyset":
            # Begun anew: what went away since the reading that was cut off is not there.
            await working.change(lambda c: c.execute("DELETE FROM rows WHERE list = ?", (number,)))
        job.emit(Phase(job.name, f"reading {job.settings.target}"))
        take = _Taker(job, working, number, plain=plain)
        if undated := await read_on(working, name, source, take, readers=job.listers):
            raise UnprovenError(
                f"route {job.name}: {undated:,} rows of {job.settings.target} have no date, so that no filter by date"
                " brings them; whether what is missing is among them is not known"
            )
        job.emit(Phase(job.name, ""))
    return number


def list_of(run: Run, job: RouteJob) -> Source:
    """The target's list to be read: of a file, the one that stands in its place."""
    if not isinstance(job.target, StagedTarget):
        return job.target.list()
    name = job.settings.target
    settings = replace(job.settings, where={})
    return run.plan.connectors[name.host].source(name.stream, run.transports[name.host], settings)


async def find_rows(
    job: RouteJob, working: Working, rows: FindsById, ids: Sequence[str], *, plain: bool
) -> int:
    """Ask for some rows by their ids; the list's number in the working file."""
    number, _, _ = await working.change(lambda c: kept.reading(c, f"some of {job.name}"))
    take = _Taker(job, working, number, plain=plain)
    for start in range(0, len(ids), rows.find_at_once):
        found = await find_all(rows, ids[start : start + rows.find_at_once])
        await take(list(found.values()), lambda _: None)
    return number


class _Taker:
    """Keeps pages of the list; rows of a file are known by their number."""

    def __init__(self, job: RouteJob, working: Working, number: int, *, plain: bool) -> None:
        self._job = job
        self._working = working
        self._number = number
        self._plain = plain
        self._is_file = isinstance(job.target, StagedTarget)
        self._rows = 0

    async def __call__(self, records: Sequence[Record], progress: Progress) -> None:
        def change(connection: sqlite3.Connection) -> None:
            kept.add_rows(connection, self._number, [self._row(record) for record in records])
            progress(connection)

        await self._working.change(change)

    def _row(self, record: Record) -> Row:
        target = self._job.target
        self._rows += 1
        row_id = str(self._rows) if self._is_file else as_text(record.data.get(target.id_field)) or record.id
        form = form_of(target, record.data)
        return Row(
            id=row_id or name_of_content(record.data),
            key=as_text(record.data.get(self._job.rules.natural_key)),
            marks=marks_of(form, plain=self._plain),
            parts=tuple(parts_of(form)),
        )


class Unclaimed(NamedTuple):
    """Rows that no record of the source accounts for now and that are no difference, by route.

    `foreign`: they stood there before the first write, or no record became them and they have no key. `gone`: a delta
    named their records as gone from the source, and left them.
    """

    foreign: Counter[str]
    gone: Counter[str]


async def name_extra(comparisons: Sequence[Comparison], ledger: SqliteLedger) -> Unclaimed:
    """Find what no record accounts for among the rows of one list, which all of these routes write to.

    How many are foreign is told of the first route.
    """
    first = comparisons[0]
    foreign, after, gone = 0, "", Counter[str]()
    while rows := await first.working.change(
        partial(kept.unused_rows, list_id=first.list_id, after=after, most=_SLICE)
    ):
        after = rows[-1].id
        known = await _known_of(rows, comparisons, ledger)
        extra = [each for row in rows if (each := _extra_of(row, known, comparisons)) is not None]
        foreign += len(rows) - len(extra)
        departed = await _departed(extra, ledger)
        gone.update(each[0].job.name for each in extra if _name(each) in departed)
        left = [each for each in extra if _name(each) not in departed]
        await first.working.change(partial(_note_extra, extra=left))
    return Unclaimed(Counter({first.job.name: foreign}), gone)


class _Known(NamedTuple):
    """What the ledger says of some rows: who claims their keys; and of those that this does not explain, by their ids,
    which stood there before the first write, and which a record became (its route and id, and whether it made the row).
    """

    claims: Mapping[str, Claim]
    before: set[str]
    owners: Mapping[str, tuple[int, str, bool]]


async def _known_of(rows: Sequence[Row], comparisons: Sequence[Comparison], ledger: SqliteLedger) -> _Known:
    list_id = comparisons[0].list_number
    keys = [row.key for row in rows if row.key is not None]
    claims = await ledger.ask(partial(verifying.claims, list_id=list_id, keys=keys))
    unexplained = [row.id for row in rows if _is_unexplained(row, claims)]
    if not unexplained:
        return _Known(claims, set(), {})
    routes = [each.number for each in comparisons]
    before, owners = await ledger.ask(
        partial(verifying.owners_of_rows, list_id=list_id, routes=routes, rows=unexplained)
    )
    return _Known(claims, before, owners)


_Extra = tuple[Comparison, Row, dict[str, object]]


def _extra_of(row: Row, known: _Known, comparisons: Sequence[Comparison]) -> _Extra | None:
    """The row as it is named, with the route that it is told of; None where it is foreign."""
    first = comparisons[0]
    claim = known.claims.get(row.key or "")
    owner = known.owners.get(row.id)
    if claim is not None and not claim.rows and claim.route is not None:
        claimant = next((each for each in comparisons if each.job.name == claim.route), None)
        if claimant is None:
            return None
        return claimant, row, _ours(claim.source_id or "", is_made=claim.is_create)
    if owner is not None:
        number, source_id, is_made = owner
        maker = next(each for each in comparisons if each.number == number)
        return maker, row, _ours(source_id, is_made=is_made)
    if claim is not None or row.id in known.before or row.key is None or not first.has_keys:
        return None
    why = "nothing like it stood there before the first write, and no record became it"
    return first, row, {"is_ours": False, "why": why}


def _name(each: _Extra) -> tuple[int, str]:
    return each[0].number, str(each[2].get("source_id", ""))


async def _departed(extra: Sequence[_Extra], ledger: SqliteLedger) -> set[tuple[int, str]]:
    """Those whose records a delta named as gone: routes by number, and source ids."""
    names = [_name(each) for each in extra if "source_id" in each[2]]
    if not names:
        return set()
    return await ledger.ask(partial(verifying.departed, names=names))


def _is_unexplained(row: Row, claims: Mapping[str, Claim]) -> bool:
    claim = claims.get(row.key or "")
    return claim is None or (not claim.rows and claim.route is None)


def _ours(source_id: str, *, is_made: bool) -> dict[str, object]:
    why = "its record is not at the source any more"
    return {
        "is_ours": is_made,
        "source_id": source_id,
        "why": why if is_made else f"{why}, and the row was there before",
    }


def _note_extra(connection: sqlite3.Connection, extra: Sequence[_Extra]) -> None:
    for comparison, row, detail in extra:
        name, sums = comparison.job.name, comparison.sums
        if not kept.add_extra(connection, name, row.id, {**detail, "key": row.key}):
            continue  # by a verification that was cut off after this
        sums.add([ONE, *row.parts], is_target=True, among=sums.compared)
        kept.save_sums(connection, name, sums)
