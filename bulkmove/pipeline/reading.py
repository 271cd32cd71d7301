"""A route's source, read whole: spans of a sorted list side by side, or passes over one that is not sorted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import anyio

from bulkmove import clock
from bulkmove.entries import Span
from bulkmove.errors import BadAnswerError, UnprovenError, single_error
from bulkmove.events import Note, RecordsExpected
from bulkmove.extract.ahead import FirstPages
from bulkmove.extract.beyond import span_beyond
from bulkmove.extract.dated import DatedIds
from bulkmove.extract.differing import stretches
from bulkmove.extract.keyset import KeysetResult, read_keyset
from bulkmove.extract.once import read_unkeyed
from bulkmove.extract.plan import plan_spans
from bulkmove.extract.reader import ReadPage
from bulkmove.extract.tally import Tally
from bulkmove.extract.undated import count_undated
from bulkmove.model import Page, PageQuery, Record
from bulkmove.pipeline.comparing import compare
from bulkmove.pipeline.job import RouteJob
from bulkmove.protocols import Source

Take = Callable[[Sequence[Record], Span | None], Awaitable[None]]

# Rows that are dated in the last seconds may still be on their way into the list.
CUTOFF_MARGIN_S = 5
# A host's `Date` comes in whole seconds, and takes a while.
CLOCKS_APART_S = 60


async def read_sorted(job: RouteJob, take: Take, *, readers: Callable[[], int]) -> None:
    """Read a keyset list up to the cutoff, which is fixed at the first start, going on from the stored spans.

    `take` gets each page with the progress of its span, to be stored together; `readers` is asked how many pages to
    fetch at a time.
    """
    naming = _Naming(job)
    async with DatedIds() as read:
        with single_error():
            async with anyio.create_task_group() as tasks:
                source = FirstPages(job.source, tasks)
                with naming.reading():
                    spans = await _spans(job, source)
                # Beside the reading: at its end a slow host would be waited for.
                tasks.start_soon(_name_undated, job, name=f"{job.name} counting undated rows")
                result = await _read_spans(
                    job, source, spans, take, readers=readers, naming=naming, read=read
                )
                source.drop()
                _tell(job, result)
                # Rows that are made of others, or kept to be mapped later, are not held against the list.
                is_worth_it = result.is_count_honest or result.leaves_rows_out
                if is_worth_it and job.derive is None and not job.is_self_route:
                    cutoff = (await job.reading_notes.progress(job.name)).cutoff
                    if cutoff is not None:
                        parts = stretches(spans, cutoff=cutoff)
                        await compare(job, read, parts, take, leaves_rows_out=result.leaves_rows_out)


async def _read_spans(
    job: RouteJob,
    source: Source,
    spans: Sequence[Span],
    take: Take,
    *,
    readers: Callable[[], int],
    naming: _Naming,
    read: DatedIds,
) -> KeysetResult:
    async def sink(page: ReadPage) -> None:
        await read.add(page.records)
        with naming.others():
            await take(page.records, page.span)

    async def store_split(shortened: Span, new: Span) -> None:
        await job.reading_notes.save_spans(job.name, [shortened, new])

    with naming.reading():
        return await read_keyset(
            source,
            spans,
            limit=source.listing.page_limit,
            workers=readers,
            sink=sink,
            on_split=store_split,
        )


def _tell(job: RouteJob, result: KeysetResult) -> None:
    if result.evidence:
        job.emit(
            Note(
                f"route {job.name}: in {job.settings.source}, {_seconds(len(result.evidence))} a page of rows or more"
                " in no stable order; all that are counted were seen, and seen again, which is evidence, not proof",
                route=job.name,
            )
        )
    if result.leaves_rows_out:
        job.emit(
            Note(
                f"route {job.name}: {job.settings.source} leaves rows out of its pages, others each time; each page was"
                " asked for until nothing new came, which is evidence, not proof",
                route=job.name,
            )
        )


async def _spans(job: RouteJob, source: FirstPages) -> Sequence[Span]:
    progress = await job.reading_notes.progress(job.name)
    if progress.spans:
        return progress.spans
    look = await job.source.fetch(PageQuery(limit=1))
    now = await _now_of(job, look)
    cutoff = progress.cutoff
    if cutoff is None:
        last_key = job.source.listing.last_key
        cutoff = now - CUTOFF_MARGIN_S
        cutoff = cutoff if last_key is None else min(cutoff, last_key + 1)
        await job.reading_notes.mark(job.name, cutoff=cutoff)
    spans, beyond = await _planned(job, source, look, cutoff=cutoff, now=now)
    if beyond is not None:
        spans.append(replace(beyond, id=len(spans)))
        job.emit(
            Note(
                f"route {job.name}: rows of {job.settings.source} are dated up to {moment(beyond.upper - 1)}, after"
                f" {moment(now)}, which it is by the clock of host {job.settings.source.host}; they are read too",
                route=job.name,
            )
        )
    await job.reading_notes.save_spans(job.name, spans)
    return spans


async def _planned(
    job: RouteJob, source: FirstPages, look: Page, *, cutoff: int, now: int
) -> tuple[list[Span], Span | None]:
    """Spans up to the cutoff, and one beyond it where rows are dated there: asked for side by side, with their first pages.

    `look`: the list's first row, as it was shown a moment ago.
    """
    beyond: Span | None = None

    async def look_beyond() -> None:
        nonlocal beyond
        # Beyond the clock, not the cutoff: what is dated in the seconds between the two belongs to a later pass.
        beyond = await span_beyond(job.source, now=max(now, cutoff), number=0)

    with single_error():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(look_beyond, name=f"{job.name} looking beyond now")
            spans = await plan_spans(
                job.source, cutoff=cutoff, count=job.readers(), look=look, expect=source.expect
            )
    return spans, beyond


def _seconds(count: int) -> str:
    return "one second holds" if count == 1 else f"{count} seconds hold"


async def now_by_host(job: RouteJob) -> int:
    """By the host's own clock, which dates the rows; by this machine's where that one is far ahead."""
    return await _now_of(job, await job.source.fetch(PageQuery(limit=1)))


async def _now_of(job: RouteJob, page: Page) -> int:
    if page.total is not None and job.derive is None:
        await job.reading_notes.mark(job.name, expected=page.total)
        job.emit(RecordsExpected(job.name, page.total))
    here = clock.now()
    if page.date is None:
        return int(here)
    apart_s = page.date - here
    if abs(apart_s) <= CLOCKS_APART_S:
        return int(page.date)
    job.emit(
        Note(
            f"route {job.name}: the clock of host {job.settings.source.host} is {moment(page.date)}, this machine's is"
            f" {moment(here)}: one of them is off",
            route=job.name,
        )
    )
    return int(min(page.date, here))


def moment(epoch_s: float) -> str:
    """A moment as people read it, in UTC."""
    try:
        return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return f"second {epoch_s:.0f} since 1970"


async def _name_undated(job: RouteJob) -> None:
    listing = job.source.listing
    if listing.first_key is not None or listing.last_key is not None:
        return  # the user's filter asks for dates: rows without one are not wanted
    if count := await count_undated(job.source):
        job.emit(
            Note(
                f"route {job.name}: {count} rows of {job.settings.source} have no date, so that no filter"
                " by date brings them; they were not read",
                route=job.name,
            )
        )


async def read_unsorted(job: RouteJob, take: Take, tally: Tally, *, readers: Callable[[], int]) -> None:
    """Read a list that has neither order nor filter: in passes until two agree, or once where nothing can move.

    `take` gets each row once.
    """
    naming = _Naming(job)
    is_once = job.source.listing.reading == "once"
    # What an earlier run read is held against what is there now.
    is_noted = is_once and (await job.ledger.counts(job.name)).read > 0

    async def sink(records: Sequence[Record]) -> None:
        if is_noted:
            await tally.add(1, [record.id for record in records if record.id is not None])
        with naming.others():
            await take(records, None)

    if is_noted:
        await tally.add(1, ())
    with naming.reading():
        await read_unkeyed(job.source, concurrency=readers, sink=sink, tally=tally)


class _Naming:
    """Names route and list where a reading could not be proven, or the host's answers can't be used."""

    def __init__(self, job: RouteJob) -> None:
        self._job = job
        self._others: list[BaseException] = []

    @contextmanager
    def others(self) -> Iterator[None]:
        """What is raised in here is not of the list's reading."""
        try:
            yield
        except BaseException as error:
            self._others.append(error)
            raise

    @contextmanager
    def reading(self) -> Iterator[None]:
        try:
            yield
        except (UnprovenError, BadAnswerError) as error:
            if any(error is other for other in self._others):
                raise
            said = f"route {self._job.name}: reading {self._job.settings.source}: {error}"
            raise type(error)(said) from error
