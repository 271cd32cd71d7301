"""A target that is read but never written: what a dry run writes to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bulkmove.model import BatchRule, JsonObject, Verdict, WriteItem, WriteResult
from bulkmove.protocols import Source, Target


class RehearsedTarget:
    """Implements `bulkmove.protocols.Target`: says of every body that it was written, and sends nothing.

    What would be created gets an id that says so, for routes that ask for it.
    """

    def __init__(self, target: Target, on_write: Callable[[Sequence[WriteItem]], None] | None = None) -> None:
        """`on_write`: is told what each request would have carried."""
        self.rehearsed = target
        self._on_write = on_write
        self._created = 0

    @property
    def id_field(self) -> str:
        return self.rehearsed.id_field

    @property
    def natural_key(self) -> str:
        return self.rehearsed.natural_key

    @property
    def rules(self) -> Mapping[str, BatchRule]:
        return self.rehearsed.rules

    @property
    def never_returned(self) -> frozenset[str]:
        return self.rehearsed.never_returned

    def list(self) -> Source:
        return self.rehearsed.list()

    def comparable(self, row: JsonObject) -> JsonObject:
        return self.rehearsed.comparable(row)

    async def write(self, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        if self._on_write is not None:
            self._on_write(items)
        return [WriteResult(Verdict.WRITTEN, target_id=item.target_id or self._next_id()) for item in items]

    def _next_id(self) -> str:
        self._created += 1
        return f"dry-run-{self._created}"
