"""Which ids and keys the ledger may hold, told without asking it: most that a first run reads are new to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from bulkmove.ledger.bloom import BloomFilter

Kind = Literal["id of", "key in"]


class NewNames:
    """Knows the names of the routes and lists that this process made. Of others everything may be there."""

    def __init__(self) -> None:
        self._filter: BloomFilter | None = None
        self._salts: dict[tuple[Kind, str], int] = {}
        self._is_forgotten = False

    def begin(self, kind: Kind, place: str) -> None:
        """The place is new and holds nothing; from here on `add` is told of everything that comes into it."""
        if self._is_forgotten:
            return
        self._filter = self._filter or BloomFilter()
        self._salts[kind, place] = hash((kind, place))

    def forget(self) -> None:
        """From here on others put names down, too, also into places that are still to be made."""
        self._is_forgotten = True
        self._filter = None
        self._salts.clear()

    def add(self, kind: Kind, place: str, names: Iterable[str]) -> None:
        salt = self._salts.get((kind, place))
        if salt is not None and self._filter is not None:
            self._filter.add(names, salt)

    def candidates(self, kind: Kind, place: str, names: Sequence[str]) -> Sequence[str]:
        """Those that may be there: the rest need not be looked for."""
        salt = self._salts.get((kind, place))
        if salt is None or self._filter is None:
            return names
        return self._filter.candidates(names, salt)
