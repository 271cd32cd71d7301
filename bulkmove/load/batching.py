"""Bodies gathered into what one request carries. Pure: no clock, no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bulkmove.entries import Item
from bulkmove.model import Action, BatchRule

# An array's bytes are bounded as well as its count: servers refuse large bodies (nginx: 1 MiB by default).
MAX_BATCH_BYTES = 900_000
# Distinct changes that may wait to be joined with equal ones, over all pages.
MAX_WAITING = 50_000
_FEWEST_ATTEMPTS_ALONE = 5


@dataclass(frozen=True, slots=True)
class Batch:
    """What one request carries: items of one action; for a joined change all items have the same body."""

    action: Action
    items: Sequence[Item]


def size_after(max_items: int, attempts: int) -> int:
    """How many items may share a request that nothing settled `attempts` times: ever fewer, so that a bad one is found."""
    if attempts >= _FEWEST_ATTEMPTS_ALONE:
        return 1
    return max(1, max_items >> attempts)


class ArrayBatcher:
    """Fills requests with consecutive bodies."""

    def __init__(self, action: Action, max_items: int) -> None:
        self._action: Action = action
        self._max_items = max_items
        self._items: list[Item] = []
        self._bytes = 0
        self._limit = max_items

    def add(self, item: Item) -> Iterator[Batch]:
        """The batches that the item completes, none or more."""
        limit = size_after(self._max_items, item.attempts)
        if self._items and (limit != self._limit or self._bytes + len(item.encoded) > MAX_BATCH_BYTES):
            yield from self.flush()
        self._limit = limit
        self._items.append(item)
        self._bytes += len(item.encoded) + 1
        if len(self._items) >= limit:
            yield from self.flush()

    def flush(self) -> Iterator[Batch]:
        if self._items:
            batch = Batch(self._action, self._items)
            self._items, self._bytes = [], 0
            yield batch


class Joiner:
    """Gathers the ids that get the same change, across pages, so that one request changes them all."""

    def __init__(self, action: Action, max_items: int) -> None:
        self._action: Action = action
        self._max_items = max_items
        self._groups: dict[tuple[bytes, int], list[Item]] = {}
        self._waiting = 0

    def add(self, item: Item) -> Iterator[Batch]:
        """The batches that the item completes: its own group when full, all groups when too many wait."""
        limit = size_after(self._max_items, item.attempts)
        group = self._groups.setdefault((item.encoded, limit), [])
        group.append(item)
        self._waiting += 1
        if len(group) >= limit:
            del self._groups[item.encoded, limit]
            self._waiting -= len(group)
            yield Batch(self._action, group)
        elif self._waiting >= MAX_WAITING:
            yield from self.flush()

    def flush(self) -> Iterator[Batch]:
        groups, self._groups, self._waiting = self._groups, {}, 0
        for group in groups.values():
            yield Batch(self._action, group)


Batcher = ArrayBatcher | Joiner


def batcher_for(action: Action, rule: BatchRule, batch_size: int | None) -> Batcher:
    """The batcher that a target's rule asks for; `batch_size` is the user's, and never goes beyond the rule."""
    size = rule.max_items if batch_size is None else min(batch_size, rule.max_items)
    match rule.shape:
        case "single":
            return ArrayBatcher(action, 1)
        case "array":
            return ArrayBatcher(action, size)
        case "joined":
            return Joiner(action, size)
