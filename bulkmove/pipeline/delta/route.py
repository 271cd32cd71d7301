"""One route of a delta: what is open goes first, then its source is passed over, then nothing is open again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from bulkmove.connectors.dates import epoch_seconds
from bulkmove.errors import single_error
from bulkmove.events import RouteFinished, RouteStarted
from bulkmove.extract.tally import Tally
from bulkmove.ledger import SqliteLedger
from bulkmove.ledger.delta_passes import PART_LEFT, ROW_LEFT, PassNote, Stage
from bulkmove.ledger.delta_work import Passing
from bulkmove.load.loader import Loader
from bulkmove.pipeline.delta.found import work_found, work_kept
from bulkmove.pipeline.delta.listed import scan_list
from bulkmove.pipeline.delta.newer import begin_newer, read_newer
from bulkmove.pipeline.delta.scanning import scan_versions
from bulkmove.pipeline.delta.sources import Requests, counted, versions_of
from bulkmove.pipeline.delta.work import PassWork
from bulkmove.pipeline.job import RouteJob
from bulkmove.pipeline.route import finish_writing, loader_of, map_all_stored, note_finished
from bulkmove.pipeline.settling import resend_open
from bulkmove.protocols import FindsById, SeesDeletions, Source

_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Asked:
    """What a delta asks of a route. `unlayered`: its source as the connector made it; `zone`: that of its host's dates."""

    unlayered: Source
    zone: ZoneInfo | None
    overlap_s: float
    new_only: bool


async def delta_route(job: RouteJob, ledger: SqliteLedger, asked: Asked) -> tuple[bool, PassNote | None]:
    """Whether the route is finished, and its pass, where that came to its end. Raises what `run_route` raises."""
    await ledger.check_balance(job.name, whole=False)
    counts = await ledger.counts(job.name)
    job.emit(RouteStarted(job.name, counts, counts.read))
    if counts.written and isinstance(job.target, SeesDeletions):
        job.target.has_deleted = True
    job.target_list.learn(await ledger.list_state(job.target_list.name))
    requests, passing = Requests(), Passing(ledger, job.name)
    versions = versions_of(asked.unlayered, requests)
    job.source = counted(job.source, requests)
    note: PassNote | None = None
    with single_error():
        async with loader_of(job) as loader, Tally() as shown:
            await _finish_open(job, loader)
            work = PassWork(
                job,
                passing,
                loader,
                requests,
                versions,
                shown,
                _second_of(asked.zone),
                new_only=asked.new_only,
            )
            if not job.stop.is_set():
                note = await _pass(work, overlap_s=asked.overlap_s)
            await (loader.drain() if job.stop.is_set() else finish_writing(job, loader))
        if not (await ledger.progress(job.name)).is_finished:
            await note_finished(job)
    counts = await ledger.counts(job.name)
    is_finished = (await ledger.progress(job.name)).is_finished
    job.emit(RouteFinished(job.name, counts, is_finished))
    return is_finished and note is not None, note


def _second_of(zone: ZoneInfo | None) -> Callable[[str], int | None]:
    def second(version: str) -> int | None:
        try:
            return epoch_seconds(version, zone)
        except LookupError:
            return None

    return second


async def _finish_open(job: RouteJob, loader: Loader) -> None:
    """What an earlier run left open is written before anything is read on top of it."""
    if job.is_self_route:
        await map_all_stored(job)
    await resend_open(job, loader)
    await finish_writing(job, loader)


async def _pass(work: PassWork, *, overlap_s: float) -> PassNote | None:
    """Take the pass to its end, from wherever it was cut off; None where the run is to stop before."""
    source, versions = work.job.source, work.versions
    cutoff = (await work.job.ledger.progress(work.job.name)).cutoff
    is_dated = versions is not None and source.listing.reading == "keyset" and cutoff is not None
    if work.job.is_self_route or work.job.derive is not None:
        is_dated = False
    note = await work.passing.left_open()
    if note is not None and note.is_whole and work.new_only:
        work.new_only = False  # what was begun whole is brought to its end
    if note is None:
        note = await _begin(work, cutoff if is_dated else None, overlap_s)
    elif not note.is_whole and not work.new_only:
        await work.passing.make_whole()
        note = note._replace(is_whole=True)
    if not await _work_stages(work, note, is_dated=is_dated):
        await work.passing.count_requests(work.requests.taken())
        return None
    return await _end(work, is_dated=is_dated)


async def _begin(work: PassWork, cutoff: int | None, overlap_s: float) -> PassNote:
    if cutoff is not None:
        return await begin_newer(work, cutoff=cutoff, overlap_s=overlap_s)
    return await work.passing.begin(
        since=None, cutoff=None, spans=(), stage=Stage.SCAN, is_whole=not work.new_only
    )


async def _work_stages(work: PassWork, note: PassNote, *, is_dated: bool) -> bool:
    """Whether the pass is at its end; else the run is to stop."""
    stage = note.stage
    if stage is Stage.NEW:
        if not await read_newer(work, note):
            return False
        stage = Stage.SCAN
        await work.passing.go_on(stage, requests=work.requests.taken(), scanned=await work.shown.size())
    if stage is Stage.SCAN:
        if is_dated and work.new_only:
            return True
        is_whole = scan_versions(work, work.versions, note) if is_dated and work.versions else scan_list(work)
        if not await is_whole:
            return False
    if is_dated and isinstance(work.job.source, FindsById):
        return await work_found(work, work.job.source)
    return await work_kept(work)


async def _end(work: PassWork, *, is_dated: bool) -> PassNote:
    note = await work.passing.note()
    new = (await work.job.ledger.counts(work.job.name)).read - note.known
    limit = work.job.source.listing.page_limit
    if note.is_whole and (is_dated or not work.changing_filters):
        await work.passing.forget_returned()
    # Rows that were there before at their least, new ones whole, and those of another version whole.
    parts = [max(0, note.scanned - new), new, note.changed + note.unchanged] if is_dated else [note.scanned]
    fewest = sum(-(-rows // limit) for rows in (parts if note.is_whole or not is_dated else [new]))
    ended = await work.passing.end(requests=work.requests.taken(), fewest=fewest)
    await _tell(work)
    return ended


async def _tell(work: PassWork) -> None:
    """What a person should know of the records that were not simply brought over."""
    source, target = work.job.settings.source, work.job.settings.target
    if work.left.count:
        work.note(
            f"{work.left} changed at {source}, and what became of them is not known: left to bulkmove run"
        )
    if work.outside.count:
        work.note(f"{work.outside} are not what where asks for any more: left as they are")
    count, ids = await work.passing.departed(_MOST_NAMED)
    if count:
        more = f" and {count - len(ids):,} more" if count > len(ids) else ""
        are = "is" if count == 1 else "are"
        work.note(f"{count:,} {are} gone at {source} ({', '.join(ids)}{more}), and left on {target}")
    for cause, said in (
        (ROW_LEFT, "are skipped since they changed"),
        (PART_LEFT, "give fewer bodies since they changed"),
    ):
        count, ids = await work.passing.left_rows(cause, _MOST_NAMED)
        if count:
            work.note(f"records {said}, {count:,} rows left on {target} ({', '.join(ids)}…): {cause}")
