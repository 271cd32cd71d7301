"""All look-ups of one run, shared by its routes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from bulkmove.mapping.lookups.collecting import Collector, Unresolved
from bulkmove.mapping.lookups.decisions import Decisions
from bulkmove.mapping.lookups.endings import Endings
from bulkmove.mapping.lookups.index import Candidate, Index
from bulkmove.mapping.lookups.on_demand import MOST_KEPT, Ask, OnDemandLookup
from bulkmove.mapping.lookups.whole import WholeLookup
from bulkmove.settings import LookupSettings

DECISIONS_FILE = "decisions.toml"
# A second for each million, where the tables are short, a tenth of it where they are long.
MOST_COMPARED = 30_000_000


class Lookup(Protocol):
    """One look-up, wherever its rows are."""

    endings: Endings

    def resolve(self, key: object) -> Any:
        """What a value becomes, at once. See `WholeLookup` and `OnDemandLookup` for what it raises."""
        ...

    async def find(self, key: object) -> Any: ...

    def candidates(self, value: str, within: str | None) -> tuple[Candidate, ...]: ...

    def size(self, value: str, within: str | None) -> int:
        """How many keys `candidates` goes through."""
        ...


class Lookups:
    """The look-ups that were opened, by name.

    `collecting`: a value that does not resolve is put down (`unresolved`), and a stand-in given in place of a
    rejection, so that one reading of the source finds all of them. `decided_in`: the decisions' file, for messages.
    """

    def __init__(
        self,
        decisions: Decisions | None = None,
        *,
        collecting: bool = False,
        decided_in: str = DECISIONS_FILE,
    ) -> None:
        self._decisions = decisions if decisions is not None else Decisions()
        self._decided_in = decided_in
        self._collector = Collector() if collecting else None
        self._lookups: dict[str, Lookup] = {}

    def add_whole(self, settings: LookupSettings, index: Index) -> None:
        self._lookups[settings.name] = WholeLookup(index, self._endings(settings))

    def add_on_demand(
        self, settings: LookupSettings, ask: Ask, *, named: str, by_outer: bool, most_kept: int = MOST_KEPT
    ) -> None:
        self._lookups[settings.name] = OnDemandLookup(
            ask, self._endings(settings), named=named, by_outer=by_outer, most_kept=most_kept
        )

    def _endings(self, settings: LookupSettings) -> Endings:
        return Endings(settings, self._decisions, decided_in=self._decided_in, collector=self._collector)

    def resolve(self, name: str, key: object) -> Any:
        return self._lookups[name].resolve(key)

    async def find(self, name: str, key: object) -> Any:
        return await self._lookups[name].find(key)

    def of_route(self, names: Mapping[str, str]) -> Mapping[str, Lookup]:
        """The look-ups that a mapper may ask, by the names that it asks by; `names` says which is which."""
        return {alias: self._lookups[name] for alias, name in names.items() if name in self._lookups}

    def unresolved(self, *, most_compared: int = MOST_COMPARED) -> list[Unresolved]:
        """All values that did not resolve, those of most records first, with proposals.

        Proposals are made as long as no more than `most_compared` keys are gone through. May take seconds: blocks.
        """
        found: list[Unresolved] = []
        for miss, records, first_id in self._collector.counted() if self._collector is not None else ():
            lookup = self._lookups[miss.lookup]
            most_compared -= lookup.size(miss.value, miss.within)
            found.append(
                Unresolved(
                    lookup=miss.lookup,
                    value=miss.value,
                    within=miss.within,
                    records=records,
                    first_id=first_id,
                    becomes=lookup.endings.becomes,
                    is_ambiguous=miss.is_ambiguous,
                    candidates=lookup.candidates(miss.value, miss.within) if most_compared >= 0 else (),
                )
            )
        return found

    @property
    def left_out(self) -> int:
        """How often a value was met that found no place among the unresolved ones."""
        return 0 if self._collector is None else self._collector.left_out
