"""Reading a list that can't move while it is read, such as a file: its pages one after the other, each once."""

from __future__ import annotations

from bulkmove.extract.passes import RowSink
from bulkmove.model import PageQuery
from bulkmove.protocols import Source


async def read_once(source: Source, *, limit: int, sink: RowSink) -> int:
    """How many rows there are, once `sink` has had all of them, in their order. There is no progress to keep.

    The source says with `has_next` whether more follows.
    """
    offset = 0
    while True:
        page = await source.fetch(PageQuery(limit=limit, offset=offset))
        if page.records:
            await sink(page.records)
        offset += len(page.records)
        if not page.has_next or not page.records:
            return offset
