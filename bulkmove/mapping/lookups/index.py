"""The rows of one table, found by their key: exactly, or in its normal form. Near misses are only proposed."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple

from rapidfuzz import fuzz, process

from bulkmove.mapping.lookups.keys import NOTHING, FieldWatch, text_of
from bulkmove.mapping.lookups.normal import normalise
from bulkmove.model import JsonObject
from bulkmove.settings import LookupSettings

MOST_CANDIDATES = 3
LEAST_SCORE = 75.0
# Up to here parts of a key are compared too ("Municipiul Cluj-Napoca"), which takes ten times as long a key.
_MOST_KEYS_IN_PARTS = 20_000


class Candidate(NamedTuple):
    """A key that stands in the table, its value, and how near it is in percent (100: it differs in spelling alone)."""

    key: str
    value: Any
    score: float


class Ambiguous(NamedTuple):
    """Keys that a value could mean, with different values: none of them is picked."""

    candidates: tuple[Candidate, ...]


class _Values:
    """The keys that belong to one outer value. `normal` is kept where keys are matched by it: the keys of each form."""

    __slots__ = ("_forms", "exact", "normal", "several")

    def __init__(self, *, is_normalised: bool) -> None:
        self.exact: dict[str, Any] = {}
        self.several: dict[str, list[Any]] = {}
        self.normal: dict[str, str | tuple[str, ...]] | None = {} if is_normalised else None
        self._forms: tuple[list[str], list[str]] = ([], [])

    def put(self, key: str, value: Any) -> None:
        old = self.exact.setdefault(key, value)
        if old is not value and old != value:
            all_values = self.several.setdefault(key, [old])
            if value not in all_values:
                all_values.append(value)
            return
        if self.normal is not None:
            form = normalise(key)
            # A key that is its own normal form is stored once.
            others = self.normal.setdefault(key if form == key else form, key)
            if others is not key and key not in (others if isinstance(others, tuple) else (others,)):
                self.normal[form] = (*others, key) if isinstance(others, tuple) else (others, key)

    def find(self, key: str) -> Any:
        if key in self.several:
            return Ambiguous(tuple(self._pairs(key)))
        value = self.exact.get(key, NOTHING)
        if value is not NOTHING or self.normal is None:
            return value
        keys = self.normal.get(normalise(key), ())
        found = [pair for each in ((keys,) if isinstance(keys, str) else keys) for pair in self._pairs(each)]
        if not found:
            return NOTHING
        is_one = all(pair.value == found[0].value for pair in found)
        return found[0].value if is_one else Ambiguous(tuple(found))

    def _pairs(self, key: str, score: float = 100.0) -> list[Candidate]:
        return [Candidate(key, value, score) for value in self.several.get(key, [self.exact[key]])]

    def near(self, key: str, limit: int) -> list[Candidate]:
        keys, forms = self._forms
        if len(keys) < len(self.exact):
            keys = list(self.exact)
            forms = [normalise(each) for each in keys]
            self._forms = (keys, forms)
        scorer = fuzz.WRatio if len(keys) <= _MOST_KEYS_IN_PARTS else fuzz.ratio
        found = process.extract(
            normalise(key), forms, scorer=scorer, limit=limit, score_cutoff=LEAST_SCORE, processor=None
        )
        pairs = [pair for _, score, place in found for pair in self._pairs(keys[place], float(score))]
        return pairs[:limit]


class Index:
    """A table's rows by key. A key that stands there with two values is ambiguous; rows without key or value don't count.

    With `within`, keys belong to their outer values. Values that are numbers and their texts are one key. `watch` is
    told of the rows' fields.
    """

    def __init__(self, settings: LookupSettings, watch: FieldWatch) -> None:
        self._is_normalised = settings.match == "normalised"
        self._watch = watch
        self._by_outer: dict[str, _Values] = {}
        self.rows = 0

    def add(self, rows: Iterable[JsonObject]) -> None:
        read = self._watch.read
        for row in rows:
            self.rows += 1
            key, value, outer = read(row)
            if not (key is NOTHING or value is NOTHING or value is None or value == ""):
                self._put(key, value, outer)

    def add_pairs(self, pairs: Iterable[tuple[str, Any]]) -> None:
        for key, value in pairs:
            self.rows += 1
            self._put(key, value, None)

    def check(self) -> None:
        """Raises ConfigError where rows came, and none of them had one of the fields that the look-up names."""
        self._watch.check()

    def _put(self, key: Any, value: Any, outer: Any) -> None:
        try:
            text, outer_text = text_of(key), text_of(outer) or ""
        except TypeError:  # a list or an object, which no value of a record equals
            return
        if text is None:
            return
        values = self._by_outer.get(outer_text)
        if values is None:
            values = self._by_outer[sys.intern(outer_text)] = _Values(is_normalised=self._is_normalised)
        values.put(text, value)

    def values(self, outer: str | None = None) -> Iterator[Any]:
        """All values, those of one outer value alone where it is named."""
        found = self._by_outer.values() if outer is None else filter(None, (self._by_outer.get(outer),))
        for each in found:
            yield from each.exact.values()
            for several in each.several.values():
                yield from several

    @property
    def outers(self) -> Collection[str]:
        """The outer values that any row has; "" alone where there is no `within`."""
        return self._by_outer.keys()

    def find(self, key: str, outer: str | None = None) -> Any:
        """The value; NOTHING where the key is not there, Ambiguous where it could mean several."""
        values = self._by_outer.get(outer or "")
        return NOTHING if values is None else values.find(key)

    def candidates(
        self, key: str, outer: str | None = None, limit: int = MOST_CANDIDATES
    ) -> tuple[Candidate, ...]:
        """The keys that a value could mean, the nearest first: to be proposed, never taken."""
        values = self._by_outer.get(outer or "")
        if values is None:
            return ()
        found = values.find(key)
        return found.candidates[:limit] if isinstance(found, Ambiguous) else tuple(values.near(key, limit))

    def size(self, outer: str | None = None) -> int:
        """How many keys `candidates` goes through."""
        values = self._by_outer.get(outer or "")
        return 0 if values is None else len(values.exact)

    @property
    def ambiguous(self) -> int:
        """How many keys stand there with several values."""
        return sum(len(values.several) for values in self._by_outer.values())
