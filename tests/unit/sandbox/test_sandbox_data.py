"""The generated shop: the same for a seed, and as awkward as it says."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime
from typing import Any

import orjson
import pytest

from bulkmove.sandbox import words
from bulkmove.sandbox.order_store import OrderStore
from bulkmove.sandbox.settings import SandboxSettings
from bulkmove.sandbox.templates import WHOLE, Shape
from bulkmove.sandbox.world import World, make_world


def _world(**settings: Any) -> World:
    return make_world(SandboxSettings(**settings), now=lambda: 1_750_000_000.0)


def _encoded(store: OrderStore) -> list[bytes]:
    return store.encoded(store.rows_by_date(0, len(store)), WHOLE)


@pytest.fixture(scope="module")
def orders() -> list[dict[str, Any]]:
    return [orjson.loads(row) for row in _encoded(_world(orders=3000).orders)]


def test_one_seed_gives_the_same_bytes_and_another_gives_others() -> None:
    first, again, other = (_world(orders=300, products=50, seed=seed) for seed in (4, 4, 5))
    assert _encoded(first.orders) == _encoded(again.orders)
    assert _encoded(first.orders) != _encoded(other.orders)
    assert first.robosize_products.whole(0, 50) == again.robosize_products.whole(0, 50)
    assert first.catalogue.ids_csv() == again.catalogue.ids_csv() != other.catalogue.ids_csv()


def test_every_order_is_valid_json_with_an_id_of_its_own(orders: list[dict[str, Any]]) -> None:
    assert len({str(order["id"]) for order in orders}) == 3000
    assert not any(mark in orjson.dumps(order).decode() for order in orders for mark in "⟦⟧")


def test_split_orders_have_text_ids_that_begin_with_their_parents(orders: list[dict[str, Any]]) -> None:
    ids = {order["id"] for order in orders}
    split = [order for order in orders if isinstance(order["id"], str)]
    assert 5 < len(split) < 60
    for order in split:
        assert re.fullmatch(rf"{order['parent_id']}\.\d+", order["id"])
        assert order["parent_id"] in ids


def test_returns_point_at_orders(orders: list[dict[str, Any]]) -> None:
    assert any("return_source_id" in order for order in orders)
    returned = next(order for order in orders if order.get("rma_orders"))
    assert isinstance(returned["rma_orders"][0]["id"], int)


def test_one_second_holds_an_import_and_others_a_few(orders: list[dict[str, Any]]) -> None:
    ties = sorted(Counter(order["date_created"] for order in orders).values())
    assert 150 <= ties[-1] <= 250
    assert sum(3 <= size <= 20 for size in ties) >= 5


def test_dates_carry_both_offsets_and_the_order_grows_over_the_years(orders: list[dict[str, Any]]) -> None:
    assert {order["date_created"][-6:] for order in orders} == {"+02:00", "+03:00"}
    years = Counter(datetime.fromisoformat(order["date_created"]).year for order in orders)
    assert years[2024] > 3 * years[2018]
    assert all(order["date_modified"] >= order["date_created"][:10] for order in orders)


def test_some_orders_stand_in_the_hour_that_comes_twice(orders: list[dict[str, Any]]) -> None:
    walls = Counter(order["date_created"][:-6] for order in orders if order["date_created"][5:7] == "10")
    twice = [wall for wall, count in walls.items() if count == 2]
    both = [{o["date_created"][-6:] for o in orders if o["date_created"].startswith(wall)} for wall in twice]
    assert {"+02:00", "+03:00"} in both


def test_every_status_is_met_in_both_spellings(orders: list[dict[str, Any]]) -> None:
    assert {order["payment_status"] for order in orders} == {name for name, _ in words.PAYMENT_STATUSES}
    assert {"canceled", "cancelled"} <= {order["payment_status"] for order in orders}
    assert {order["shipping_status"] for order in orders} == {name for name, _ in words.SHIPPING_STATUSES}


def test_fields_come_and_go_and_text_is_not_plain(orders: list[dict[str, Any]]) -> None:
    assert len({frozenset(order) for order in orders}) > 50
    notes = {order["customer_note"] for order in orders}
    assert None in notes
    assert any("<p>" in (note or "") for note in notes)
    assert any("🎁" in (note or "") for note in notes)
    assert any(
        order["billing_postal_code"] and order["billing_postal_code"].startswith("0") for order in orders
    )
    assert {order["billing_type"] for order in orders} == {"individual", "company"}
    assert any(order.get("coupon_code") for order in orders)


def test_one_product_stands_on_five_lines(orders: list[dict[str, Any]]) -> None:
    assert any(
        Counter(line["product_id"] for line in order["line_items"]).most_common(1)[0][1] == 5
        for order in orders
    )


def test_quantities_are_whole_unless_asked_otherwise(orders: list[dict[str, Any]]) -> None:
    def quantities(some: list[dict[str, Any]]) -> set[type]:
        return {type(line["quantity"]) for order in some for line in order["line_items"]}

    assert quantities(orders) == {int}
    fractional = [orjson.loads(row) for row in _encoded(_world(orders=300, fractional=True).orders)]
    assert quantities(fractional) == {int, float}


def test_an_order_is_about_3_2_kilobytes() -> None:
    encoded = _encoded(_world(orders=5000, products=500).orders)
    assert 2900 < sum(map(len, encoded)) / len(encoded) < 3500


def test_undated_orders_have_no_creation_date() -> None:
    orders = [orjson.loads(row) for row in _encoded(_world(orders=100, undated=4).orders)]
    assert sum(order["date_created"] is None for order in orders) == 4


def test_ties_come_in_another_order_each_time_and_none_is_lost() -> None:
    store = _world(orders=1000).orders
    first, total = store.page((), low=None, high=None, start=0, limit=1000, descending=False)
    again, _ = store.page((), low=None, high=None, start=0, limit=1000, descending=False)
    assert first != again
    assert sorted(first) == sorted(again) == list(range(total))


def test_stable_ties_stay_where_they_are() -> None:
    store = _world(orders=1000, stable_ties=True).orders
    pages = [store.page((), low=None, high=None, start=50, limit=300, descending=True)[0] for _ in range(2)]
    assert pages[0] == pages[1]


def test_a_shape_leaves_line_items_and_tags_out_until_they_are_included() -> None:
    order = {"id": 1, "tags": [{"id": 1}], "line_items": [{}], "currency": "RON"}
    assert Shape(line_items=False, tags=False).of(order) == {"id": 1, "tags": None, "currency": "RON"}
    assert Shape(frozenset({"currency"}), line_items=True, tags=False).of(order) == {
        "id": 1, "line_items": [{}], "currency": "RON",
    }  # fmt: skip


def test_the_table_of_numbers_holds_every_product_but_the_missing_ones() -> None:
    world = _world(orders=5, products=60, ids_missing=2)
    lines = world.catalogue.ids_csv().decode().splitlines()
    assert lines[0] == "old,new"
    table = dict(line.split(",") for line in lines[1:])
    listed = [row["store_id"] for row in world.robosize_products.whole(0, 100)]
    assert len(listed) == 60
    assert [old for old in listed if old not in table] == listed[-2:]


def test_targets_can_hold_foreign_matching_and_doubled_rows() -> None:
    world = _world(orders=20, targets_existing=30, targets_matching=5, targets_doubled=2)
    source_ids = {str(orjson.loads(row)["id"]) for row in _encoded(world.orders)}
    external = Counter(orjson.loads(row.encoded)["rrn"] for row in world.external_orders.rows)
    assert sum(external.values()) == 37
    assert sorted(count for rrn, count in external.items() if rrn in source_ids) == [1, 1, 1, 2, 2]
    sizing = Counter(row["store_id"] for row in world.robosize_orders.whole(0, 100))
    assert sorted(count for key, count in sizing.items() if key in source_ids) == [1, 1, 1, 2, 2]
    assert {row.writes for row in world.external_orders.rows} == {0}
