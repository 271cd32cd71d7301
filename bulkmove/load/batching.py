"""Bodies gathered into what one request carries. Pure: no clock, no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bulkmove.entries import Item
from bulkmove.load.dividing import FEWEST_BODIES, Divided, divide
from bulkmove.load.division import Division
from bulkmove.model import Action, BatchRule, Shape

# An array's bytes are bounded as well as its count: servers refuse large bodies (nginx: 1 MiB by default).
MAX_BATCH_BYTES = 900_000
# Distinct changes that may wait to be joined with equal ones, over all pages.
MAX_WAITING = 50_000
# To divide more than so many takes longer than whoever else is on the event loop should wait.
MOST_AT_ONCE = 2_000
# So many times sent with others, and settled by nothing, a body goes alone.
ATTEMPTS_IN_COMPANY = 5
# What stands between two bodies of an array, or around an id of a joined change.
_BETWEEN_BODIES, _AROUND_AN_ID = 1, 3


@dataclass(frozen=True, slots=True)
class Batch:
    """What one request carries: items of one action; for a joined change all items have the same body.

    `division`: the items are pieces of bodies that were divided.
    """

    action: Action
    items: Sequence[Item]
    division: Division | None = None


# Told of changes that are joined as they go out: requests beyond the fewest possible, and items that go in more than one.
Told = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Undivided:
    """Changes that are to be divided: in a thread, where they are too many for the event loop.

    Nothing else knows of them any more: `divide` may be called in another thread, and what it found goes to `batches`.
    """

    action: Action
    groups: Sequence[Sequence[Item]]
    max_items: int
    told: Told | None

    def divide(self) -> Divided:
        return divide(self.groups, self.max_items, tells_least=self.told is not None)

    def batches(self, found: Divided) -> Iterator[Batch]:
        if self.told is not None:
            carried = sum(map(len, (*found.whole, *found.pieces)))
            of_all = sum(map(len, self.groups))
            self.told(len(found.whole) + len(found.pieces) - found.least, carried - of_all)
        division = Division()
        division.begin(self.groups, found.pieces)
        yield from (Batch(self.action, group) for group in found.whole)
        yield from (Batch(self.action, piece, division) for piece in found.pieces)


@dataclass(slots=True)
class SizeLimit:
    """The most bytes that are sent to a list in one request: less than what it ever refused as too large.

    Bytes are those of the bodies and, in a joined change, of the ids. One body goes whatever its size is.
    """

    most_bytes: int = MAX_BATCH_BYTES

    def refused(self, size: int, *, count: int) -> None:
        """A request of this size was refused. Half of it is tried next, so that a few requests find what goes through.

        A body that was refused alone tells of itself: others keep below it.
        """
        most = size // 2 if count > 1 else size - 1
        self.most_bytes = max(1, min(self.most_bytes, most))


def size_of(items: Sequence[Item], shape: Shape) -> int:
    """The bytes of a request that carries these items."""
    if shape == "joined":
        return len(items[0].encoded) + sum(_share(item, shape) for item in items)
    return sum(_share(item, shape) for item in items)


def _share(item: Item, shape: Shape) -> int:
    """What one more item adds to a request."""
    if shape == "joined":
        return len(item.target_id or "") + _AROUND_AN_ID
    return len(item.encoded) + _BETWEEN_BODIES


def within(items: Sequence[Item], shape: Shape, limit: SizeLimit) -> Iterator[Sequence[Item]]:
    """The items in their order, in as many requests as the limit of size asks for; one alone may be larger.

    Of what is learnt between two of them the next one knows.
    """
    part: list[Item] = []
    size = 0
    for item in items:
        share = _share(item, shape)
        if part and size + share > limit.most_bytes:
            yield part
            part = []
        if not part:
            size = len(item.encoded) if shape == "joined" else 0
        part.append(item)
        size += share
    if part:
        yield part


def size_after(max_items: int, attempts: int) -> int:
    """How many items may share a request that nothing settled `attempts` times: ever fewer, so that a bad one is found."""
    if attempts >= ATTEMPTS_IN_COMPANY:
        return 1
    return max(1, max_items >> attempts)


class ArrayBatcher:
    """Fills requests with consecutive bodies."""

    def __init__(self, action: Action, max_items: int, size: SizeLimit) -> None:
        self._action: Action = action
        self._max_items = max_items
        self._size = size
        self._items: list[Item] = []
        self._bytes = 0
        self._limit = max_items

    def add(self, item: Item) -> Iterator[Batch]:
        """The batches that the item completes, none or more."""
        limit = size_after(self._max_items, item.attempts) if item.attempts else self._max_items
        share = len(item.encoded) + _BETWEEN_BODIES
        if self._items and (limit != self._limit or self._bytes + share > self._size.most_bytes):
            yield from self.flush()
        self._limit = limit
        self._items.append(item)
        self._bytes += share
        if len(self._items) >= limit:
            yield from self.flush()

    def flush(self) -> Iterator[Batch]:
        if self._items:
            batch = Batch(self._action, self._items)
            self._items, self._bytes = [], 0
            yield batch


class Joiner:
    """Gathers the ids that get the same change, across pages, so that one request changes them all.

    What waits is divided by field where that takes fewer requests (`dividing`); not what was sent before: it goes whole.
    Where very much waits, it is given out as it is, to be divided elsewhere. What grows too large for one request is
    divided when it is sent.
    """

    def __init__(self, action: Action, max_items: int, told: Told | None = None) -> None:
        self._action: Action = action
        self._max_items = max_items
        self._told = told
        self._groups: dict[tuple[bytes, int], list[Item]] = {}
        self._waiting = 0

    def add(self, item: Item) -> Iterator[Batch | Undivided]:
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

    def flush(self) -> Iterator[Batch | Undivided]:
        groups, self._groups, self._waiting = self._groups, {}, 0
        fresh = [group for (_, limit), group in groups.items() if limit == self._max_items]
        if len(fresh) < FEWEST_BODIES or self._max_items == 1:
            yield from (Batch(self._action, group) for group in groups.values())
            return
        yield from (
            Batch(self._action, group) for (_, limit), group in groups.items() if limit < self._max_items
        )
        undivided = Undivided(self._action, fresh, self._max_items, self._told)
        if sum(map(len, fresh)) > MOST_AT_ONCE:
            yield undivided
        else:
            yield from undivided.batches(undivided.divide())


Batcher = ArrayBatcher | Joiner


def batcher_for(
    action: Action, rule: BatchRule, batch_size: int | None, *, size: SizeLimit, told: Told | None = None
) -> Batcher:
    """The batcher that a target's rule asks for; `batch_size` is the user's, and never goes beyond the rule."""
    items = rule.max_items if batch_size is None else min(batch_size, rule.max_items)
    match rule.shape:
        case "single":
            return ArrayBatcher(action, 1, size)
        case "array":
            return ArrayBatcher(action, items, size)
        case "joined":
            return Joiner(action, items, told)
