"""A route's first records: written, read back and held against what was sent, before anything else is written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence

import anyio

from bulkmove.errors import CanaryError, ConfigError
from bulkmove.events import Note, Phase
from bulkmove.ledger.canaries import SentBody
from bulkmove.load.loader import Loader
from bulkmove.load.matching import as_text
from bulkmove.model import JsonObject, Record, State
from bulkmove.pipeline.canaries import Canary
from bulkmove.pipeline.checked import Checked, checked_body
from bulkmove.pipeline.job import RouteJob
from bulkmove.pipeline.settling import resend_open, settle_all
from bulkmove.pipeline.until import until
from bulkmove.pipeline.whole import find_all, read_list
from bulkmove.protocols import FindsById, Source

Read = Callable[[], Awaitable[None]]
_Name = tuple[str, int]


async def canary_first(job: RouteJob, loader: Loader, read: Read | None) -> bool:
    """Write the route's first records and look at them, unless that was done; whether the rest may follow.

    `read`: reads and maps at most `job.limit` records; None where all is mapped. False where somebody said no or could
    not be asked, where the run stops, or where its own limit is reached. Raises CanaryError where a record does not
    stand as it was sent; nothing else is written then.
    """
    canary = job.canary
    if canary is None:
        return True
    checked = None
    if await _is_due(job, canary):
        await canary.begin()
        await _refuse_purged(job, canary)
        if not await _send_first(job, loader, read, canary):
            return False
        checked = await _look(job, canary)
        if job.stop.is_set():
            return False
        if await _is_all(job):
            await canary.kept.mark("passed")  # there is nothing to be asked about
            checked = None
    goes_on = await canary.wave.arrive(job.name, checked)
    if goes_on and checked is not None:
        await canary.kept.mark("passed")
    canary.end()
    return goes_on


async def _is_all(job: RouteJob) -> bool:
    is_read = (await job.ledger.progress(job.name)).is_read
    return is_read and not (await job.ledger.counts(job.name)).pending


async def _is_due(job: RouteJob, canary: Canary) -> bool:
    state = await canary.kept.state()
    if not canary.most:
        if state in {"open", "failed"}:
            await canary.kept.forget()
        return False
    if state is None:
        if (await job.ledger.counts(job.name)).written:
            return False  # the migration was begun without one
        await canary.kept.mark("open")
    return state != "passed"


async def _send_first(job: RouteJob, loader: Loader, read: Read | None, canary: Canary) -> bool:
    """Send the first records and settle them; False where the run stops, or its limit leaves too few of them.

    Records that need no write are none of them: more are mapped, twice as many each time.
    """
    job.emit(Phase(job.name, f"writing the first {canary.most} records"))
    await resend_open(job, loader)
    limit, wanted = job.limit, canary.lacks
    while read is not None and canary.lacks and not job.stop.is_set() and limit != 0:
        job.limit = allowed = wanted if limit is None else min(wanted, limit)
        job.enough = anyio.Event()
        await read()
        await settle_all(job, loader)  # a page that was cut off is older than the next one
        if limit is not None:
            limit -= allowed - job.limit
        wanted *= 2
        if (await job.ledger.progress(job.name)).is_read:
            read = None
    job.limit, job.enough = limit, anyio.Event()
    if limit == 0:
        job.enough.set()
    await settle_all(job, loader)
    job.emit(Phase(job.name, ""))
    is_cut = bool(canary.lacks) and job.limit == 0
    return not (job.stop.is_set() or is_cut)


async def _look(job: RouteJob, canary: Canary) -> Checked | None:
    """The first records beside the rows that stand for them; None where there was nothing to write, or the run stops.

    What does not stand as it was sent is looked at once more when the host has had its time.
    """
    bodies = await canary.kept.sent()
    if not bodies:
        return None
    job.emit(Phase(job.name, f"reading back the first {len(bodies)} records"))
    checked = await _compared(job, bodies)
    if not checked.is_good and not job.stop.is_set():
        with anyio.move_on_after(job.target_host.settle_s):
            await job.stop.wait()
        checked = await _compared(job, bodies)
    job.emit(Phase(job.name, ""))
    if job.stop.is_set():
        return None  # a reading that was cut off tells nothing of the rows that it did not come to
    canary.wave.show(checked)
    if not checked.is_good:
        await canary.kept.mark("failed")
        raise CanaryError(
            f"{checked.failure()}; nothing more is written. Mend the mapping, or the rows, and run again: they are looked"
            " at once more. --fresh begins anew, and canary = 0 does without"
        )
    if checked.unseen:
        text = f"{job.settings.target} never shows {', '.join(checked.unseen)}: whether these were taken can't be told"
        job.emit(Note(f"route {job.name}: {text}", route=job.name))
    return checked


async def _refuse_purged(job: RouteJob, canary: Canary) -> None:
    if canary.lacks == canary.most and await canary.kept.state() == "failed":
        raise CanaryError(
            f"route {job.name}: its first records were not on {job.settings.target} as they were sent, and what was sent"
            " is purged, so that it can't be looked at again: --fresh begins anew, and canary = 0 does without"
        )


async def _compared(job: RouteJob, bodies: Sequence[SentBody]) -> Checked:
    is_delete = job.rules.mode == "delete"
    rows = await _rows_of(job, [body for body in bodies if body.state in {State.WRITTEN, State.UNCHANGED}])
    records = [
        (checked_body(job.target, body, rows.get((body.source_id, body.part)), is_delete=is_delete), body)
        for body in bodies
    ]
    # A row that several of them changed stands as the last one left it.
    stand = {body.target_id for record, body in records if record.outcome == "stands"} - {None}
    return Checked(
        route=job.name,
        target=str(job.settings.target),
        records=tuple(
            record for record, body in records if record.outcome != "differs" or body.target_id not in stand
        ),
        is_delete=is_delete,
    )


async def _rows_of(job: RouteJob, bodies: Sequence[SentBody]) -> Mapping[_Name, JsonObject]:
    """The rows of the target that stand for the bodies, by their ids where they have them, else by their keys."""
    if not bodies:
        return {}
    try:
        source = job.target.list()
    except ConfigError as error:
        job.emit(Note(f"route {job.name}: the first records can't be read back: {error}", route=job.name))
        return {}
    by_id, by_key = defaultdict[str, list[_Name]](list), defaultdict[str, list[_Name]](list)
    for body in bodies:
        if body.target_id is not None:
            by_id[body.target_id].append((body.source_id, body.part))
        elif body.key is not None:
            by_key[body.key].append((body.source_id, body.part))
    found: dict[_Name, JsonObject] = {}

    def note(records: Sequence[Record]) -> bool:
        """Whether all are found."""
        for record in records:
            names = by_id.get(as_text(record.data.get(job.rules.id_field)) or "") or by_key.get(
                as_text(record.data.get(job.rules.natural_key)) or "", []
            )
            for name in names:
                found.setdefault(name, record.data)
        return len(found) == len(bodies)

    async with job.target_list.gate.reading():
        if isinstance(source, FindsById) and not by_key:
            note(list((await find_all(source, list(by_id))).values()))
        else:
            await _read_until(job, source, note)
    return found


async def _read_until(job: RouteJob, source: Source, note: Callable[[Sequence[Record]], bool]) -> None:
    """Read the list until all is found, to its end at most, or until the run is to stop."""
    async with until(job.stop, name=f"{job.name} canary"):
        with anyio.CancelScope() as all_found:

            async def show(records: Sequence[Record]) -> None:
                if note(records):
                    all_found.cancel()

            await read_list(source, show, readers=job.listers)
