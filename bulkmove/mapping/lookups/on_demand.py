"""A look-up that asks its host for single values: each once, however many records have it, and as long as it is kept."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import anyio

from bulkmove.errors import BulkmoveError, RejectRecordError
from bulkmove.mapping.lookups.asking import STAND_IN, StandIn, current
from bulkmove.mapping.lookups.endings import Endings
from bulkmove.mapping.lookups.index import Ambiguous, Candidate, Index
from bulkmove.mapping.lookups.keys import NOTHING, FieldWatch, text_of
from bulkmove.mapping.lookups.normal import normalise
from bulkmove.model import JsonObject

# Rows that are kept, over all values; a value without a row counts as one.
MOST_KEPT = 100_000
# Rows that a search brought beside those that match: what a person may have meant.
_MOST_NEAR = 20
# Fewer rows may all lack a field that others have.
_ROWS_TO_JUDGE_BY = 20

Ask = Callable[[str], Awaitable[Sequence[JsonObject]]]


class _Flight:
    """A request under way for one need, and how it ended."""

    __slots__ = ("ended", "error")

    def __init__(self) -> None:
        self.ended = anyio.Event()
        self.error: BulkmoveError | None = None


class OnDemandLookup:
    """What is needed for a value is its own text (a search), or its outer value (`by_outer`: all rows within it).

    `ask` gets the rows for a need. Those that ask for one need at the same time wait for one request; what was not
    found is kept too.
    """

    def __init__(
        self, ask: Ask, endings: Endings, *, named: str, by_outer: bool, most_kept: int = MOST_KEPT
    ) -> None:
        self.endings = endings
        self._ask = ask
        self._by_outer = by_outer
        self._watch = FieldWatch(endings.settings, named)
        self._kept: OrderedDict[str, Index] = OrderedDict()
        self._size = 0
        self._most_kept = most_kept
        self._flights: dict[str, _Flight] = {}

    def resolve(self, key: object) -> Any:
        """For mappers that may be called again for a record: a stand-in where the host has to be asked first."""
        asking = current()
        name = self.endings.settings.name
        if asking is None or not asking.can_repeat:
            raise RejectRecordError(
                f"lookups.{name} is asked on demand, which a plain function can't wait for: make the mapper `async def`"
                f' and use `await context.find`, or set lookups.{name}.load = "whole"',
                cause="on-demand",
            )
        asked = self.endings.asked(key)
        if asked is None or isinstance(asked, StandIn):
            return asked
        outer, text = asked
        if (decided := self.endings.decided(outer, text)) is not NOTHING:
            return decided
        need = self._need(outer, text)
        index = asking.answers.get((self, need)) or self._at_hand(need)
        if index is None:
            asking.need((self, need))
            return STAND_IN
        return self._settled(outer, text, index)

    async def find(self, key: object) -> Any:
        """Raises what `resolve` raises, and what the host's transport does; the latter is no fault of the record."""
        asked = self.endings.asked(key)
        if asked is None or isinstance(asked, StandIn):
            return asked
        outer, text = asked
        if (decided := self.endings.decided(outer, text)) is not NOTHING:
            return decided
        try:
            index = await self.fetch(self._need(outer, text))
        except BulkmoveError as error:
            if (asking := current()) is not None:
                asking.fail(error)
            raise
        return self._settled(outer, text, index)

    def candidates(self, value: str, within: str | None) -> tuple[Candidate, ...]:
        index = self._at_hand(self._need(within, value))
        return () if index is None else index.candidates(value, within)

    def size(self, value: str, within: str | None) -> int:
        index = self._at_hand(self._need(within, value))
        return 0 if index is None else index.size(within)

    async def fetch(self, need: str) -> Index:
        """The rows for a need: kept, or asked for now, in one request for all who wait for it."""
        while True:
            if (index := self._at_hand(need)) is not None:
                return index
            flight = self._flights.get(need)
            if flight is None:
                return await self._fly(need)
            await flight.ended.wait()
            if flight.error is not None:
                raise flight.error
            # Ended without rows and without an error: who asked was cancelled, so that the next one asks.

    async def _fly(self, need: str) -> Index:
        flight = self._flights[need] = _Flight()
        try:
            # Nothing stands within no value at all.
            rows = await self._ask(need) if need else ()
            index = Index(self.endings.settings, self._watch)
            index.add(rows if self._by_outer else self._kept_rows(need, rows))
            self._watch.check(least_rows=_ROWS_TO_JUDGE_BY)
            self._keep(need, index)
        except BulkmoveError as error:
            flight.error = error
            raise
        finally:
            del self._flights[need]
            flight.ended.set()
        return index

    def _kept_rows(self, text: str, rows: Sequence[JsonObject]) -> Iterable[JsonObject]:
        """The rows whose key is the text by the look-up's own rule, and a few others: a host searches in its own way."""
        form = normalise(text) if self.endings.settings.match == "normalised" else None
        near = 0
        for row in rows:
            try:
                key = text_of(self._watch.read(row)[0])
            except TypeError:
                continue
            if key is not None and key != text and (form is None or normalise(key) != form):
                near += 1
                if near > _MOST_NEAR:
                    continue
            yield row

    def _need(self, outer: str | None, text: str) -> str:
        return outer or "" if self._by_outer else text

    def _settled(self, outer: str | None, text: str, index: Index) -> Any:
        found = index.find(text, outer)
        if found is NOTHING or isinstance(found, Ambiguous):
            return self.endings.missed(outer, text, found)
        # Whoever changes it in one body must not change it in all.
        return copy.deepcopy(found) if isinstance(found, dict | list) else found

    def _at_hand(self, need: str) -> Index | None:
        index = self._kept.get(need)
        if index is not None:
            try:
                self._kept.move_to_end(need)
            except KeyError:  # a mapper in a thread looks while the loop makes room
                return index
        return index

    def _keep(self, need: str, index: Index) -> None:
        self._kept[need] = index
        self._size += index.rows or 1
        while self._size > self._most_kept and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)
            self._size -= oldest.rows or 1
