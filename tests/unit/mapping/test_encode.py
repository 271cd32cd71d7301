"""A mapped body as JSON: exact, or rejected."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkmove.errors import RejectedError
from bulkmove.exact import decode_json
from bulkmove.mapping.encode import encode_body

_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), _VALUES, max_size=5))
def test_what_is_encoded_is_read_back_as_it_was(body: dict[str, Any]) -> None:
    encoded = encode_body(body)
    assert decode_json(encoded) == body
    assert json.loads(encoded) == body
    assert b"\n" not in encoded


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_a_decimal_keeps_its_digits(number: Decimal) -> None:
    read = json.loads(encode_body({"n": number}), parse_float=Decimal, parse_int=Decimal)["n"]
    assert read == number
    assert read.as_tuple().digits == number.as_tuple().digits


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("10.00"), "10.00"), (Decimal("0.1"), "0.1"), (0.1, "0.1"), (1.0, "1.0"), (-0.0, "-0.0"),
        (Decimal("12345678901234567890.123456789"), "12345678901234567890.123456789"), (2**64 - 1, str(2**64 - 1)),
        (datetime(2024, 3, 1, 12, 30, tzinfo=UTC), '"2024-03-01T12:30:00+00:00"'),
        (datetime(2024, 3, 1, 12, 30, tzinfo=timezone(timedelta(hours=2))), '"2024-03-01T12:30:00+02:00"'),
        ("null", '"null"'), (None, "null"), ("Ștefan", '"Ștefan"'), ((1, 2), "[1,2]"),
    ],
)  # fmt: skip
def test_values_are_written_as_they_are(value: object, text: str) -> None:
    assert encode_body({"v": value}).decode() == '{"v":' + text + "}"


@pytest.mark.parametrize(
    "value",
    [
        float("nan"), float("inf"), float("-inf"), Decimal("NaN"), Decimal("Infinity"), Decimal("sNaN"),
        datetime(2024, 3, 1), {1, 2}, object(), b"bytes", "\ud800", 2**64, -(2**63) - 1, 1j,  # noqa: DTZ001
        {1: "key"}, {"\ud800": 1},
    ],
)  # fmt: skip
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_what_has_no_exact_json_is_rejected(value: Any, depth: int) -> None:
    for _ in range(depth):
        value = {"inner": [None, value]}
    with pytest.raises(RejectedError) as raised:
        encode_body({"v": value})
    assert raised.value.cause == "not-json"


def test_a_piece_of_json_with_a_raw_newline_is_rejected() -> None:
    """Bodies are kept a line each: one that holds two would make its page unreadable."""
    with pytest.raises(RejectedError, match="raw newline") as raised:
        encode_body({"v": orjson.Fragment(b'{"a":\n1}')})
    assert raised.value.cause == "not-json"
    assert encode_body({"v": "two\nlines", "w": orjson.Fragment(b"[1]")}) == b'{"v":"two\\nlines","w":[1]}'


def test_a_number_that_is_none_is_named_with_its_place() -> None:
    with pytest.raises(RejectedError, match=r"lines\.1\.price holds nan"):
        encode_body({"lines": [{"price": 1.0}, {"price": float("nan")}]})


def test_a_null_beside_numbers_is_no_reason_to_reject() -> None:
    assert encode_body({"a": None, "b": 1.5, "c": [{"d": None}]}) == b'{"a":null,"b":1.5,"c":[{"d":null}]}'


def test_a_body_that_holds_itself_is_rejected() -> None:
    body: dict[str, Any] = {}
    body["self"] = body
    with pytest.raises(RejectedError):
        encode_body(body)


def test_dates_without_a_time_are_dates_or_rejected_but_never_changed() -> None:
    try:
        encoded = encode_body({"d": date(2024, 3, 1)})
    except RejectedError:
        return
    assert encoded == b'{"d":"2024-03-01"}'
