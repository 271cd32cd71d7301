"""`bulkmove plan` against a target that holds rows already: each kind of difference is told, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.integration.moving import SHOP, Ended, Job, Row, invoke, without_writes

FOREIGN = 7
WRITTEN = ("rrn", "shop", "promo_code", "order_items", "address")


def of_type(ended: Ended, kind: str, route: str | None = None) -> list[Row]:
    found = [line for line in ended.lines if line["type"] == kind]
    return [line for line in found if route is None or line["route"] == route]


def counts(ended: Ended, route: str) -> Row:
    (line,) = of_type(ended, "plan", route)
    return {name: value for name, value in line.items() if value and name not in {"type", "route"}}


def fields(ended: Ended, route: str) -> dict[str, int]:
    return {line["field"]: line["rows"] for line in of_type(ended, "field", route)}


def moved(job: Job) -> list[Row]:
    """The rows that a run made, oldest first; its ledger is gone, so that they are somebody's."""
    assert job.run().code == 0
    job.ledger.unlink()
    rows = without_writes(job.stage.rows("external-orders"))
    return sorted(rows, key=lambda row: int(row["order_id"]))


def plant(job: Job, *, update: Row, insert: Sequence[Row] = (), delete: Sequence[Any] = ()) -> None:
    """Changes to the target that nobody's ledger knows."""
    update = {str(order_id): fields for order_id, fields in update.items()}
    rows = [{name: row[name] for name in WRITTEN if name in row} for row in insert]
    job.stage.change(list="external-orders", update=update, insert=rows, delete=list(delete))


def test_equal_changed_doubled_missing_and_foreign_rows_give_exactly_these_counts_and_fields(
    job: Job,
) -> None:
    rows = moved(job.with_orders())
    total = len(rows)
    shops, streets, doubled, gone = rows[0:3], rows[3:5], rows[6:8], rows[8:13]
    line = next(row for row in rows[20:] if len(row["order_items"]) == 1)
    first = line["order_items"][0]
    plant(
        job,
        update={
            **{row["order_id"]: {"shop": 9} for row in shops},
            **{
                row["order_id"]: {"address": {**row["address"], "address_ru": "elsewhere"}} for row in streets
            },
            line["order_id"]: {"order_items": [{**first, "quantity": 77}]},
        },
        insert=[*doubled, *({**row, "rrn": f"foreign-{n}"} for n, row in enumerate(rows[:FOREIGN]))],
        delete=[row["order_id"] for row in gone],
    )
    ended = job.run(command="plan")
    assert ended.code == 3, ended.told
    changed = len(shops) + len(streets) + 1
    assert counts(ended, "orders") == {
        "read": total,
        "create": len(gone),
        "update": changed,
        "unchanged": total - len(gone) - changed - len(doubled),
        "reject": len(doubled),
    }
    assert fields(ended, "orders") == {"shop": 3, "address": 2, "order_items": 1}
    (target,) = of_type(ended, "target")
    held = total - len(gone) + len(doubled) + FOREIGN
    assert (target["stream"], target["rows"]) == ("new.orders", held)
    assert (target["foreign"], target["doubled"]) == (FOREIGN, len(doubled))

    shown = {each["field"]: each for each in of_type(ended, "difference")}
    street = shown["address.address_ru"]
    (quantity,) = (each for name, each in shown.items() if name.startswith("order_items["))
    assert (shown["shop"]["there"], shown["shop"]["would"]) == ("9", str(SHOP))
    assert (street["there"], street["would"]) == ("elsewhere", streets[1]["address"]["address_ru"])
    assert (quantity["source_id"], quantity["there"]) == (line["rrn"], "77")
    assert quantity["field"].endswith("].quantity")

    ran = job.run()
    assert ran.routes == ended.routes, "the run does what the plan said"
    again = job.run(command="plan")
    assert counts(again, "orders")["unchanged"] == total - len(doubled)
    assert not fields(again, "orders")


def test_no_value_of_a_record_is_left_on_disk_after_a_plan(job: Job, tmp_path: Path) -> None:
    [row, *_] = moved(job.with_orders())
    plant(job, update={row["order_id"]: {"address": {**row["address"], "address_ru": "Strada Lungă 12"}}})
    ended = job.run("--save", str(tmp_path / "plan.json"), command="plan")
    assert "Strada Lungă 12" in ended.stdout
    for file in job.folder.rglob("*"):
        if file.is_file():
            assert "Strada Lung" not in file.read_text(errors="replace"), file


def test_rows_that_are_named_by_id_are_read_to_be_compared_unless_nobody_wants_that(job: Job) -> None:
    rows = moved(job.with_orders())
    shops = {
        str(order["id"]): row["order_id"]
        for row in rows
        for order in job.stage.orders
        if str(order["id"]) == row["rrn"]
    }
    job.with_mapper(
        f"IDS = {shops!r}\n"
        "def known(record: dict, context: MapContext) -> dict:\n"
        "    row = IDS[str(record['id'])]\n"
        "    return {'order_id': 999999 if row == max(IDS.values()) else row, 'shop': 9 if row % 2 else 2}\n"
    )
    job.routes = {
        "orders": {
            "source": "old.orders",
            "target": "new.orders",
            "mapper": "mappers.py:known",
            "mode": "update",
        }
    }
    odd = sum(row["order_id"] % 2 for row in rows[:-1])
    ended = job.run(command="plan")
    assert ended.code == 0, ended.told
    assert counts(ended, "orders") == {"read": len(rows), "update": len(rows)}
    assert fields(ended, "orders") == {"shop": odd}
    (changes,) = of_type(ended, "changes", "orders")
    assert (changes["equal"], changes["absent"], changes["not_compared"]) == (len(rows) - 1 - odd, 1, 0)

    before = job.stage.count("external-order")
    unread = job.run("--no-compare", command="plan")
    assert job.stage.count("external-order") == before
    (changes,) = of_type(unread, "changes", "orders")
    assert changes["not_compared"] == len(rows)
    assert not fields(unread, "orders")


def test_a_self_route_is_compared_with_its_own_rows_and_a_field_that_never_comes_back_is_told_apart(
    job: Job,
) -> None:
    job.with_mapper(
        "def linked(record: dict, context: MapContext) -> dict:\n"
        "    return {'id': record['id'], 'store_id': 'one', 'type': 'shoes'}\n"
    ).with_products(mapper="mappers.py:linked")
    ended, total = job.run(command="plan"), len(job.stage.products)
    assert fields(ended, "products") == dict.fromkeys(("store_id", "type"), total), ended.told
    shown = of_type(ended, "difference")
    assert [each["is_shown"] for each in of_type(ended, "field")] == [True, False]
    assert {(each["field"], each["would"], each["is_known"]) for each in shown} == {("store_id", "one", True)}


def test_differences_are_told_beside_each_other_and_nothing_is_wider_than_the_terminal(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = moved(job.with_orders())
    plant(job, update={row["order_id"]: {"shop": 9} for row in rows[:3]})
    job.write()
    monkeypatch.setenv("COLUMNS", "80")
    ended = invoke("plan", str(job.file))
    lines = [" ".join(line.split()) for line in ended.stdout.splitlines()]
    assert any(line.startswith("shop 3") and line.endswith('"9" "2"') for line in lines), ended.stdout
