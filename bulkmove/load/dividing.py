"""Changes that wait to be joined, divided by field where that takes fewer requests. Pure.

Products may share their tags with many others and their type with many more, and hardly any both: then a request for
each value of the tags and one for each type change them all, where one for each pair of them would be more.

alone    whose body has a value that no other has needs a request of its own, and this one carries all of it
blocks   fields that go together, since to divide them would save nothing
peeling  the values that fewest share are taken out with their bodies, one after the other, and what was best is done
"""

from __future__ import annotations

import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import NamedTuple

import msgspec
import orjson

from bulkmove.entries import Item

# One that has two fields, and one for each of these fields: two requests change them all. Of fewer none is saved.
FEWEST_BODIES = 3
# What goes together is found by trying pairs; of bodies with more fields all do.
_MOST_FIELDS = 6

_Fields = dict[str, bytes]
_Block = tuple[str, ...]
_DECODER = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Divided(NamedTuple):
    """What changes all of some groups. `whole`: groups whose bodies go as they are; `pieces`: items with a part of theirs.

    `least`: no fewer requests can do it; it is 0 where nobody asked for it.
    """

    whole: list[Sequence[Item]]
    pieces: list[Sequence[Item]]
    least: int = 0


def divide(groups: Sequence[Sequence[Item]], max_items: int, *, tells_least: bool = False) -> Divided:
    """Each group is of one body, each piece of at most `max_items`; every field of a divided body is in one of them."""
    bodies = [_fields_of(group[0].encoded) for group in groups]
    work = _Work(bodies, [len(group) for group in groups], max_items)
    alone = _alone(bodies)
    alone.update(number for number, body in enumerate(bodies) if not body)
    live = [number for number in range(len(groups)) if number not in alone]
    blocks = work.blocks(live) if len(live) >= FEWEST_BODIES else []
    divided = work.peel(live, blocks) if len(blocks) > 1 else set()
    pieces = _pieces(work, groups, sorted(divided), blocks)
    whole = [group for number, group in enumerate(groups) if number not in divided]
    if not tells_least:
        return Divided(whole, pieces)
    least = sum(map(work.requests, sorted(alone))) + work.least(live, blocks)
    return Divided(whole, pieces, least)


def _fields_of(encoded: bytes) -> _Fields:
    return {name: bytes(raw) for name, raw in _DECODER.decode(encoded).items()}


def _alone(bodies: Sequence[_Fields]) -> set[int]:
    """Bodies with a value that no other has, among those that are left."""
    count, numbers = Counter[tuple[str, bytes]](), Counter[tuple[str, bytes]]()
    for number, body in enumerate(bodies):
        for each in body.items():
            count[each] += 1
            numbers[each] += number
    due = [numbers[each] for each, held in count.items() if held == 1]
    alone: set[int] = set()
    while due:
        number = due.pop()
        if number in alone:
            continue
        alone.add(number)
        for each in bodies[number].items():
            count[each] -= 1
            numbers[each] -= number
            if count[each] == 1:
                due.append(numbers[each])
    return alone


class _Work:
    """Distinct bodies by number, how many items have each, and how many one request carries."""

    def __init__(self, bodies: Sequence[_Fields], counts: Sequence[int], max_items: int) -> None:
        self.max_items = max_items
        self._bodies = bodies
        self.counts = counts
        self._columns: dict[_Block, list[int]] = {}

    def requests(self, number: int) -> int:
        return math.ceil(self.counts[number] / self.max_items)

    def names(self, numbers: Iterable[int]) -> list[str]:
        return sorted({name for number in numbers for name in self._bodies[number]})

    def fields(self, number: int, block: _Block) -> _Fields:
        """What a body has of a block."""
        body = self._bodies[number]
        return {name: body[name] for name in block if name in body}

    def column(self, block: _Block) -> list[int]:
        """For each body a number of what it has of a block: equal where that is, 0 where it has none of its fields."""
        if block not in self._columns:
            if len(block) == 1:
                (name,) = block
                parts: Iterable[object] = (body.get(name) for body in self._bodies)
                nothing: object = None
            else:
                parts = zip(*(self.column((name,)) for name in block), strict=True)
                nothing = (0,) * len(block)
            known: dict[object, int] = {nothing: 0}
            self._columns[block] = [known.setdefault(part, len(known)) for part in parts]
        return self._columns[block]

    def blocks(self, live: Sequence[int]) -> list[_Block]:
        """The fields, put together as long as that takes no more requests."""
        names = self.names(live)
        if len(names) > _MOST_FIELDS:
            return [tuple(names)]
        blocks: list[_Block] = [(name,) for name in names]
        known: dict[_Block, int] = {}

        def cost(block: _Block) -> int:
            if block not in known:
                known[block] = self.cost(live, block)
            return known[block]

        while len(blocks) > 1:
            more, one, other = min(
                (cost(one + other) - cost(one) - cost(other), one, other)
                for one, other in combinations(blocks, 2)
            )
            if more > 0:
                break
            blocks = [each for each in blocks if each not in (one, other)] + [one + other]
        return blocks

    def cost(self, live: Iterable[int], block: _Block) -> int:
        """Requests for the values of one block."""
        column, counts = self.column(block), self.counts
        items = Counter[int]()
        for number in live:
            items[column[number]] += counts[number]
        del items[0]
        return sum(math.ceil(count / self.max_items) for count in items.values())

    def peel(self, live: Sequence[int], blocks: Sequence[_Block]) -> set[int]:
        """The bodies that are divided by blocks; the others go whole."""
        values = _Values(self, live, blocks)
        left, whole = set(live), 0
        fewest, taken_then, taken = values.requests, 0, list[int]()
        due = [(count, *each) for each, count in values.held.items()]
        heapq.heapify(due)
        while due:
            count, place, value = heapq.heappop(due)
            if values.held[place, value] != count or not count:
                continue  # it changed since
            numbers = left.intersection(values.bodies[place, value])
            left -= numbers
            taken += numbers
            for each in values.remove(numbers):
                heapq.heappush(due, (values.held[each], *each))
            whole += sum(map(self.requests, numbers))
            if values.requests + whole <= fewest:
                fewest, taken_then = values.requests + whole, len(taken)
        return set(taken[taken_then:])

    def least(self, live: Sequence[int], blocks: Sequence[_Block]) -> int:
        """No fewer requests change these bodies, each of whose values others have, too.

        Each value of a field takes a request, or several where more items have it than one carries. And each field of a
        body may be given a weight so that no request can ever carry more than 1 in all: as many as all weigh are needed.
        """
        if not live:
            return 0
        by_name = {name: self.cost(live, (name,)) for name in self.names(live)}
        # Fields left out ask for fewer requests, never for more.
        of_blocks = [max(block, key=lambda name: by_name[name]) for block in blocks]
        several = (of_blocks, list(by_name)) if len(by_name) <= _MOST_FIELDS else (of_blocks,)
        return max(*by_name.values(), *(self._weighed(live, names) for names in several))

    def _weighed(self, live: Sequence[int], chosen: Sequence[str]) -> int:
        weights = {name: self._weights(live, name) for name in chosen}
        heaviest = dict.fromkeys(live, 1.0)
        for size in range(1, len(chosen) + 1):
            for some in combinations(chosen, size):
                column = self.column(some)
                total, most = defaultdict[int, float](float), dict[int, float]()
                for number in live:
                    each, weight = column[number], sum(weights[name][number] for name in some)
                    total[each] += weight * self.counts[number]
                    most[each] = max(most.get(each, 0.0), weight)
                for number in live:
                    each = column[number]
                    heaviest[number] = max(heaviest[number], min(total[each], most[each] * self.max_items))
        weighed = sum(
            weights[name][number] * self.counts[number] / heaviest[number]
            for number in live
            for name in chosen
        )
        return math.ceil(weighed - 1e-6)

    def _weights(self, live: Sequence[int], name: str) -> dict[int, float]:
        """Of one item: 1 in all for what a request can carry of its value."""
        column, items = self.column((name,)), Counter[int]()
        for number in live:
            items[column[number]] += self.counts[number]
        return {
            number: 1 / min(items[column[number]], self.max_items) if column[number] else 0.0
            for number in live
        }


class _Values:
    """What bodies have in each block: how many of the bodies that are left, and of their items, have it."""

    def __init__(self, work: _Work, live: Sequence[int], blocks: Sequence[_Block]) -> None:
        self._work = work
        self._columns = [work.column(block) for block in blocks]
        self.bodies: dict[tuple[int, int], list[int]] = defaultdict(list)
        self._items = Counter[tuple[int, int]]()
        for place, column in enumerate(self._columns):
            for number in live:
                if value := column[number]:
                    self.bodies[place, value].append(number)
                    self._items[place, value] += work.counts[number]
        self.held = {each: len(numbers) for each, numbers in self.bodies.items()}
        self.requests = sum(math.ceil(count / work.max_items) for count in self._items.values())

    def remove(self, numbers: Iterable[int]) -> set[tuple[int, int]]:
        """What bodies that are left no more had."""
        changed: set[tuple[int, int]] = set()
        for number in numbers:
            for place, column in enumerate(self._columns):
                if value := column[number]:
                    each = (place, value)
                    changed.add(each)
                    self.held[each] -= 1
                    self.requests -= math.ceil(self._items[each] / self._work.max_items)
                    self._items[each] -= self._work.counts[number]
                    self.requests += math.ceil(self._items[each] / self._work.max_items)
        return changed


def _pieces(
    work: _Work, groups: Sequence[Sequence[Item]], divided: Sequence[int], blocks: Sequence[_Block]
) -> list[Sequence[Item]]:
    found: list[Sequence[Item]] = []
    for block in blocks if divided else ():
        column, numbers_of = work.column(block), defaultdict[int, list[int]](list)
        for number in divided:
            if column[number]:
                numbers_of[column[number]].append(number)
        for numbers in numbers_of.values():
            fields = work.fields(numbers[0], block)
            encoded = b"{" + b",".join(orjson.dumps(name) + b":" + raw for name, raw in fields.items()) + b"}"
            items = [
                item._replace(encoded=encoded, body={name: item.body[name] for name in fields})
                for number in numbers
                for item in groups[number]
            ]
            found += [items[start : start + work.max_items] for start in range(0, len(items), work.max_items)]
    return found
