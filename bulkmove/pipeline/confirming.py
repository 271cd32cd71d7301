"""Changes of many rows at once, whose answer tells nothing of each: read back when all of a route is sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bulkmove.entries import Member, Settled, Unconfirmed
from bulkmove.events import Note, Phase
from bulkmove.exact import decode_json
from bulkmove.load.loader import Loader
from bulkmove.load.matching import as_text, fields_that_differ, shows_any
from bulkmove.load.rehearsal import RehearsedTarget
from bulkmove.model import JsonObject, PageQuery, Record, State
from bulkmove.pipeline.job import RouteJob
from bulkmove.pipeline.settling import settle_all
from bulkmove.pipeline.sweeping import read_until_stopped
from bulkmove.protocols import UnconfirmedChanges

# A change that a row does not hold is sent again so often.
MOST_RESENT = 2
MOST_SAMPLED_PAGES = 5
CAUSE = "not-applied"
_SHOWS_NOTHING = "nothing"


@dataclass(slots=True)
class Seen:
    """What a reading showed of the changes: how many rows hold theirs, and how many do not."""

    job: RouteJob
    changes: UnconfirmedChanges
    holding: int = 0
    differing: int = 0
    notes_differences: bool = True

    async def show(self, records: Sequence[Record]) -> None:
        """Rows of the target's list: the changes that they hold are confirmed."""
        rows = {row_id: r.data for r in records if (row_id := as_text(r.data.get(self.job.rules.id_field)))}
        confirmed: list[str] = []
        differing: list[tuple[str, str]] = []
        for change in await self.changes.of_rows(list(rows)):
            shown = self._difference(change, rows[change.target_id])
            if shown is None:
                confirmed.append(change.target_id)
            else:
                differing.append((change.target_id, shown))
        self.holding += len(confirmed)
        self.differing += len(differing)
        if confirmed:
            await self.changes.confirm(confirmed)
        if differing and self.notes_differences:
            await self.changes.note_shown(differing)

    def _difference(self, change: Unconfirmed, row: JsonObject) -> str | None:
        """What the row shows in place of the change: the names of fields; None where it holds all that comes back."""
        target, body = self.job.target, decode_json(change.body)
        if not target.comparable(body):
            return None
        if not shows_any(target, body, row):
            return _SHOWS_NOTHING
        return ", ".join(fields_that_differ(target, body, row)) or None


async def confirm(job: RouteJob, loader: Loader) -> None:
    """Look whether the rows that were changed together hold their changes, at the end of a route; not at its limit.

    One that does not is sent again, twice at most; then it is `rejected` where its row shows other values, else
    `unknown`, cause `not-applied`. In a dry run nothing is. Raises UnprovenError where the list can't be read whole, and
    what the transport raises.
    """
    changes = job.ledger.unconfirmed(job.name)
    if isinstance(job.target, RehearsedTarget) or job.target.rules["update"].shape != "joined":
        return
    if not (await job.ledger.progress(job.name)).is_read or (await job.ledger.counts(job.name)).pending:
        return
    count = await changes.count()
    if job.settings.confirm == "none" or not count:
        await changes.end()
        return
    await _note_unseen(job, changes, count)
    if job.settings.confirm == "sample" and await _sample_is_good(job, changes, count):
        await changes.end()
    else:
        await _confirm_all(job, loader, changes)
    job.emit(Phase(job.name, ""))


async def _note_unseen(job: RouteJob, changes: UnconfirmedChanges, count: int) -> None:
    if found := await changes.unseen():
        fields = sorted({name for names, _ in found for name in names.split(", ")})
        job.emit(
            Note(
                f"route {job.name}: {sum(held for _, held in found):,} of {count:,} changes hold {', '.join(fields)}, which"
                f" {job.settings.target} never shows: whether these were taken can't be confirmed",
                route=job.name,
            )
        )


async def _sample_is_good(job: RouteJob, changes: UnconfirmedChanges, count: int) -> bool:
    """Look at some pages, spread over the list; False where a row of them does not hold its change."""
    job.emit(Phase(job.name, f"confirming a sample of {count:,} changes"))
    source, seen = job.target.list(), Seen(job, changes, notes_differences=False)
    limit = source.listing.page_limit
    async with job.target_list.gate.reading():
        page = await source.fetch(PageQuery(limit=limit))
        await seen.show(page.records)
        looked_at = len(page.records)
        step = min(limit, looked_at) if source.listing.can_overlap else limit
        for offset in _spread(page.total, step):
            if job.stop.is_set() or seen.differing:
                break
            page = await source.fetch(PageQuery(limit=limit, offset=offset))
            await seen.show(page.records)
            looked_at += len(page.records)
    if not seen.holding and not seen.differing:
        job.emit(
            Note(
                f"route {job.name}: none of its {count:,} changes was among the {looked_at:,} rows of {job.settings.target}"
                ' that were looked at; confirm = "all" looks at each',
                route=job.name,
            )
        )
    return not seen.differing and not job.stop.is_set()


def _spread(total: int | None, step: int) -> list[int]:
    """Offsets of further pages of so many rows, as far apart as can be."""
    if total is None or not step or step >= total:
        return []
    pages = -(-total // step)
    further = min(MOST_SAMPLED_PAGES, pages) - 1
    return [(pages - 1) * number // further * step for number in range(1, further + 1)]


async def _confirm_all(job: RouteJob, loader: Loader, changes: UnconfirmedChanges) -> None:
    """Read the list whole, again and again, until each change is confirmed or given up."""
    while not job.stop.is_set() and (count := await changes.count()):
        job.emit(Phase(job.name, f"confirming {count:,} changes"))
        if not await read_until_stopped(job, Seen(job, changes).show, spared_by='confirm = "none"'):
            return
        if not await _put_right(job, changes):
            await changes.end()
            return
        await settle_all(job, loader)


async def _put_right(job: RouteJob, changes: UnconfirmedChanges) -> int:
    """Give back to the loader what no row was seen to hold, or settle what was sent often enough; how many go again."""
    again, after = 0, ""
    while found := await changes.following(after):
        after = found[-1].target_id
        spent = [each for each in found if each.resent >= MOST_RESENT or each.shows == _SHOWS_NOTHING]
        if due := [each for each in found if each not in spent]:
            await changes.reopen(due)
            again += len(due)
        if spent:
            members = await changes.reopen(spent)
            settled = [_given_up(each, member) for each, member in zip(spent, members, strict=True)]
            await job.ledger.settle(job.name, settled)
            job.note_settled(settled)
    return again


def _given_up(change: Unconfirmed, member: Member) -> Settled:
    row = f"row {change.target_id}"
    if change.shows is None:
        text = f"the target answered that it was written, and shows no {row}"
        return Settled(member, State.UNKNOWN, cause=CAUSE, message=text)
    if change.shows == _SHOWS_NOTHING:
        text = f"the target answered that it was written, and {row} shows no field of it"
        return Settled(member, State.UNKNOWN, cause=CAUSE, message=text)
    text = f"the target answered {MOST_RESENT + 1} times that it was written, and {row} shows another {change.shows}"
    return Settled(member, State.REJECTED, cause=CAUSE, message=text)
