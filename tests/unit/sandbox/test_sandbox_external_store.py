"""What the external-order target keeps of what is written to it."""

from __future__ import annotations

from typing import Any, Literal

import orjson
import pytest

from bulkmove.sandbox.external_check import OrderCheck, known_fields
from bulkmove.sandbox.external_store import ExternalStore

LINE = {"product": 104392, "quantity": 2, "order_status": "done"}


def _store(**settings: Any) -> ExternalStore:
    values: dict[str, Any] = {
        "created_at": "epoch",
        "items_on_update": "append",
        "now": lambda: 1_750_000_000.9,
    }
    return ExternalStore(**(values | settings))


@pytest.mark.parametrize(("behaviour", "products"), [("append", [1, 2, 3]), ("replace", [3])])
def test_an_updates_lines_without_id_append_or_replace(
    behaviour: Literal["append", "replace"], products: list[int]
) -> None:
    store = _store(items_on_update=behaviour)
    row = store.create({"order_items": [LINE | {"product": 1}, LINE | {"product": 2}]})
    store.update(row.order_id, {"order_items": [LINE | {"product": 3}]})
    assert [item["product"] for item in store.order(row.order_id)["order_items"]] == products
    assert row.writes == 2


def test_a_line_with_its_id_is_changed_in_place() -> None:
    store = _store()
    row = store.create({"order_items": [LINE, LINE]})
    item_id = store.order(row.order_id)["order_items"][1]["order_id"]
    store.update(row.order_id, {"order_items": [{"order_id": item_id, "quantity": 9}]})
    assert [item["quantity"] for item in store.order(row.order_id)["order_items"]] == [2, 9]


def test_an_update_leaves_what_it_does_not_name() -> None:
    store = _store()
    row = store.create({"rrn": "a", "shop": 2, "order_items": [LINE], "address": {"zip_code": "010011"}})
    before = store.order(row.order_id)
    store.update(row.order_id, {"rrn": "b"})
    assert store.order(row.order_id) == before | {"rrn": "b"}
    assert [found.order_id for found in store.with_rrn("b")] == [row.order_id]
    assert store.with_rrn("a") == []


@pytest.mark.parametrize(
    ("shape", "expected"),
    [("epoch", 1_750_000_000), ("iso", "2025-06-15T15:06:40.900000Z"), ("absent", None)],
)
def test_created_at_has_the_shape_that_is_set(
    shape: Literal["epoch", "iso", "absent"], expected: Any
) -> None:
    store = _store(created_at=shape)
    order = orjson.loads(store.create({"order_items": [LINE]}).encoded)
    assert order.get("created_at") == expected
    assert ("created_at" in order) == (shape != "absent")


def test_a_clock_that_steps_back_does_not_break_the_order_of_time() -> None:
    times = iter([100.0, 50.0, 120.0])
    store = _store(now=lambda: next(times))
    for _ in range(3):
        store.create({"order_items": [LINE]})
    assert store.between(101, is_inclusive=True) == (2, 3)
    assert store.between(100, is_inclusive=True) == (0, 3)
    assert store.between(100, is_inclusive=False) == (2, 3)


@pytest.mark.parametrize(
    ("item", "field"),
    [
        ({"rrn": 5, "order_items": [LINE]}, "rrn"),
        ({"rrn": "x" * 256, "order_items": [LINE]}, "rrn"),
        ({"shop": "2", "order_items": [LINE]}, "shop"),
        ({"promo_code": True, "order_items": [LINE]}, "promo_code"),
        ({"rrn": "1"}, "order_items"),
        ({"order_items": []}, "order_items"),
        ({"order_items": [LINE | {"quantity": 1.5}]}, "order_items"),
        ({"order_items": [LINE | {"order_status": "incollection"}]}, "order_items"),
        ({"order_items": [{"quantity": 1}]}, "order_items"),
        ({"order_items": [LINE | {"order_id": 12}]}, "order_items"),
        ({"order_items": [LINE], "address": {"region_id": "Cluj"}}, "address"),
        ({"order_items": [LINE], "address": "Cluj"}, "address"),
        ({"order_id": 999, "order_items": [LINE]}, "order_id"),
        ("text", "non_field_errors"),
    ],
)
def test_a_bad_order_is_refused_by_the_field_that_is_wrong(item: Any, field: str) -> None:
    assert list(OrderCheck(_store(), None).errors(item)) == [field]


@pytest.mark.parametrize(
    "item",
    [
        {"order_items": [LINE]},
        {"rrn": None, "shop": None, "order_items": [LINE], "address": None},
        {"order_items": [LINE | {"loyalty_price": 88.5}], "address": {"zip_code": 2068}},
        {"order_items": [LINE], "address": {"zip_code": "010011", "sector": None}},
    ],
)
def test_a_good_order_has_no_errors(item: Any) -> None:
    assert OrderCheck(_store(), None).errors(item) == {}


def test_references_are_checked_when_asked() -> None:
    everything = dict.fromkeys(("shop", "promo_code", "region_id", "locality_id", "sector"), frozenset({1}))
    check = OrderCheck(_store(), everything | {"product": frozenset({104392})})
    assert check.errors({"shop": 1, "order_items": [LINE]}) == {}
    assert "does not exist" in check.errors({"shop": 9, "order_items": [LINE]})["shop"][0]
    assert check.errors({"order_items": [LINE | {"product": 5}]})["order_items"][0].keys() == {"product"}


def test_unknown_keys_are_dropped_and_named() -> None:
    item = {
        "rrn": "1",
        "total": 5,
        "order_items": [LINE | {"price": 3}],
        "address": {"street": "x", "sector": 1},
    }
    kept, ignored = known_fields(item)
    assert kept == {"rrn": "1", "order_items": [LINE], "address": {"sector": 1}}
    assert ignored == ("address.street", "order_items.price", "total")
