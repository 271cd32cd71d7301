"""Trials of the doubles that tests are made with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bulkmove.extract.testing import T0, Habits, MovingList, QuietList, Row
from bulkmove.model import JsonObject, Listing, Reading
from bulkmove.testing import SourceTrial, TargetTrial
from tests.conformance.ours import SourceOpener, TargetOpener
from tests.doubles import ARRAY, JOINED, SINGLE, Shop, ShopSource, ShopTarget


def some_rows(count: int = 40) -> list[Row]:
    """Two of each second."""
    return [Row(f"row-{number}", T0 + number // 2) for number in range(count)]


def moving_list(reading: Reading) -> SourceOpener:
    @asynccontextmanager
    async def opener() -> AsyncIterator[SourceTrial]:
        rows = some_rows()
        habits = Habits(reading=reading, page_limit=50, latency_s=0.001)
        yield SourceTrial(MovingList(habits, rows), [row.id for row in rows])

    return opener


@asynccontextmanager
async def quiet_list() -> AsyncIterator[SourceTrial]:
    rows = some_rows()
    yield SourceTrial(QuietList(Habits(page_limit=50), rows), [row.id for row in rows])


def shop_in_memory(reading: Reading) -> SourceOpener:
    @asynccontextmanager
    async def opener() -> AsyncIterator[SourceTrial]:
        shop = Shop.of(
            ({"key": f"k{n}", "at": T0 + n // 2} for n in range(40)), listing=Listing(reading, 100)
        )
        yield SourceTrial(ShopSource(shop), list(shop.rows))

    return opener


def shop_target(shape: str) -> TargetOpener:
    @asynccontextmanager
    async def opener() -> AsyncIterator[TargetTrial]:
        rules = {"single": SINGLE, "array": ARRAY, "joined": JOINED}[shape]
        bodies: list[JsonObject] = [{"key": f"k{n}", "value": n, "note": "as it was"} for n in range(6)]
        yield TargetTrial(ShopTarget(Shop(rules=rules)), bodies, change=lambda _: {"note": "changed"})

    return opener
