"""Reading a list that can't move while it is read, such as a file: its pages one after the other, each once."""

from __future__ import annotations

from collections.abc import Callable

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from bulkmove.errors import BulkmoveError, single_error
from bulkmove.extract.passes import RowSink, read_passes
from bulkmove.extract.tally import Tally
from bulkmove.model import Page, PageQuery
from bulkmove.protocols import Source


async def read_unkeyed(
    source: Source,
    *,
    concurrency: Callable[[], int],
    sink: RowSink,
    tally: Tally,
    looks_behind: bool = True,
) -> None:
    """Read a list that has no key to go along: once where nothing can move, else in passes (see `read_passes`)."""
    limit = source.listing.page_limit
    if source.listing.reading == "once":
        await read_once(source, limit=limit, sink=sink)
    else:
        await read_passes(
            source, limit=limit, concurrency=concurrency, sink=sink, tally=tally, looks_behind=looks_behind
        )


async def read_once(source: Source, *, limit: int, sink: RowSink) -> int:
    """How many rows there are, once `sink` has had all of them, in their order. There is no progress to keep.

    The source says with `has_next` whether more follows. A page is fetched while the one before it is with `sink`.
    What ends the fetching is raised when `sink` has had all that came before.
    """
    rows = 0
    # Without a buffer one page waits to be taken.
    ahead, pages = anyio.create_memory_object_stream[Page | BulkmoveError](0)
    with single_error():
        async with anyio.create_task_group() as tasks, pages:
            tasks.start_soon(_fetch_all, source, limit, ahead, name="fetch ahead")
            async for page in pages:
                if isinstance(page, BulkmoveError):
                    raise page
                if page.records:
                    await sink(page.records)
                rows += len(page.records)
    return rows


async def _fetch_all(source: Source, limit: int, ahead: MemoryObjectSendStream[Page | BulkmoveError]) -> None:
    offset = 0
    async with ahead:
        while True:
            try:
                page = await source.fetch(PageQuery(limit=limit, offset=offset))
            except BulkmoveError as error:
                await ahead.send(error)
                return
            await ahead.send(page)
            offset += len(page.records)
            if not page.has_next or not page.records:
                return
