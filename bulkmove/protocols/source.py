"""What is read: a list, page by page, and what some lists can do beside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from bulkmove.model import (
    Listing,
    Page,
    PageQuery,
    Record,
)


class Source(Protocol):
    """A list that can be read, page by page, in any order.

    `fetch` may be called concurrently and again for the same query. It raises BadAnswerError where the
    answer has not the documented envelope, and what Transport.send raises.
    """

    @property
    def listing(self) -> Listing: ...

    async def fetch(self, query: PageQuery) -> Page: ...


@runtime_checkable
class FindsById(Protocol):
    """A Source that can be asked for single rows, where its host is documented to bring them by their ids.

    `find` brings those of the rows that the list holds, each once, in any order; `ids` are at most `find_at_once`.
    Raises BadAnswerError where the host brings others, and what `fetch` raises.
    """

    @property
    def find_at_once(self) -> int: ...

    async def find(self, ids: Sequence[str]) -> Sequence[Record]: ...


@runtime_checkable
class ShowsVersions(Protocol):
    """A Source whose list can be read with no more of each row than its id, its key and its version.

    `versions` is that list, filters and all: the cheapest that shows what came, went or changed since.
    """

    def versions(self) -> Source: ...
