"""Which source field a mapped value is shown beside."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bulkmove.mapping.reading import Reading
from bulkmove.model import Json, JsonObject
from bulkmove.report.pairing import leaves, pairs


def paired(source: JsonObject, body: JsonObject) -> dict[str, tuple[str, str | None]]:
    """By mapped field: the kind, and the source field."""
    ((*found,),), _ = pairs(source, [body])
    return {
        pair.mapped.path: (pair.kind, pair.source.path if pair.source is not None else None)
        for pair in found
        if pair.mapped is not None
    }


def test_a_record_is_its_values_by_their_paths() -> None:
    record = {"id": 7, "a": {"b": [{"c": 1}, "x"]}, "empty": {}, "none": None}
    assert [(leaf.path, leaf.value) for leaf in leaves(record)] == [
        ("id", 7), ("a.b[0].c", 1), ("a.b[1]", "x"), ("empty", {}), ("none", None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("source", "mapped", "kind"),
    [
        ("Ion Popescu", "Ion Popescu", "same"),
        ("Ion  POPESCU ", "Ion Popescu", "form"),
        (10000034, "10000034", "form"),
        ("12.50", 12.5, "form"),
        ("12.50", Decimal("12.5"), "form"),
        (1234, 1234.0, "form"),
        ("Ion Popescu", "Ion P.", "made"),
        (True, "True", "made"),
        (1, 1, "made"),
        ("", "", "made"),
        (None, None, "made"),
    ],
)
def test_a_value_is_known_again_where_it_tells_enough(source: Json, mapped: Json, kind: str) -> None:
    assert paired({"first": source}, {"other": mapped})["other"][0] == kind


@pytest.mark.parametrize("value", [1, "", None, True])
def test_a_value_that_stands_everywhere_is_known_by_the_name_of_its_field(value: Json) -> None:
    source = {"active": value, "quantity": value}
    assert paired(source, {"item": {"quantity": value}})["item.quantity"] == ("same", "quantity")


def test_of_equal_values_the_one_at_the_same_place_and_of_the_nearest_name_is_taken() -> None:
    source = {"lines": [{"sku": "A-1", "name": "Coat"}, {"sku": "A-1", "name": "Coat"}], "title": "Coat"}
    found = paired(source, {"items": [{"product": "A-1"}, {"product": "A-1", "name": "Coat"}]})
    assert found["items[0].product"] == ("same", "lines[0].sku")
    assert found["items[1].product"] == ("same", "lines[1].sku")
    assert found["items[1].name"] == ("same", "lines[1].name")


def test_another_value_of_the_same_field_is_a_change() -> None:
    assert paired({"status": "draft", "was": "new"}, {"status": "new"}) == {"status": ("changed", "status")}


def test_what_no_body_carries_is_left() -> None:
    source = {"id": 1001, "name": "Ion", "note": "call"}
    found, left = pairs(source, [{"rrn": 1001}, {"customer": "Ion"}])
    assert [len(each) for each in found] == [1, 1]
    assert [pair.source.path for pair in left if pair.source is not None] == ["note"]


def test_what_was_looked_up_stands_beside_the_field_that_the_mapping_reads() -> None:
    readings = (
        Reading("address", "region_id", ("state",), frozenset({"state"})),
        Reading("", "lines", ("items",), frozenset({"items"}), is_made=True),
        Reading("lines[]", "product", ("sku", "ean"), frozenset({"items[].sku", "items[].ean"})),
        Reading("lines[]", "status", ("paid == 'y'", "root.sent"), frozenset({"paid", "sent"})),
    )
    source: JsonObject = {
        "state": "Cluj", "paid": "y", "sent": "today", "other": "left out",
        "items": [{"sku": "", "ean": "111"}, {"sku": "B", "ean": "222", "tax": 19}],
    }  # fmt: skip
    body: JsonObject = {
        "address": {"region_id": 1012}, "lines": [{"product": 7001, "status": "done"}, {"product": 7002}], "shop": 9,
    }  # fmt: skip
    (found,), left = pairs(source, [body], readings)
    origins = {pair.mapped.path: pair.source and pair.source.path for pair in found if pair.mapped}
    assert origins == {
        "address.region_id": "state",
        "lines[0].product": "items[0].ean",
        "lines[0].status": "sent",
        "lines[1].product": "items[1].sku",
        "shop": None,
    }
    assert [pair.source.path for pair in left if pair.source] == ["other", "items[1].tax"]
