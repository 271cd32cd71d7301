"""JSON that does not change one value."""

from __future__ import annotations

import hashlib
import json
import math
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkmove.exact import (
    _has_long_number,
    canonical_json,
    decode_json,
    decode_json_or_nothing,
    encode_json,
    is_utf8,
    name_of_content,
)


def exactly(text: str) -> Any:
    """The value with all its digits: what decode_json has to be equal to."""
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


_SIGN = st.sampled_from(["", "-"])
_WHOLE = st.from_regex(r"\A(0|[1-9][0-9]{0,30})\Z")
_REST = st.sampled_from([""]) | st.from_regex(r"\A\.[0-9]{1,25}\Z")
_EXPONENT = st.sampled_from(["", "e5", "E-7", "e+300", "e-300", "e400", "e-400"])


@given(_SIGN, _WHOLE, _REST, _EXPONENT)
def test_a_number_is_exact_or_the_double_that_its_digits_name(
    sign: str, whole: str, rest: str, exponent: str
) -> None:
    text = sign + whole + rest + exponent
    value = decode_json(f'{{"n":{text}}}'.encode())["n"]
    exact = Decimal(text)
    if isinstance(value, float):
        assert math.isfinite(value)
        assert float(text) == value
        significant = len(exact.normalize().as_tuple().digits)
        assert significant <= 17 or Decimal(repr(value)) == exact
    else:
        assert value == exact


@given(_SIGN, _WHOLE, _REST)
def test_a_number_that_is_read_and_written_keeps_its_value(sign: str, whole: str, rest: str) -> None:
    text = sign + whole + rest
    written = encode_json(decode_json(f"[{text}]".encode())).decode()
    [value] = exactly(written)
    if len(Decimal(text).normalize().as_tuple().digits) <= 15 or "." not in text:
        assert value == Decimal(text)
    else:
        assert float(value) == float(text)
        assert value == Decimal(text) or Decimal(repr(float(text))) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("123", 123), ("-1", -1), ("18446744073709551615", 2**64 - 1), ("-9223372036854775808", -(2**63)),
        ("18446744073709551616", Decimal(2**64)), ("-9223372036854775809", Decimal(-(2**63) - 1)),
        ("1.5", 1.5), ("1e5", 1e5), ("0.1", 0.1),
        ("0.1000000000000000000000", 0.1), ("1e400", Decimal("1e400")), ("-1e400", Decimal("-1e400")),
        ("12345678901234567.89", Decimal("12345678901234567.89")), ("null", None), ("true", True), ('""', ""),
    ],
)  # fmt: skip
def test_values_are_read_as_they_are(text: str, value: object) -> None:
    read = decode_json(text.encode())
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize("body", [b'"12345678901234567890123"', b'{"id":"99999999999999999999.5"}'])
def test_digits_within_text_are_text(body: bytes) -> None:
    assert decode_json(body) == json.loads(body)


def test_one_odd_record_does_not_cost_its_page() -> None:
    page = decode_json(b'[{"n":NaN},{"n":1},{"s":"\\ud800"}]')
    assert page[1] == {"n": 1}
    assert page[0]["n"].is_nan()
    assert page[2]["s"] == "\ud800"


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"a":1', b'{"a":1}{"b":2}', b"\xff\xfe", b"{'a':1}", b"[" * 100_000, b"[1,]"]
)
def test_what_is_no_json_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  the promise is this type and no other
        decode_json(body)


@pytest.mark.parametrize("number", [b"12345678901234567890", b"1.2345678901234567890"])
def test_what_is_cut_short_behind_a_long_number_is_a_value_error(number: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        decode_json(b'{"a":' + number)


def test_a_byte_order_mark_is_no_part_of_the_answer() -> None:
    assert decode_json(b'\xef\xbb\xbf{"a":1}') == {"a": 1}


@pytest.mark.parametrize("body", [b"", b" \n"])
def test_an_empty_body_is_nothing_where_that_is_allowed(body: bytes) -> None:
    assert decode_json_or_nothing(body) is None
    assert decode_json_or_nothing(b"[1]") == [1]


def test_what_can_not_be_written_is_not_written() -> None:
    for value in (Decimal("NaN"), Decimal("Infinity"), {1, 2}, "\ud800"):
        with pytest.raises((TypeError, ValueError)):
            encode_json({"v": value})
    assert encode_json({"at": datetime(2024, 1, 1, tzinfo=UTC)}) == b'{"at":"2024-01-01T00:00:00+00:00"}'


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"])), st.integers(-(2**63), 2**64 - 1) | st.none()
    )
)
def test_equal_values_have_the_same_canonical_bytes(value: dict[str, Any]) -> None:
    turned = dict(reversed(list(value.items())))
    assert canonical_json(value) == canonical_json(turned)


def test_names_are_sorted_at_every_depth_and_not_by_orjson(monkeypatch: pytest.MonkeyPatch) -> None:
    """orjson 3.13 may end the process where it sorts the names of a row some two hundred levels deep."""
    plain = orjson.dumps

    def refusing(value: object, /, default: Any = None, option: int | None = None) -> bytes:
        assert not (option or 0) & orjson.OPT_SORT_KEYS, "orjson sorts"
        return plain(value, default, option)

    monkeypatch.setattr(orjson, "dumps", refusing)
    value: Any = {"b": [1.5, "Ș"], "a": None}
    text = '{"a":null,"b":[1.5,"Ș"]}'
    for depth in range(250):
        value = [depth, value] if depth % 3 == 0 else {"z": True, "a": value, "m": "x"}
        text = f"[{depth},{text}]" if depth % 3 == 0 else f'{{"a":{text},"m":"x","z":true}}'
    assert canonical_json(value).decode() == text
    assert name_of_content(value) == "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def test_values_that_differ_have_other_canonical_bytes() -> None:
    values = [{"a": 1}, {"a": 2}, {"b": 1}, {"a": "1"}, {"a": None}, {"a": Decimal("1e400")}, [1, 2], [2, 1]]
    assert len({canonical_json(value) for value in values}) == len(values)


@pytest.mark.parametrize(
    ("text", "can_be_sent"), [("", True), ("abc", True), ("Ș😀", True), ("\ud800", False), ("a\udfff", False)]
)
def test_lone_surrogates_can_not_be_sent(text: str, *, can_be_sent: bool) -> None:
    assert is_utf8(text) is can_be_sent


@pytest.mark.parametrize(
    "text",
    [
        b"[%s]",
        b"[1,%s]",
        b"[1, %s]",
        b"[1,\n%s]",
        b'{"a":%s}',
        b'{"a": %s}',
        b'["hash12345678901234567890f", %s]',
    ],
)
@pytest.mark.parametrize("number", [b"12345678901234567890.5", b"-12345678901234567890.5"])
def test_a_long_number_is_found_wherever_it_stands(text: bytes, number: bytes) -> None:
    decoded = decode_json(text % number)
    values = list(decoded.values()) if isinstance(decoded, dict) else decoded
    assert values[-1] == Decimal(number.decode())


def test_long_digits_within_a_name_cost_nothing() -> None:
    """Addresses with hashes stand in every order: they must not send its page the slow way."""
    assert not _has_long_number(b'[{"url":"https://shop.example/f7ec12345678901234567890ad/1"}]')


def test_a_row_is_named_however_deep_it_is() -> None:
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    other = [deep, 1]
    assert name_of_content({"a": deep}) == name_of_content({"a": deep}) != name_of_content({"a": other})
