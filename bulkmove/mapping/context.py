"""What a mapper is told beside its record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

TargetIds = Callable[[str, str], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class RouteContext:
    """Implements `bulkmove.protocols.MapContext` for one route.

    `tables` were loaded at the start. `ids_of` asks the ledger for what a record of another route became.
    """

    route: str
    options: Mapping[str, Any]
    tables: Mapping[str, Mapping[str, str]]
    ids_of: TargetIds

    def lookup(self, name: str, key: object) -> Any:
        if (table := self.tables.get(name)) is None:
            raise KeyError(f"no table {name!r} was loaded: set options.{name} to a CSV file with two columns")
        return table.get(str(key))

    async def find(self, name: str, key: object) -> Any:
        return self.lookup(name, key)

    def target_id(self, route: str, source_id: str) -> str | None:
        ids = self.target_ids(route, source_id)
        return ids[0] if ids else None

    def target_ids(self, route: str, source_id: str) -> tuple[str, ...]:
        return self.ids_of(route, str(source_id))
