"""Derived streams: the rows that a route moves are made of the records that its source reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from bulkmove.events import RecordsExpected
from bulkmove.exact import name_of_content
from bulkmove.model import JsonObject, Listing, Record
from bulkmove.protocols import MapContext, Mapper
from tests.doubles import Shop
from tests.trial import Trial

# 60 orders of three lines each name the 20 products p0 to p19, each of them several times.
PRODUCTS = [f"p{n}" for n in range(20)]
ORDERS: list[JsonObject] = [
    {"key": f"k{n:03}", "at": 1000 + n, "lines": [PRODUCTS[(n + step) % 20] for step in (0, 7, 7)]}
    for n in range(60)
]


def products_of(order: Record) -> Sequence[Record]:
    return [Record(id=sku, key=None, version=None, data={"id": sku}) for sku in order.data["lines"]]


def as_row(record: JsonObject, _: MapContext) -> JsonObject:
    return {"key": record["id"]}


def derived(directory: Path, shops: dict[str, Shop], mapper: Mapper = as_row) -> Trial:
    trial = Trial(directory, shops).route(mapper=mapper)
    plan = trial.routes["rows"]
    trial.routes["rows"] = replace(plan, source=replace(plan.source, derive=products_of))
    return trial


def shops(
    reading: Any = "passes", orders: Sequence[JsonObject] = ORDERS, *, page: int = 10
) -> dict[str, Shop]:
    return {"old": Shop.of(orders, listing=Listing(reading, page)), "new": Shop()}


@pytest.mark.parametrize("reading", ["passes", "keyset"])
async def test_each_distinct_row_is_moved_once_and_the_counts_are_of_rows(
    tmp_path: Path, reading: Any
) -> None:
    made = shops(reading)
    trial = derived(tmp_path, made)
    summary = await trial.run()
    assert made["new"].values("key") == sorted(PRODUCTS)
    counts = summary.routes["rows"]
    assert (summary.exit_code, counts.read, counts.written) == (0, 20, 20)
    assert sorted(trial.mapped) == sorted(("rows", sku) for sku in PRODUCTS)


async def test_the_count_of_the_records_is_not_told_as_that_of_the_rows(tmp_path: Path) -> None:
    trial = derived(tmp_path, shops("keyset"))
    await trial.run()
    assert not [event for event in trial.events if isinstance(event, RecordsExpected)]
    plain = Trial(tmp_path / "plain", shops("keyset")).route(mapper=lambda r, _: {"key": r["key"]})
    plain.directory.mkdir()
    await plain.run()
    assert [event for event in plain.events if isinstance(event, RecordsExpected)]


@pytest.mark.parametrize("reading", ["passes", "keyset"])
async def test_a_run_that_was_stopped_goes_on_and_maps_no_row_twice(tmp_path: Path, reading: Any) -> None:
    made = shops(reading, page=2)
    stop = anyio.Event()

    def as_row_of_the_first_page(record: JsonObject, context: MapContext) -> JsonObject:
        stop.set()
        return as_row(record, context)

    trial = derived(tmp_path, made, as_row_of_the_first_page)
    await trial.run(stop=stop)
    assert 0 < len(trial.mapped) < 20
    await trial.run(limit=3)
    summary = await trial.run()
    assert made["new"].values("key") == sorted(PRODUCTS)
    assert len(trial.mapped) == 20
    assert summary.routes["rows"].written == 20


async def test_a_record_whose_rows_can_not_be_told_is_one_rejected_record(tmp_path: Path) -> None:
    odd = {"key": "odd", "at": 1000, "lines": None}
    made = shops(orders=[*ORDERS[:30], odd, *ORDERS[30:]])
    trial = derived(tmp_path, made)
    await trial.run(limit=5)
    summary = await trial.run()
    assert made["new"].values("key") == sorted(PRODUCTS)
    assert (summary.routes["rows"].read, summary.routes["rows"].rejected) == (21, 1)
    (failure,) = await trial.failures()
    assert (failure.cause, failure.source_id) == ("not-derived", name_of_content({**odd, "id": "31"}))
    assert "record 31" in failure.message
