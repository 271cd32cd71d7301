"""What `as` makes of values: exact, or rejected."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkmove.mapping.declarative.numbers import as_integer, as_number
from bulkmove.mapping.encode import encode_body
from tests.unit.mapping.declarative.conftest import MapOne, Refused

NUMBER = 'a = {{ path = "x", as = "number"{} }}'
INTEGER = 'a = {{ path = "x", as = "integer"{} }}'


@pytest.mark.parametrize(
    ("steps", "value", "expected"),
    [
        ("", 5, 5),
        ("", "5", 5),
        ("", " 5 ", 5),
        ("", "-5", -5),
        ("", "0", 0),
        ("", 5.0, 5),
        ("", "5.00", 5),
        ("", "1e3", 1000),
        ("", Decimal(5), 5),
        ("", "18446744073709551615", 18446744073709551615),
        (", scale = 1000", 2, 2000),
        (", scale = 1000", "2", 2000),
        (", scale = 1000", 1.5, 1500),
        (", scale = 1000", "0.001", 1),
        (", scale = 1000", 2.25, 2250),
        (", scale = 100", 1.15, 115),  # 1.15 * 100 is 114.99999999999999 in doubles
        (", scale = 0.001", 5000, 5),
        (", scale = -1", 5, -5),
        (', rounding = "half-even"', "2.5", 2),
        (', rounding = "half-even"', "3.5", 4),
        (', rounding = "half-up"', "2.5", 3),
        (', rounding = "half-up"', -2.5, -3),
        (', rounding = "down"', "-2.9", -2),
        (', rounding = "up"', "2.1", 3),
        (', scale = 0.1, rounding = "half-up"', 15, 2),
    ],
)
def test_integers(map_one: MapOne, steps: str, value: Any, expected: int) -> None:
    body = map_one(INTEGER.format(steps), {"x": value})
    assert body == {"a": expected}
    assert type(body["a"]) is int


@pytest.mark.parametrize(
    ("steps", "value", "sent"),
    [
        ("", 5, "5"),
        ("", 0.1, "0.1"),
        ("", "12.50", "12.50"),
        ("", "12", "12"),
        ("", Decimal("0.12345678901234567890"), "0.12345678901234567890"),
        (", scale = 0.01", 1999, "19.99"),
        (", scale = 0.01", 2000, "20"),
        (", scale = 0.01", 1950, "19.5"),
        (", scale = 3", 0.1, "0.3"),
        (", decimals = 2", "12.5", "12.50"),
        (", decimals = 2", 12, "12.00"),
        (", decimals = 2", 12.340, "12.34"),
        (', decimals = 2, rounding = "half-even"', "0.125", "0.12"),
        (', decimals = 2, rounding = "half-up"', "0.125", "0.13"),
        (', decimals = 2, rounding = "down"', "0.129", "0.12"),
        (', decimals = 0, rounding = "half-up"', "0.5", "1"),
        (', scale = 1.19, decimals = 2, rounding = "half-up"', "9.99", "11.89"),
    ],
)
def test_numbers_keep_their_digits_until_they_are_sent(
    map_one: MapOne, steps: str, value: Any, sent: str
) -> None:
    assert encode_body(map_one(NUMBER.format(steps), {"x": value})) == b'{"a":' + sent.encode() + b"}"


@pytest.mark.parametrize(
    ("text", "value", "message"),
    [
        (INTEGER.format(""), "2.5", "a: '2.5' is no whole number; `rounding` says"),
        (INTEGER.format(", scale = 10"), 0.25, "a: 0.25 × 10 is no whole number"),
        (INTEGER.format(""), "0042", "a: '0042' is no number"),
        (INTEGER.format(""), "+4", "a: '+4' is no number"),
        (INTEGER.format(""), "4 buc", "a: '4 buc' is no number"),
        (INTEGER.format(""), "٤", "a: '٤' is no number"),
        (INTEGER.format(""), True, "a: True is no number"),
        (INTEGER.format(""), {"n": 1}, "a: an object is no number"),
        (INTEGER.format(""), 2**64, "a: 18446744073709551616 has more digits than a whole number of 64 bits"),
        (INTEGER.format(""), "99999999999999999999", "has more digits than a whole number of 64 bits"),
        (INTEGER.format(""), "1e999999", "a: '1e999999' is no number that can be kept exactly"),
        (INTEGER.format(""), float("nan"), "a: nan is no number that can be kept exactly"),
        (NUMBER.format(""), Decimal("Infinity"), "no number that can be kept exactly"),
        (NUMBER.format(""), float("inf"), "no number that can be kept exactly"),
        (NUMBER.format(""), "1,5", "a: '1,5' is no number"),
        (NUMBER.format(", decimals = 2"), "0.125", "a: '0.125' needs more than 2 decimals; `rounding` says"),
    ],
)
def test_what_is_no_number_or_does_not_fit_is_rejected(
    refused: Refused, text: str, value: Any, message: str
) -> None:
    cause, told = refused(text, {"x": value})
    assert cause == "bad-number"
    assert message in told


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**6))
def test_whole_numbers_are_scaled_as_python_multiplies_them(value: int, scale: int) -> None:
    compute = as_integer(lambda element, record, context: element, scale=Decimal(scale), rounding="exact")  # noqa: ARG005  one signature for all
    nothing: Any = None
    assert compute(value, nothing, nothing) == compute(str(value), nothing, nothing) == value * scale


@given(st.decimals(-(10**9), 10**9, places=4), st.sampled_from(("0.001", "0.01", "10", "1000", "1.19")))
def test_scaled_numbers_are_exact(value: Decimal, scale: str) -> None:
    compute = as_number(
        lambda element, record, context: element,  # noqa: ARG005  one signature for all
        scale=Decimal(scale), decimals=None, rounding="exact",
    )  # fmt: skip
    nothing: Any = None
    assert Decimal(compute(str(value), nothing, nothing)) == value * Decimal(scale)


@pytest.mark.parametrize(
    ("steps", "value", "expected"),
    [
        ("", "Ana", "Ana"),
        ("", 12, "12"),
        ("", 12.5, "12.5"),
        ("", True, "true"),
        ("", Decimal("1.50"), "1.50"),
        (", trim = true", " Ana ", "Ana"),
        (', case = "lower"', "ȘTEFAN", "ștefan"),
        (', case = "upper", trim = true', " ro ", "RO"),
    ],
)
def test_text(map_one: MapOne, steps: str, value: Any, expected: str) -> None:
    assert map_one(f'a = {{ path = "x", as = "text"{steps} }}', {"x": value}) == {"a": expected}


def test_text_that_is_blank_when_trimmed_is_empty(map_one: MapOne, refused: Refused) -> None:
    text = 'a = { path = "x", as = "text", trim = true, required = true }'
    assert refused(text, {"x": "  "})[0] == "no-value"
    assert map_one('a = { path = "x", as = "text", trim = true }', {"x": "  "}) == {}


@pytest.mark.parametrize(
    ("value", "expected"),
    [(True, True), (False, False), (1, True), (0, False), ("True", True), ("0", False), (" false ", False)],
)
def test_booleans(map_one: MapOne, value: Any, expected: bool) -> None:  # noqa: FBT001  a table's column
    assert map_one('a = { path = "x", as = "boolean" }', {"x": value}) == {"a": expected}


@pytest.mark.parametrize("value", [2, "yes", "maybe", 0.5])
def test_what_is_neither_true_nor_false_is_rejected(refused: Refused, value: Any) -> None:
    cause, told = refused('a = { path = "x", as = "boolean" }', {"x": value})
    assert (cause, told) == ("bad-boolean", f"a: {value!r} is neither true nor false")


def test_lists_and_objects_make_no_text(refused: Refused) -> None:
    assert refused('a = { path = "x", as = "text" }', {"x": [1]})[0] == "bad-text"


def test_a_uuid_is_the_same_for_the_same_text(map_one: MapOne) -> None:
    text = 'a = { path = "x", as = "uuid5", namespace = "6ba7b811-9dad-11d1-80b4-00c04fd430c8" }'
    assert map_one(text, {"x": "https://example.com/"}) == {
        "a": str(uuid.uuid5(uuid.NAMESPACE_URL, "https://example.com/"))
    }
    assert map_one(text, {"x": 7}) == map_one(text, {"x": "7"})
    assert map_one(text, {}) == {}


@pytest.mark.parametrize("kind", ["text", "integer", "number", "boolean", "date"])
def test_what_is_empty_stays_empty(map_one: MapOne, kind: str) -> None:
    empty: tuple[Any, ...] = (None, "", [], {})
    for value in empty:
        assert map_one(f'a = {{ path = "x", as = "{kind}" }}', {"x": value}) == {}


def test_what_a_message_shows_of_a_value_is_short(refused: Refused) -> None:
    _, told = refused(NUMBER.format(""), {"x": "very " * 100})
    assert len(told) < 80


def test_bodies_are_json(map_one: MapOne) -> None:
    body = map_one('a = { path = "x", as = "number", decimals = 1 }\nb = { path = "d", as = "date" }',
                   {"x": 1, "d": "2024-01-01T00:00:00Z"})  # fmt: skip
    assert orjson.loads(encode_body(body)) == {"a": 1.0, "b": "2024-01-01T00:00:00+00:00"}


@pytest.mark.parametrize("required", ["true", '"skip"'])
@pytest.mark.parametrize(
    "conversion", ["integer", "number", "text", "boolean", "date", 'uuid5", namespace = "6ba7b811-9dad-11d1-80b4-00c04fd430c8']
)  # fmt: skip
def test_a_field_whose_condition_does_not_hold_is_not_required(
    map_one: MapOne, required: str, conversion: str
) -> None:
    text = f'a = {{ path = "x", when = "y", as = "{conversion}", required = {required} }}\nb = "b"'
    assert map_one(text, {"x": "1", "b": 1}) == {"b": 1}


@pytest.mark.parametrize(
    ("steps", "expected"),
    [("default = 7", {"a": 7}), ("null = true", {"a": None}), ('required = "skip"', None)],
)
def test_a_choice_whose_condition_does_not_hold_leaves_the_field_empty_not_out(
    map_one: MapOne, steps: str, expected: Any
) -> None:
    text = f'a = {{ first = ["x", {{ path = "y", when = "z" }}], {steps} }}'
    assert map_one(text, {"y": 1}) == expected
