"""The last look at a list that a route created rows on: whether a lost answer, after all, left a row twice."""

from __future__ import annotations

from collections.abc import Sequence

from bulkmove.errors import UnprovenError
from bulkmove.events import Note, Phase
from bulkmove.exact import name_of_content
from bulkmove.load.matching import as_text
from bulkmove.load.rehearsal import RehearsedTarget
from bulkmove.model import Record
from bulkmove.pipeline.job import RouteJob
from bulkmove.pipeline.keys import read_target
from bulkmove.pipeline.until import until
from bulkmove.pipeline.whole import RowsSink
from bulkmove.protocols import KeySweep, StagedTarget


async def sweep(job: RouteJob) -> bool:
    """Find the keys of this route's rows that the list shows more than once; False where the run stops instead.

    What was in doubt was settled when its host could be done with it: a host that took longer shows here. A body that
    is there twice becomes unknown, cause `doubled`; one that was before is written where one row is left, and rejected
    where none is. Nothing is done to a file, on which nothing comes late. Raises UnprovenError where the list can't be read whole, and what the
    transport raises.
    """
    swept = job.ledger.sweep(job.name, job.target_list.name)
    if isinstance(job.target, StagedTarget | RehearsedTarget):
        return True
    if not await _is_wanted(job, swept) or not await swept.has_created():
        return True
    job.emit(Phase(job.name, "looking for rows that are there twice"))
    await swept.begin()

    async def note(records: Sequence[Record]) -> None:
        await swept.note(
            [
                (key, record.id if record.id is not None else name_of_content(record.data))
                for record in records
                if (key := as_text(record.data.get(job.rules.natural_key))) is not None
            ]
        )

    if not await read_until_stopped(job, note, spared_by='sweep = "never"'):
        return False
    told = await swept.end(job.rules.natural_key)
    job.emit(Phase(job.name, ""))
    if found := told.get("doubled", 0) + told.get("found-late", 0):
        job.emit(
            Note(
                f"route {job.name}: {found} of its records are on {job.settings.target} more than once, or although they"
                " were set aside; `bulkmove failures` names the rows: delete what is too much, then run again",
                route=job.name,
            )
        )
    if gone := told.get("none-left", 0):
        text = f"{gone} of its records, which were there more than once, have no row on {job.settings.target} any more"
        job.emit(Note(f"route {job.name}: {text}: `bulkmove retry` maps them anew", route=job.name))
    return True


async def _is_wanted(job: RouteJob, swept: KeySweep) -> bool:
    """What was found doubled is looked at until it is not, also where the look at the end was turned off since."""
    if job.sweep == "always":
        return True
    return await swept.has_doubled() if job.sweep == "never" else await swept.is_due()


async def read_until_stopped(job: RouteJob, sink: RowsSink, *, spared_by: str) -> bool:
    """Read the target's list whole while no route writes to it; False where the run stopped before its end.

    `spared_by`: the setting that does without this reading, for a list that can't be proven read.
    """
    async with job.target_list.gate.reading(), until(job.stop, name=f"{job.name} looking back"):
        try:
            await read_target(job, sink)
        except UnprovenError as error:
            raise UnprovenError(f"{error}; all is written, and {spared_by} does without this look") from error
        return True
    return False
