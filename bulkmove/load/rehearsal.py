"""A target that is read but never written: what a dry run writes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bulkmove.model import BatchRule, JsonObject, Verdict, WriteItem, WriteResult
from bulkmove.protocols import Source, Target


class RehearsedTarget:
    """Implements `bulkmove.protocols.Target`: says of every body that it was written, and sends nothing.

    What would be created gets an id that says so, for routes that ask for it.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._created = 0

    @property
    def id_field(self) -> str:
        return self._target.id_field

    @property
    def natural_key(self) -> str:
        return self._target.natural_key

    @property
    def rules(self) -> Mapping[str, BatchRule]:
        return self._target.rules

    @property
    def never_returned(self) -> frozenset[str]:
        return self._target.never_returned

    def list(self) -> Source:
        return self._target.list()

    def comparable(self, row: JsonObject) -> JsonObject:
        return self._target.comparable(row)

    async def write(self, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        return [WriteResult(Verdict.WRITTEN, target_id=item.target_id or self._next_id()) for item in items]

    def _next_id(self) -> str:
        self._created += 1
        return f"dry-run-{self._created}"
