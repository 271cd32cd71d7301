"""A source as a pass reads it: its requests counted, and no more of it than a stretch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bulkmove.model import Listing, Page, PageQuery, Record
from bulkmove.protocols import FindsById, ShowsVersions, Source


@dataclass(slots=True)
class Requests:
    """How many pages were asked for. A request that was tried again counts once."""

    count: int = 0

    def taken(self) -> int:
        """How many since this was asked last."""
        count, self.count = self.count, 0
        return count


class Counted:
    """Implements `bulkmove.protocols.Source`."""

    def __init__(self, source: Source, requests: Requests) -> None:
        self._source = source
        self.requests = requests

    @property
    def listing(self) -> Listing:
        return self._source.listing

    async def fetch(self, query: PageQuery) -> Page:
        self.requests.count += 1
        return await self._source.fetch(query)


class CountedFinder(Counted):
    """Implements `bulkmove.protocols.FindsById` too."""

    def __init__(self, source: FindsById, listed: Source, requests: Requests) -> None:
        super().__init__(listed, requests)
        self._finder = source

    @property
    def find_at_once(self) -> int:
        return self._finder.find_at_once

    async def find(self, ids: Sequence[str]) -> Sequence[Record]:
        self.requests.count += 1
        return await self._finder.find(ids)


def counted(source: Source, requests: Requests) -> Source:
    return (
        CountedFinder(source, source, requests)
        if isinstance(source, FindsById)
        else Counted(source, requests)
    )


def versions_of(source: Source, requests: Requests) -> Source | None:
    """The list at its least, where the source shows it and rows can be asked for by their ids afterwards."""
    if isinstance(source, ShowsVersions) and isinstance(source, FindsById):
        return Counted(source.versions(), requests)
    return None


class Stretch:
    """Implements `bulkmove.protocols.Source`: the rows of a keyset list between two keys, both included."""

    def __init__(self, source: Source, *, first_key: int | None = None, last_key: int | None = None) -> None:
        whole = source.listing
        if first_key is None or (whole.first_key is not None and whole.first_key > first_key):
            first_key = whole.first_key
        if last_key is None or (whole.last_key is not None and whole.last_key < last_key):
            last_key = whole.last_key
        self._source = source
        self._listing = replace(whole, first_key=first_key, last_key=last_key)

    @property
    def listing(self) -> Listing:
        return self._listing

    async def fetch(self, query: PageQuery) -> Page:
        return await self._source.fetch(query)
