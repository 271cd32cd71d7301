"""Rows that stand in the target lists before anybody writes to them: another tool's, an earlier try's, or doubled ones."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from bulkmove.sandbox.external_store import ExternalStore
from bulkmove.sandbox.products import Product
from bulkmove.sandbox.robosize_store import RowStore

# 2023-01-01: long before any test, and the rows rise from there so that the list stays in order of time.
_FIRST_CREATED_S = 1_672_531_200.0


@dataclass(frozen=True, slots=True)
class Prefill:
    """How many foreign rows, the keys of matching ones, and how many of those are there twice."""

    seed: int
    foreign: int
    matching: Sequence[str]
    doubled: int
    products: Sequence[Product]

    def keys(self) -> list[str | None]:
        """The natural keys to store, in a seeded order; foreign ones look like a bank's references, some are none."""
        rng = random.Random(f"prefill {self.seed}")
        keys: list[str | None] = [
            None if rng.random() < 0.05 else f"{rng.randrange(10**12):012}" for _ in range(self.foreign)
        ]
        keys += [*self.matching, *self.matching[: self.doubled]]
        rng.shuffle(keys)
        return keys


def prefill_external(store: ExternalStore, prefill: Prefill) -> None:
    rng = random.Random(f"prefill external {prefill.seed}")
    for number, rrn in enumerate(prefill.keys()):
        items = [
            {
                "order_status": rng.choice(("done", "new")),
                "quantity": 1,
                "product": rng.choice(prefill.products).new_id,
            }
            for _ in range(rng.randint(1, 2))
        ]
        row = store.create(
            {"rrn": rrn, "shop": 2, "order_items": items}, created_s=_FIRST_CREATED_S + number * 7 // 3
        )
        row.writes = 0


def prefill_robosize(store: RowStore, prefill: Prefill) -> None:
    for number, key in enumerate(prefill.keys()):
        store.add({"store_id": key or f"w-{number}", "data": {"source": "widget"}, "recommendations": []})
