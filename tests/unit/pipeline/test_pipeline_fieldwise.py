"""Rows that are kept to be shown, and the place at which two values differ."""

from __future__ import annotations

import pytest

from bulkmove.errors import ConfigError
from bulkmove.pipeline.fieldwise import KeptRows, RowChanges, apart
from bulkmove.pipeline.holding import tolerance_of


def test_rows_of_a_short_list_are_all_kept_and_of_a_long_one_some_from_everywhere() -> None:
    kept = KeptRows(most=50)
    for number in range(100):
        assert kept.wants(str(number))
        kept.keep(str(number), {"n": number})
    assert all(kept.of(str(number)) == {"n": number} for number in range(100))
    for number in range(100, 20_000):
        if kept.wants(str(number)):
            kept.keep(str(number), {"n": number})
    found = [number for number in range(20_000) if kept.of(str(number)) is not None]
    assert 25 <= len(found) <= 100
    assert min(found) < 4_000
    assert max(found) > 16_000


def test_a_row_that_is_huge_or_no_json_is_not_kept() -> None:
    kept = KeptRows()
    kept.keep("1", {"text": "x" * 100_000})
    kept.keep("2", {"odd": object()})
    assert kept.of("1") is kept.of("2") is kept.of(None) is None


@pytest.mark.parametrize(
    ("there", "would", "place"),
    [
        ("1", "2", "a"),
        ({"x": 1, "own": 5}, {"x": 2}, "a.x"),
        ({"x": 1}, {"x": 1, "y": {"z": 3}}, "a.y"),
        ([{"q": 1}, {"q": 2}], [{"q": 1}, {"q": 3}], "a[1].q"),
        ([1], [1, 2], "a"),
        ({"x": 1, "own": 5}, {"x": 1}, "a"),
    ],
)
def test_a_difference_is_told_by_its_first_place(there: object, would: object, place: str) -> None:
    assert apart("a", there, would)[0] == place


def test_fields_of_most_rows_come_first_and_those_that_are_never_shown_last() -> None:
    changes = RowChanges()
    for names, unseen in ((["b"], ["type"]), (["a", "b"], ["type"]), ([], ["type"]), ([], [])):
        changes.note(names, unseen)
    assert [(each.field, each.rows, each.is_shown) for each in changes.changes()] == [
        ("b", 2, True),
        ("a", 1, True),
        ("type", 3, False),
    ]
    assert changes.equal == 1


@pytest.mark.parametrize(
    ("text", "rows", "allowed"),
    [
        (None, 300, 100),
        (None, 10_000, 500),
        ("0", 10_000, 0),
        ("7", 10_000, 7),
        ("2.5 %", 1_000, 25),
        ("1%", 30, 0),
    ],
)
def test_a_tolerance_is_a_number_or_a_share(text: str | None, rows: int, allowed: int) -> None:
    assert tolerance_of(text).of(rows) == allowed


@pytest.mark.parametrize("text", ["", "%", "-1", "5 records", "1e3", "5%%"])
def test_what_is_no_tolerance_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="no number of records"):
        tolerance_of(text)
