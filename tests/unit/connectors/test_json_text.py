from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkmove.connectors.json_text import as_text, normal_number, part, whole_number
from bulkmove.exact import decode_json, decode_json_or_nothing, encode_json

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_decoding_gives_back_what_was_encoded(value: Any) -> None:
    try:
        encoded = orjson.dumps(value)
    except TypeError:
        return  # lone surrogates have no bytes
    decoded = decode_json(encoded)
    assert decoded == value
    assert encode_json(decoded) == encoded


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (b"18446744073709551615", 2**64 - 1),
        (b"18446744073709551616", Decimal(2**64)),
        (b"-9223372036854775809", Decimal(-(2**63) - 1)),
        (b"-9223372036854775808", -(2**63)),
        (b"0.1234567890123456789012", Decimal("0.1234567890123456789012")),
        (b"0.10000000000000000000", 0.1),
        (b"58.340000000000003", 58.34),
        (b"0.12345678901234567", Decimal("0.12345678901234567")),
        (b"9007199254740993.5", Decimal("9007199254740993.5")),
        (b"1e400", Decimal("1e400")),
        (b'"\\ud800"', "\ud800"),
        (b'\xef\xbb\xbf"x"', "x"),
        (b'"12345678901234567890123"', "12345678901234567890123"),
    ],
)
def test_what_a_fast_decoder_would_change_or_refuse_is_kept(written: bytes, value: Any) -> None:
    decoded = decode_json(b"[" + written + b"]" if not written.startswith(b"\xef") else written)
    found = decoded[0] if isinstance(decoded, list) else decoded
    assert (type(found), found) == (type(value), value)


def test_an_odd_value_does_not_cost_its_page() -> None:
    rows = decode_json(b'[{"id":1,"note":"\\ud83d"},{"id":2,"x":NaN},{"id":3}]')
    assert [row["id"] for row in rows] == [1, 2, 3]


@pytest.mark.parametrize(
    "body", [b"", b" ", b"<html></html>", b'{"data":[', b'{"a":1} x', b'"\xff"', b"[" * 100_000]
)
def test_what_is_no_json_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_json(body)


def test_an_empty_body_is_nothing_where_that_is_allowed() -> None:
    assert decode_json_or_nothing(b" \n") is None
    with pytest.raises(ValueError, match=r"."):
        decode_json_or_nothing(b"<html>")


@pytest.mark.parametrize("text", ["18446744073709551616", "0.12345678901234567890"])
def test_long_numbers_are_encoded_with_their_digits(text: str) -> None:
    assert encode_json(decode_json(text.encode())) == text.encode()


@pytest.mark.parametrize("value", [Decimal("NaN"), {1}, object()])
def test_what_json_can_t_carry_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        encode_json({"a": value})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (95, "95"),
        (95750870.3, "95750870.3"),
        ("x", "x"),
        ("", None),
        (None, None),
        (True, None),
        ([], None),
        ({}, None),
    ],
)
def test_ids_are_text(value: Any, text: str | None) -> None:
    assert as_text(value) == text


@pytest.mark.parametrize(
    ("value", "count"), [(0, 0), (7, 7), (-1, None), (True, None), ("7", None), (1.0, None)]
)
def test_counts_are_whole_numbers(value: Any, count: int | None) -> None:
    assert whole_number(value) == count


@pytest.mark.parametrize(
    ("one", "other"), [(88, "88.00"), (88, 88.0), ("0.10", 0.1), (-5, "-5"), (0, "0.0"), (100, "100")]
)
def test_a_number_and_its_text_are_one(one: Any, other: Any) -> None:
    assert normal_number(one) == normal_number(other)


@pytest.mark.parametrize("text", ["088", "+5", "1e2", "٣", "5 ", "", "x", "1.2.3"])
def test_texts_that_are_names_stay(text: str) -> None:
    assert normal_number(text) == text


def test_a_missing_step_is_none() -> None:
    assert part({"a": {"b": 1}}, "a", "b") == 1
    assert part({"a": None}, "a", "b") is None
    assert part([], "a") is None
