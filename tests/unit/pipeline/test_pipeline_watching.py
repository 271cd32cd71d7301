"""Fields that were empty in every record."""

from __future__ import annotations

from typing import Any

from bulkmove.mapping.reading import Reading
from bulkmove.pipeline.watching import FieldWatch

READINGS = (
    Reading("", "id", ("id",), frozenset({"id"})),
    Reading("", "zero", ("zero",), frozenset({"zero"})),
    Reading("", "never", ("nevr", "nver"), frozenset({"nevr", "nver"})),
    Reading("", "shop", (), frozenset()),
    Reading("", "lines", ("items",), frozenset({"items"}), is_made=True),
    Reading("lines[]", "sku", ("sku",), frozenset({"items[].sku"})),
    Reading("lines[]", "no", ("n",), frozenset({"items[].n"})),
    Reading("", "gone", ("gone",), frozenset({"gone"}), is_made=True),
    Reading("gone[]", "sku", ("sku",), frozenset({"gone[].sku"})),
    Reading("", "", ("skip",), frozenset({"skip"})),
)


def told(*bodies: dict[str, Any]) -> list[str]:
    watch = FieldWatch(READINGS, without="id")
    for body in bodies:
        watch.see(body)
    return [each.target for each in watch.empty()]


def test_what_no_body_has_is_told_and_of_an_object_that_never_was_nothing_within() -> None:
    bodies: list[dict[str, Any]] = [
        {"zero": 0, "never": "", "lines": [{"sku": "a", "no": None}]},
        {"zero": False, "never": None},
    ]
    assert told(*bodies) == ["never", "lines[].no", "gone"]


def test_one_record_that_has_a_field_is_enough() -> None:
    assert "never" not in told({}, {"never": "x"}, {})


def test_of_no_record_nothing_is_told() -> None:
    assert told() == []
