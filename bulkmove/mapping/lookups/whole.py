"""A look-up whose table was loaded at the start: most values are found in a dict of those that were asked before."""

from __future__ import annotations

import copy
from typing import Any

from bulkmove.mapping.lookups.asking import StandIn
from bulkmove.mapping.lookups.endings import Endings
from bulkmove.mapping.lookups.index import Ambiguous, Candidate, Index
from bulkmove.mapping.lookups.keys import NOTHING

_MOST_KEPT = 100_000


class WholeLookup:
    """Answers at once. Safe in threads."""

    def __init__(self, index: Index, endings: Endings) -> None:
        self.endings = endings
        self._index = index
        self._kept: dict[Any, Any] = {}

    def resolve(self, key: object) -> Any:
        """What the key becomes. Raises RejectRecordError, SkipRecordError, and TypeError for a key of the wrong form."""
        kind = type(key)
        if kind is str or kind is int or (isinstance(key, tuple) and bool not in map(type, key)):
            try:
                return self._kept[key]
            except (KeyError, TypeError):
                pass
        return self._resolve(key)

    async def find(self, key: object) -> Any:
        return self.resolve(key)

    def candidates(self, value: str, within: str | None) -> tuple[Candidate, ...]:
        return self._index.candidates(value, within)

    def size(self, value: str, within: str | None) -> int:
        del value
        return self._index.size(within)

    def _resolve(self, key: object) -> Any:
        asked = self.endings.asked(key)
        if asked is None or isinstance(asked, StandIn):
            return asked
        outer, text = asked
        found = self.endings.decided(outer, text)
        if found is NOTHING:
            found = self._index.find(text, outer)
            if found is NOTHING or isinstance(found, Ambiguous):
                return self.endings.missed(outer, text, found)
        if isinstance(found, dict | list):  # whoever changes it in one body must not change it in all
            return copy.deepcopy(found)
        self._keep(key, found)
        return found

    def _keep(self, key: object, value: Any) -> None:
        # True and 1 are one key to a dict, and not to a look-up.
        if bool not in map(type, key if isinstance(key, tuple) else (key,)):
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[key] = value
