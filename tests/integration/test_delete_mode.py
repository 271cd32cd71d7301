"""Routes of mode "delete": rows are found by id or natural key and taken away, once, whatever they hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from bulkmove.errors import LedgerRefusedError, RequestFailedError
from bulkmove.events import Event, RecordsSettled
from bulkmove.model import JsonObject, Listing, Verdict, WriteItem, WriteResult
from bulkmove.protocols import MapContext
from tests.doubles import Shop
from tests.integration.moving import Job
from tests.trial import Trial


def by_id(record: JsonObject, _: MapContext) -> JsonObject:
    return {"id": record["goes"], "value": "of no matter", "never": {"a": "field"}}


def by_key(record: JsonObject, _: MapContext) -> JsonObject:
    return {"key": record["key"], "value": record["value"]}


async def take_away(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
    (item,) = items
    assert item.encoded == b"{}"
    if shop.rows.pop(item.target_id or "", None) is None:
        return [WriteResult(Verdict.UNCHANGED, target_id=item.target_id)]
    return [WriteResult(Verdict.WRITTEN, target_id=item.target_id)]


def shops(records: Sequence[JsonObject], rows: int, **old: Any) -> dict[str, Shop]:
    kept = [{"key": f"k{n}", "value": n} for n in range(1, rows + 1)]
    return {"old": Shop.of(records, **old), "new": Shop.of(kept, answer=take_away)}


async def test_rows_named_by_id_are_deleted_and_what_is_gone_already_is_unchanged(tmp_path: Path) -> None:
    made = shops([{"goes": "2"}, {"goes": "4"}, {"goes": "99"}], rows=5)
    summary = await Trial(tmp_path, made).route(mode="delete", mapper=by_id).run()
    assert sorted(made["new"].rows) == ["1", "3", "5"]
    counts = summary.routes["rows"]
    assert (summary.exit_code, counts.written, counts.unchanged) == (0, 2, 1)


async def test_rows_are_found_by_key_and_deleted_though_they_equal_the_record(tmp_path: Path) -> None:
    made = shops([{"key": "k1", "value": 1}, {"key": "k3", "value": 0}, {"key": "no", "value": 0}], rows=3)
    trial = Trial(tmp_path, made).route(mode="delete", mapper=by_key)
    summary = await trial.run()
    assert made["new"].values("key") == ["k2"]
    assert summary.routes["rows"].written == 2
    assert [(f.source_id, f.cause) for f in await trial.failures()] == [("3", "no-match")]


@pytest.mark.parametrize("rows", [0, 40])
async def test_a_deletion_that_was_stopped_goes_on_and_deletes_nothing_twice(
    tmp_path: Path, rows: int
) -> None:
    made = shops([{"goes": str(n)} for n in range(1, 31)], rows=rows, listing=Listing("passes", 5))
    trial = Trial(tmp_path, made).route(mode="delete", mapper=by_id)
    stop = anyio.Event()

    def stop_soon(event: Event) -> None:
        if isinstance(event, RecordsSettled):
            stop.set()

    await trial.run(stop=stop, on_event=stop_soon)
    assert len(made["new"].requests) < 30
    summary = await trial.run()
    assert sorted(made["new"].rows, key=int) == [str(n) for n in range(31, rows + 1)]
    assert len(made["new"].requests) == 30
    assert summary.routes["rows"].as_dict()["written" if rows else "unchanged"] == 30


async def test_a_list_may_be_deleted_from_by_what_it_holds_itself(tmp_path: Path) -> None:
    """A self-route: nothing is deleted before all was read, and an id that the list has not is rejected."""
    shop = Shop.of(
        [{"key": f"k{n}", "goes": str(n) if n != 7 else "700"} for n in range(1, 26)],
        listing=Listing("passes", 10),
        answer=take_away,
    )

    def odd_ones(record: JsonObject, context: MapContext) -> JsonObject | None:
        assert len(shop.rows) == 25
        return by_id(record, context) if int(record["id"]) % 2 else None

    trial = Trial(tmp_path, {"old": shop}).route(target="old", mode="delete", mapper=odd_ones)
    summary = await trial.run()
    assert sorted(map(int, shop.rows)) == sorted([*range(2, 26, 2), 7])
    counts = summary.routes["rows"]
    assert (counts.written, counts.skipped, counts.rejected) == (12, 12, 1)
    assert [(f.source_id, f.cause) for f in await trial.failures()] == [("7", "not-found")]


async def test_a_row_is_not_deleted_for_what_it_was_in_an_earlier_run(tmp_path: Path) -> None:
    shop = Shop.of([{"key": f"k{n}", "paid": False} for n in range(1, 21)], answer=take_away)

    def unpaid(record: JsonObject, _: MapContext) -> JsonObject | None:
        return None if record["paid"] else {"id": record["id"]}

    trial = Trial(tmp_path, {"old": shop}).route(target="old", mode="delete", mapper=unpaid)
    await trial.run(limit=5)
    left = len(shop.rows)
    for row in shop.rows.values():
        row["paid"] = True
    summary = await trial.run()
    assert len(shop.rows) == left == 15
    assert summary.routes["rows"].skipped == 15


@pytest.mark.parametrize(("before", "after"), [("update", "delete"), ("delete", "update")])
async def test_what_is_mapped_for_one_purpose_does_not_serve_the_other(
    tmp_path: Path, before: Any, after: Any
) -> None:
    async def fail(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        raise RequestFailedError(f"{len(shop.rows)} rows, {len(items)} items")

    made = shops([{"goes": "2"}], rows=5)
    made["new"].answer = fail
    trial = Trial(tmp_path, made).route(mode=before, mapper=by_id)
    await trial.run()
    made["new"].answer = take_away
    trial.route(mode=after, mapper=by_id)
    with pytest.raises(LedgerRefusedError, match="mode changed while 1 record"):
        await trial.run(accept_changes=True)
    assert len(made["new"].rows) == 5


def test_rows_that_one_migration_wrote_are_deleted_by_another(
    job: Job,
) -> None:
    job.with_fitting()
    assert job.run().code == 0
    written = len(job.stage.rows("robosize-orders"))
    job.with_mapper(
        "def paid(record: dict, context: MapContext) -> dict | None:\n"
        "    return {'store_id': str(record['id'])} if record['payment_status'] == 'paid' else None\n"
    )
    job.name = "undone"
    job.with_fitting(mapper="mappers.py:paid", mode="delete")
    planned = job.run(command="plan")
    (told,) = (line for line in planned.lines if line["type"] == "plan")
    paid = [order for order in job.stage.orders if order["payment_status"] == "paid"]
    assert (told["delete"], told["update"], told["create"]) == (len(paid), 0, 0)
    assert len(job.stage.rows("robosize-orders")) == written
    done = job.run()
    assert done.counts("fitting") == {"read": written, "written": len(paid), "skipped": written - len(paid)}
    left = {row["store_id"] for row in job.stage.rows("robosize-orders")}
    assert left == {str(order["id"]) for order in job.stage.orders if order["payment_status"] != "paid"}
