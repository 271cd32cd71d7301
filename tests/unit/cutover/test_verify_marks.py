from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkmove.cutover.verify.marks import differing, marks_of
from bulkmove.load.matching import fields_that_differ
from bulkmove.model import JsonObject


def paths(wanted: JsonObject, there: JsonObject, *, plain: bool = False) -> list[str]:
    return [each.path for each in differing(marks_of(wanted, plain=plain), marks_of(there, plain=plain))]


@pytest.mark.parametrize(
    ("wanted", "there", "named"),
    [
        ({"total": "10.50"}, {"total": "10.51"}, ["total"]),
        ({"total": 10.5}, {"total": Decimal("10.50")}, []),
        ({"items": [{"quantity": 2}]}, {"items": [{"quantity": 3, "id": 9}]}, ["items[0].quantity"]),
        ({"items": [{"quantity": 2}] * 2}, {"items": [{"quantity": 3}]}, ["items"]),
        ({"name": "Ștefan"}, {"name": "Stefan"}, ["name"]),
        ({"address": {"city": "Iași"}}, {"address": None}, ["address"]),
        ({"address": {"city": "Iași"}}, {"address": {}}, ["address.city"]),
        ({"note": "a"}, {"more": "b"}, []),
        ({"items": [[1], [2, 3]]}, {"items": [[1], [2, 4]]}, ["items[1][1]"]),
    ],
)
def test_differences_are_named_down_to_the_innermost_field(
    wanted: JsonObject, there: JsonObject, named: list[str]
) -> None:
    assert paths(wanted, there) == named
    assert paths(wanted, there, plain=True) == named


def test_what_differs_shows_its_values_only_where_they_are_plain() -> None:
    wanted, there = {"items": [{"quantity": 2}]}, {"items": [{"quantity": 3}]}
    (shown,) = differing(marks_of(wanted, plain=True), marks_of(there, plain=True))
    assert str(shown) == "items[0].quantity: 2 → 3"
    (hidden,) = differing(marks_of(wanted, plain=False), marks_of(there, plain=False))
    assert str(hidden) == "items[0].quantity"


def test_hidden_marks_tell_no_value() -> None:
    marks = marks_of({"email": "ana@example.com", "phone": 37360123456}, plain=False)
    assert "ana" not in repr(marks)
    assert "37360123456" not in repr(marks)


class _AsItIs:
    """A target whose rows compare as they stand."""

    def comparable(self, row: JsonObject) -> JsonObject:
        return row


_LEAVES = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from([0.5, 1.0, "a", "b", ""]))
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("xyz"), inner)),
)
_ROWS = st.dictionaries(st.sampled_from("abc"), _VALUES)


@given(_ROWS, _ROWS)
def test_a_row_differs_exactly_where_a_row_that_is_read_back_would(
    wanted: JsonObject, there: JsonObject
) -> None:
    target: Any = _AsItIs()
    fields = list(dict.fromkeys(path.replace("[", ".").partition(".")[0] for path in paths(wanted, there)))
    assert fields == fields_that_differ(target, wanted, there)
