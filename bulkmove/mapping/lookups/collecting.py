"""Values that did not resolve, counted by record, for a person to decide on."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from bulkmove.mapping.lookups.index import Candidate

Becomes = Literal["rejected", "null", "default"]

# Far beyond what a person decides one by one; the rest is only counted.
MOST_VALUES = 100_000


class Miss(NamedTuple):
    """One value that a look-up did not resolve. `is_ambiguous`: it could mean several keys of the table."""

    lookup: str
    within: str | None
    value: str
    is_ambiguous: bool


@dataclass(frozen=True, slots=True)
class Unresolved:
    """One value that did not resolve, and what `missing` makes of the records that have it.

    `records` is their number, `first_id` the source id of the first that was seen. `candidates` are proposals.
    """

    lookup: str
    value: str
    within: str | None
    records: int
    first_id: str | None
    becomes: Becomes
    is_ambiguous: bool = False
    candidates: tuple[Candidate, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {
            "lookup": self.lookup,
            "value": self.value,
            "within": self.within,
            "records": self.records,
            "first_id": self.first_id,
            "becomes": self.becomes,
            "is_ambiguous": self.is_ambiguous,
            "candidates": [
                {"key": each.key, "value": each.value, "score": round(each.score)} for each in self.candidates
            ],
        }


class Collector:
    """Counts misses, each once a record. Safe in threads: mappers run in some."""

    def __init__(self, *, most_values: int = MOST_VALUES) -> None:
        self._counts: dict[Miss, list[Any]] = {}
        self._lock = threading.Lock()
        self._most_values = most_values
        self.left_out = 0

    def count(self, misses: Iterable[Miss], source_id: str | None) -> None:
        with self._lock:
            for miss in misses:
                found = self._counts.get(miss)
                if found is not None:
                    found[0] += 1
                elif len(self._counts) < self._most_values:
                    self._counts[miss] = [1, source_id]
                else:
                    self.left_out += 1

    def counted(self) -> list[tuple[Miss, int, str | None]]:
        """Each miss with its number of records and the first of them, the most frequent first."""
        with self._lock:
            found = [(miss, count, first) for miss, (count, first) in self._counts.items()]
        return sorted(found, key=lambda each: -each[1])
