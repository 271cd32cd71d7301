"""A Bloom filter: it tells at once of most names that they were never put in, and never so of one that was."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from itertools import combinations

# Slots of 16 bits, three of which are a name's own: one look into memory tells. Of a million orders with their keys, one
# new name in two thousand is taken for an old one; of ten million, one in twenty.
_SLOTS = 1 << 23
_MASKS = tuple(sum(1 << bit for bit in bits) for bits in combinations(range(16), 3))[:512]
_MASK_AT = 40


class BloomFilter:
    """Of a fixed size, 16 MiB. Where a name belongs comes from Python's own hash of it: good within one process."""

    def __init__(self) -> None:
        self._slots = array("H", [0]) * _SLOTS

    def add(self, names: Iterable[str], salt: int) -> None:
        """`salt` keeps the names of one table from those of another."""
        slots, masks = self._slots, _MASKS
        for name in names:
            at = hash(name) ^ salt
            slots[at & _SLOTS - 1] |= masks[at >> _MASK_AT & 511]

    def candidates(self, names: Iterable[str], salt: int) -> list[str]:
        """Those of the names that may have been put in: all that were, and a few more."""
        slots, masks, last = self._slots, _MASKS, _SLOTS - 1
        return [
            name
            for name in names
            if (slot := slots[(at := hash(name) ^ salt) & last])
            and slot & (mask := masks[at >> _MASK_AT & 511]) == mask
        ]
