"""What a mapper is told beside its record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from bulkmove.mapping.lookups.resolver import Lookup

TargetIds = Callable[[str, str], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class RouteContext:
    """Implements `bulkmove.protocols.MapContext` for one route.

    `tables` were loaded at the start, from the files that options name. `ids_of` asks the ledger for what a record of
    another route became. `lookups` are those of the configuration, by their names and by the options that name them.
    """

    route: str
    options: Mapping[str, Any]
    tables: Mapping[str, Mapping[str, str]]
    ids_of: TargetIds
    lookups: Mapping[str, Lookup] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def is_collecting(self) -> bool:
        """Whether its look-ups put down what they lack, in place of rejecting the record."""
        return any(each.endings.is_collecting for each in self.lookups.values())

    def lookup(self, name: str, key: object) -> Any:
        """Raises KeyError for a table that is not there, and what the look-up raises."""
        if (found := self.lookups.get(name)) is not None:
            return found.resolve(key)
        return self._in_table(name, key)

    async def find(self, name: str, key: object) -> Any:
        if (found := self.lookups.get(name)) is not None:
            return await found.find(key)
        return self._in_table(name, key)

    def _in_table(self, name: str, key: object) -> Any:
        if (table := self.tables.get(name)) is None:
            known = ", ".join(sorted({*self.tables, *self.lookups}))
            raise KeyError(
                f"no table {name!r} was loaded ({f'there are {known}' if known else 'there is none'}): write a [lookups.{name}],"
                f" or set options.{name} to a CSV file with two columns"
            )
        # Such a table has one value a key, whatever it is within.
        return table.get(str(key[1] if isinstance(key, tuple) and len(key) == 2 else key))

    def target_id(self, route: str, source_id: str) -> str | None:
        ids = self.target_ids(route, source_id)
        return ids[0] if ids else None

    def target_ids(self, route: str, source_id: str) -> tuple[str, ...]:
        return self.ids_of(route, str(source_id))
