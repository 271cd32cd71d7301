"""A mapper, and what it is told beside its record."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol

from bulkmove.model import (
    JsonObject,
)


class MapContext(Protocol):
    """What a mapper is told beside its record.

    `lookup` reads a table that was loaded at the start: `[lookups.NAME]`, or a CSV file that the option NAME names.
    A key is text or a number; with `within`, it is a pair of the outer value and the key. It raises KeyError for a
    table that is not there. For a key that the table lacks it does what `missing` of the look-up says (None, its
    default, or RejectRecordError), and returns None where it is an option's file. `find` is `lookup` for tables
    that are asked on demand too. `target_id` is the id that a record of another route (named in `after`)
    got on its target, None where it was not written; `target_ids` all of them, where it became several.
    """

    @property
    def route(self) -> str: ...

    @property
    def options(self) -> Mapping[str, Any]: ...

    def lookup(self, name: str, key: object) -> Any: ...

    async def find(self, name: str, key: object) -> Any: ...

    def target_id(self, route: str, source_id: str) -> str | None: ...

    def target_ids(self, route: str, source_id: str) -> tuple[str, ...]: ...


Mapped = JsonObject | Iterable[JsonObject] | None
Mapper = Callable[[JsonObject, MapContext], Mapped | Awaitable[Mapped]]
