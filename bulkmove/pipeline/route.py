"""One route from its first page to its last outcome."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

import anyio

from bulkmove.entries import Span
from bulkmove.errors import FatalError, RetryableError, single_error
from bulkmove.events import Phase, RouteFinished, RouteStarted
from bulkmove.extract.tally import Tally
from bulkmove.load.delivery import Lane
from bulkmove.load.loader import FIRST_WRITERS, Loader, open_loader
from bulkmove.load.rehearsal import RehearsedTarget
from bulkmove.model import Record
from bulkmove.pipeline.backlog import Backlog
from bulkmove.pipeline.befores import keep_befores
from bulkmove.pipeline.canary import canary_first
from bulkmove.pipeline.confirming import confirm
from bulkmove.pipeline.gone import name_gone, skip_gone
from bulkmove.pipeline.intake import map_stored, store, take
from bulkmove.pipeline.job import RouteJob, SeesJoined
from bulkmove.pipeline.reading import Take, read_sorted, read_unsorted
from bulkmove.pipeline.settling import resend_open, settle_all
from bulkmove.pipeline.sweeping import sweep
from bulkmove.protocols import SeesDeletions, StagedTarget

# Appends take turns: while one is made durable, the next is made ready, and each holds a batch in memory.
MOST_WRITERS_OF_A_FILE = 2


async def run_route(job: RouteJob) -> bool:
    """Read, map, write and settle; whether the route is finished (else: stopped, or at its limit).

    Raises what ends it early: host and list errors (exit code 5), credentials, configuration, the ledger.
    Whatever ends it, the ledger knows how to go on.
    """
    await job.ledger.check_balance(job.name, whole=False)
    await job.ledger.revive_unknown(job.name)
    await job.ledger.sweep(job.name, job.target_list.name).reopen()
    progress = await job.ledger.progress(job.name)
    counts = await job.ledger.counts(job.name)
    expected = counts.read if progress.is_read else progress.expected
    job.emit(RouteStarted(job.name, counts, expected))
    job.budget.handle(counts.pending)
    if counts.written and isinstance(job.target, SeesDeletions):
        job.target.has_deleted = True
    if not progress.is_finished:
        job.target_list.learn(await job.ledger.list_state(job.target_list.name))
        with single_error():
            async with list_open(job):
                await _work(job, is_read=progress.is_read)
                await note_finished(job)
        counts = await job.ledger.counts(job.name)
    is_finished = (await job.ledger.progress(job.name)).is_finished
    job.emit(RouteFinished(job.name, counts, is_finished))
    return is_finished


@asynccontextmanager
async def list_open(job: RouteJob) -> AsyncIterator[None]:
    """The target's list while it is worked on, where it is one that is begun and finished."""
    if not isinstance(job.target, StagedTarget):
        yield
        return
    in_doubt = sum(len(intent.members) for intent in await job.ledger.intents(job.name))
    written = await job.ledger.written(job.name)
    if written:
        job.emit(Phase(job.name, f"checking the {written:,} rows that were written"))
    async with job.target.open_list(written=written, in_doubt=in_doubt):
        job.emit(Phase(job.name, ""))
        yield


async def note_finished(job: RouteJob) -> None:
    progress = await job.ledger.progress(job.name)
    is_done = (
        progress.is_read
        and not (await job.ledger.counts(job.name)).pending
        and not await job.ledger.unconfirmed(job.name).count()
        and await sweep(job)
    )
    await job.ledger.check_balance(job.name, whole=is_done)
    if not is_done:
        return
    if isinstance(job.target, StagedTarget):
        await job.target.close_list(await job.ledger.written(job.name))
    await job.ledger.mark(job.name, is_finished=True)


async def _work(job: RouteJob, *, is_read: bool) -> None:
    if job.is_self_route and not await _read_then_map(job, is_read=is_read) and job.stop.is_set():
        return
    async with loader_of(job) as loader:
        read = None if job.is_self_route or is_read else partial(_stream, job, loader)
        if not await canary_first(job, loader, read):
            await loader.drain()
            return
        if job.sharing is None:
            await resend_open(job, loader)
        if not job.is_self_route and not (await job.ledger.progress(job.name)).is_read:
            await _stream(job, loader)
        await (loader.drain() if job.stop.is_set() else finish_writing(job, loader))


async def finish_writing(job: RouteJob, loader: Loader) -> None:
    """Until nothing of the route is open; at its end, what no answer told of is looked at once more."""
    await settle_all(job, loader)
    await confirm(job, loader)


@asynccontextmanager
async def loader_of(job: RouteJob) -> AsyncIterator[Loader]:
    """A loader that heeds what earlier runs sent."""
    writers, wanted = min(job.target_host.concurrency, FIRST_WRITERS), job.writers
    if isinstance(job.target, StagedTarget):
        writers, wanted = min(writers, MOST_WRITERS_OF_A_FILE), None
    progress = await job.ledger.progress(job.name)
    async with open_loader(
        _lane(job), batch_size=job.settings.batch_size, writers=writers, wanted=wanted
    ) as loader:
        loader.heed_earlier(sent_until=progress.sent_until, unsettled_at=progress.unsettled_at)
        yield loader


def _lane(job: RouteJob) -> Lane:
    return Lane(
        route=job.name,
        target=job.target,
        target_list=job.target_list.name,
        ledger=job.ledger,
        gate=job.target_list.gate,
        is_atomic=lambda: job.target_list.is_atomic,
        on_settled=job.note_settled,
        is_stopping=job.stop.is_set,
        settle_s=job.target_host.settle_s,
        size=job.target_list.size,
        held=job.target_list.held,
        keep_before=partial(keep_befores, job) if job.keeps_before else None,
        confirms=job.settings.confirm != "none" and not isinstance(job.target, RehearsedTarget),
        on_joined=partial(job.onlooker.joined, job.name) if isinstance(job.onlooker, SeesJoined) else None,
    )


async def _stream(job: RouteJob, loader: Loader) -> None:
    """Pages are mapped as they come, and written while others are read."""
    backlog, mapping = Backlog(job.readers), anyio.Lock(fast_acquire=True)

    async def take_page(records: Sequence[Record], span: Span | None) -> None:
        async with backlog.turn():
            async with mapping:
                items = [] if job.is_ending else await take(job, records, span)
            await loader.put(await job.admitted(items))
            if job.is_ending:
                await (
                    anyio.sleep_forever()
                )  # the reading is about to be cut off: no further page is asked for

    async with Tally() as tally:
        try:
            is_whole = None
            if job.sharing is not None:
                is_whole = await job.sharing.read(job, loader, _reading(job, tally))
            if is_whole is None:
                is_whole = await _read_whole(job, take_page, tally, turn=mapping, readers=backlog.readers)
        except (RetryableError, FatalError):
            await loader.drain()
            raise
        if is_whole:
            await name_gone(job, tally)
    if is_whole:
        await job.ledger.mark(job.name, is_read=True)


def _reading(job: RouteJob, tally: Tally) -> Callable[[RouteJob, Take], Awaitable[bool]]:
    """A reading for several routes, whose pages are put down elsewhere."""

    async def read(together: RouteJob, take_page: Take) -> bool:
        return await _read_whole(together, take_page, tally, turn=anyio.Lock(), readers=job.readers)

    return read


async def _read_then_map(job: RouteJob, *, is_read: bool) -> bool:
    """Source and target are one list: all of it is read and mapped before the first write changes it."""
    turn = anyio.Lock()

    async def store_page(records: Sequence[Record], _span: Span | None) -> None:
        async with turn:
            await store(job, records)

    if not is_read or await _is_stale(job):
        await job.ledger.drop_seen(job.name)
        async with Tally() as tally:
            if not await _read_whole(job, store_page, tally, turn=turn, readers=job.readers):
                return False
            await skip_gone(job, tally)
        await job.ledger.mark(job.name, is_read=True)
    return await map_all_stored(job)


async def _is_stale(job: RouteJob) -> bool:
    """Whether rows were read by an earlier run whose deletion is not decided yet: a row is not deleted for what it was."""
    return job.settings.mode == "delete" and await job.ledger.next_raw(job.name, 0) is not None


async def _read_whole(
    job: RouteJob, take_page: Take, tally: Tally, *, turn: anyio.Lock, readers: Callable[[], int]
) -> bool:
    """Read until the list is proven read, or the run is to end; whether it was the former.

    `turn` is held while a page is mapped and put down: a page that was begun is not cut off, since its records
    would be mapped once more by the next run.
    """
    is_whole = False
    with single_error():
        async with anyio.create_task_group() as tasks:
            for event in (job.stop, job.enough):
                tasks.start_soon(
                    _cancel_on, event, turn, tasks.cancel_scope, name=f"{job.name} reading until"
                )
            if job.source.listing.reading == "keyset":
                await read_sorted(job, take_page, readers=readers)
            else:
                await read_unsorted(job, take_page, tally, readers=readers)
            is_whole = not job.is_ending
            tasks.cancel_scope.cancel()
    return is_whole


async def _cancel_on(event: anyio.Event, turn: anyio.Lock, scope: anyio.CancelScope) -> None:
    await event.wait()
    async with turn:
        scope.cancel()


async def map_all_stored(job: RouteJob) -> bool:
    chunk = 0
    while not job.is_ending and (found := await job.ledger.next_raw(job.name, chunk)) is not None:
        chunk, rows = found
        await map_stored(job, chunk, rows)
    return not job.is_ending
