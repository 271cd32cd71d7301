"""Pages that were handed to the writer and are not durable yet: look-ups on the read connection would miss them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from bulkmove.entries import Member

# Who claims a key: a route and a source id.
Owner = tuple[str, str]


class NewPage(NamedTuple):
    """What look-ups want to know of a page. `claims`: the owners of its keys, on the list `target_list`."""

    route: str
    chunk: int
    ids: set[str]
    target_list: str | None
    claims: Mapping[str, Owner]


class HandedOver:
    """From `remember` to `forget` a page is known here, and from then on in the file."""

    def __init__(self) -> None:
        self._chunks: set[int] = set()
        self._ids: dict[str, set[str]] = {}
        self._claims: dict[str, dict[str, Owner]] = {}

    def remember(self, page: NewPage) -> None:
        self._chunks.add(page.chunk)
        self._ids.setdefault(page.route, set()).update(page.ids)
        if page.target_list is not None:
            self._claims.setdefault(page.target_list, {}).update(page.claims)

    def forget(self, page: NewPage) -> None:
        self._chunks.discard(page.chunk)
        self._ids[page.route] -= page.ids
        if page.target_list is not None:
            for key in page.claims:
                self._claims[page.target_list].pop(key, None)

    def known(self, route: str, ids: Iterable[str]) -> set[str]:
        """Those of the source ids that are in such a page."""
        fresh = self._ids.get(route, set())
        return {each for each in ids if each in fresh}

    def owners(self, target_list: str, keys: Iterable[str]) -> dict[str, Owner]:
        """Who claims which of the keys, where such a page does."""
        fresh = self._claims.get(target_list, {})
        return {key: fresh[key] for key in keys if key in fresh}

    def holds_any(self, members: Iterable[Member]) -> bool:
        """Whether one of these bodies is in such a page."""
        return any(member.chunk in self._chunks for member in members)
