"""Rows found by their key, and what is proposed for a key that is not there."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from bulkmove.errors import ConfigError
from bulkmove.mapping.lookups.index import Ambiguous, Index
from bulkmove.mapping.lookups.keys import NOTHING, FieldWatch, text_of
from bulkmove.model import JsonObject
from bulkmove.settings import LookupSettings

TOWNS = [
    {"id": 1, "name": "Sânmartin", "region": {"id": 101}},
    {"id": 2, "name": "Sânmartin", "region": {"id": 102}},
    {"id": 3, "name": "Satu-Mare", "region": {"id": 101}},
    {"id": 4, "name": "Satu Mare", "region": {"id": 101}},
    {"id": 5, "name": "Oradea", "region": {"id": 101}},
    {"id": 5, "name": "Oradea", "region": {"id": 101}},
]


def index(rows: list[JsonObject], **settings: Any) -> Index:
    made = LookupSettings("x", **settings)
    found = Index(made, FieldWatch(made, "new.rows"))
    found.add(rows)
    return found


@pytest.mark.parametrize("key", [12, "12", 12.0, Decimal(12), Decimal("12.0")])
def test_numbers_and_their_texts_are_one_key(key: Any) -> None:
    found = index([{"id": "a", "name": key}])
    assert [found.find(text_of(each) or "") for each in (12, "12", 12.0, Decimal(12))] == ["a"] * 4
    assert found.find("012") is NOTHING


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None), ("", None), (" \u00a0", None), (True, "true"), (1.5, "1.5"), (float("nan"), "nan"),
        (float("inf"), "inf"), (Decimal("NaN"), "NaN"), (Decimal("Infinity"), "Infinity"),
        (Decimal("1E+999999"), "1E+999999"), (Decimal("-3.50"), "-3.50"), (10**30, "1" + "0" * 30),
    ],
)  # fmt: skip
def test_every_single_value_has_one_text(value: Any, text: str | None) -> None:
    assert text_of(value) == text


@pytest.mark.parametrize("value", [[], {}, ["a"], {"a": 1}, b"a"])
def test_what_is_no_single_value_has_none(value: Any) -> None:
    with pytest.raises(TypeError, match=type(value).__name__):
        text_of(value)


def test_a_key_is_matched_exactly_unless_its_normal_form_is_asked_for() -> None:
    assert index(TOWNS).find("ORADEA") is NOTHING
    assert index(TOWNS, match="normalised").find("ORADEA") == 5


def test_a_key_with_two_values_is_never_picked() -> None:
    found = index(TOWNS).find("Sânmartin")
    assert isinstance(found, Ambiguous)
    assert [each.value for each in found.candidates] == [1, 2]
    assert index(TOWNS).ambiguous == 1


def test_keys_of_one_normal_form_are_told_apart_by_their_spelling_alone() -> None:
    found = index(TOWNS, match="normalised")
    assert (found.find("Satu-Mare"), found.find("Satu Mare")) == (3, 4)
    other = found.find("SATU MARE")
    assert isinstance(other, Ambiguous)
    assert {(each.key, each.value) for each in other.candidates} == {("Satu-Mare", 3), ("Satu Mare", 4)}


def test_keys_of_one_normal_form_and_one_value_are_one() -> None:
    found = index([{"id": 7, "name": "Iași"}, {"id": 7, "name": "Iaşi"}], match="normalised")
    assert found.find("IASI") == 7


def test_a_key_belongs_to_what_it_is_within() -> None:
    found = index(TOWNS, within="region.id")
    assert (found.find("Sânmartin", "101"), found.find("Sânmartin", "102")) == (1, 2)
    assert found.find("Oradea", "102") is NOTHING
    assert found.find("Oradea") is NOTHING
    assert found.candidates("Oradeea", "102") == ()


def test_a_field_may_be_a_path_and_a_name_may_hold_dots() -> None:
    rows = [{"a": {"b": 1}, "c": {"d": "k"}}, {"a.b": 2, "c.d": "l"}]
    found = index(rows, key="c.d", value="a.b")
    assert (found.find("k"), found.find("l")) == (1, 2)


@pytest.mark.parametrize("row", [{}, {"id": 1}, {"name": "a"}, {"id": None, "name": "a"}, {"id": "", "name": "a"},
                                 {"id": 1, "name": None}, {"id": 1, "name": ""}, {"id": 1, "name": ["a"]}])  # fmt: skip
def test_a_row_without_key_or_value_is_no_entry(row: JsonObject) -> None:
    found = index([row])
    assert (found.find("a"), found.rows) == (NOTHING, 1)


def test_the_nearest_keys_are_proposed_with_how_near_they_are() -> None:
    rows = [
        {"id": n, "name": name}
        for n, name in enumerate(["Sînmartin", "Sânmihai", "Cluj-Napoca", "Arad", "Brad"])
    ]
    [first, *_] = index(rows).candidates("Sanmartin")
    assert (first.key, first.value, round(first.score)) == ("Sînmartin", 0, 89)
    assert index(rows).candidates("Municipiul Cluj-Napoca")[0].key == "Cluj-Napoca"
    assert index(rows).candidates("Xyzzy") == ()


def test_no_more_is_proposed_than_a_person_reads() -> None:
    found = index([{"id": n, "name": f"Strada {n}"} for n in range(50)])
    assert len(found.candidates("Strada")) == 3
    assert len(index([{"id": n, "name": "Strada"} for n in range(50)]).candidates("Strada")) == 3


def test_a_key_that_is_added_later_is_proposed_too() -> None:
    found = index([{"id": 1, "name": "Arad"}])
    found.candidates("Bradd")
    found.add([{"id": 2, "name": "Brad"}])
    assert found.candidates("Bradd")[0].value == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"key": "nmae"}, r"lookups\.x\.key: no row of new\.rows has a field 'nmae'; they have .*; did you mean 'name'\?"),
        ({"value": "ID"}, r"lookups\.x\.value: no row of new\.rows has a field 'ID'"),
        ({"within": "region.code"}, r"lookups\.x\.within: no row of new\.rows has a field 'region\.code'"),
    ],
)  # fmt: skip
def test_a_field_that_no_row_has_is_a_mistake(settings: Any, message: str) -> None:
    made = LookupSettings("x", **settings)
    watch = FieldWatch(made, "new.rows")
    Index(made, watch).add(TOWNS)
    with pytest.raises(ConfigError, match=message):
        watch.check()


def test_a_field_that_one_row_has_is_none_and_an_empty_list_tells_nothing() -> None:
    made = LookupSettings("x", key="code")
    watch = FieldWatch(made, "new.rows")
    watch.check()
    Index(made, watch).add([{"id": 1, "name": "a"}, {"id": 2, "code": None}])
    watch.check()
