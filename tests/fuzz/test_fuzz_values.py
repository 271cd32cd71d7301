"""Single values out of a host's bytes: JSON, dates, waits, hints. Each is read, or is nothing; none breaks the reader."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bulkmove.connectors.dates import epoch_seconds, iso_text
from bulkmove.connectors.external_order.source import key_reader
from bulkmove.connectors.json_text import as_text, normal_number, part, whole_number
from bulkmove.exact import (
    canonical_json,
    decode_json,
    decode_json_or_nothing,
    encode_json,
    is_utf8,
    name_of_content,
)
from bulkmove.transport.hints import hints_in, reset_s, throttled_s
from bulkmove.transport.waits import LONGEST_WAIT_S, http_date, retry_after_s
from tests.fuzz.odd_hosts import host_of
from tests.fuzz.odd_json import NUMBERS, ODD, TEXTS, bytes_of, written

ANY_TEXT = st.text(st.characters(exclude_categories=())) | st.sampled_from(TEXTS + NUMBERS)
BUCHAREST = ZoneInfo("Europe/Bucharest")


@given(body=st.binary() | bytes_of({"a": [1, 2.5, "x", None, True, {"b": {}}]}))
@example(b"1e99999999999999999999")
@example(b"-1e-99999999999999999999")
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
@example(b"9" * 100_000)
@example(b"0." + b"9" * 100_000)
@example(b'"\\ud800"')
@example(b"\xff\xfe[\x00]\x00")
def test_bytes_are_json_or_a_value_error(body: bytes) -> None:
    for decode in (decode_json, decode_json_or_nothing):
        try:
            value = decode(body)
        except ValueError:
            continue
        name_of_content(value)
        for number in _numbers(value):
            # What writes it out in full takes no more than a page.
            assert not number.is_finite() or abs(number.adjusted()) < 200_000


@pytest.mark.parametrize("depth", [1025, 100_000])
def test_what_is_nested_too_deeply_costs_its_own_row_alone(depth: int) -> None:
    body = b'[{"id":1,"a":' + b"[" * depth + b'"]"' + b"]" * depth + b'},{"id":2,"a":[1]}]'
    first, second = decode_json(body)
    assert first["id"] == 1
    with pytest.raises(TypeError):
        encode_json(first)
    assert second == {"id": 2, "a": [1]}


@pytest.mark.parametrize(
    "number", ["1e99999999999999999999", "1e999999999", "-1e-99999999999999999999999", "9" * 5000]
)
def test_a_number_beyond_all_measure_costs_its_own_row_alone(number: str) -> None:
    first, second = decode_json(f'[{{"id":1,"a":{number}}},{{"id":2}}]'.encode())
    assert (first["id"], second) == (1, {"id": 2})


def _numbers(value: Any) -> list[Decimal]:
    left, found = [value], []
    while left:
        each = left.pop()
        left += each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
        found += [each] if isinstance(each, Decimal) else []
    return found


@given(value=ODD)
def test_what_is_read_is_what_stood_there(value: Any) -> None:
    """What can be sent again says the same; the rest can't be sent at all."""
    text = written(value).encode("utf-8", "surrogatepass")
    try:
        read = decode_json(text)
        again = encode_json(read)
    except (ValueError, TypeError):  # no JSON, or nothing that JSON can carry
        return
    assert decode_json(again) == read
    try:
        plainly = json.loads(text, parse_float=Decimal, parse_int=Decimal, parse_constant=Decimal)
    except (ValueError, RecursionError, ArithmeticError):
        return
    if isinstance(plainly, Decimal) and plainly.is_finite() and isinstance(read, int | Decimal):
        assert Decimal(read) == plainly
    canonical_json(read)


@given(value=ODD)
def test_ids_counts_and_numbers_of_any_value(value: Any) -> None:
    try:
        read = decode_json(written(value).encode("utf-8", "surrogatepass"))
    except ValueError:
        return
    name = as_text(read)
    assert name is None or (name and is_utf8(name))
    count = whole_number(read)
    assert count is None or count >= 0
    assert part(read, "meta", "count") is None or isinstance(read, dict)
    shown = normal_number(read)
    assert not isinstance(shown, str) or len(shown) < 6000


@given(
    text=ANY_TEXT
    | st.datetimes().map(str)
    | st.datetimes(timezones=st.timezones()).map(lambda each: each.isoformat())
)
def test_a_date_is_a_second_that_can_be_asked_for_or_nothing(text: str) -> None:
    key = epoch_seconds(text, BUCHAREST)
    if key is not None:
        assert isinstance(iso_text(key), str)


@given(value=ODD | ANY_TEXT | st.integers(0, 2).map(lambda n: "9" * 5000 if n else 10**30))
def test_a_key_of_an_external_order_is_a_second_or_nothing(value: Any) -> None:
    try:
        read = decode_json(written(value).encode("utf-8", "surrogatepass"))
    except ValueError:
        return
    key = key_reader(host_of("external-order"))(read)
    assert key is None or abs(key) < 2**53


@given(text=ANY_TEXT, now=st.floats(-1e12, 1e12))
@example("9" * 5000, 0.0)
@example("1e308", 0.0)
@example("Sun, 06 Nov 99999 08:49:37 GMT", 0.0)
@example("Sun, 06 Nov 1994 08:49:37 +9999", 0.0)
@example("Sun, 06 Nov 0000 08:49:37 GMT", 0.0)
def test_retry_after_is_a_bounded_wait_or_nothing(text: str, now: float) -> None:
    moment = http_date(text)
    assert moment is None or math.isfinite(moment)
    wait_s = retry_after_s(text, now)
    assert wait_s is None or 0 <= wait_s <= LONGEST_WAIT_S


HINTS = (
    "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "X-RateLimit-Limit", "X-RateLimit-Remaining",
    "X-RateLimit-Reset", "RateLimit", "RateLimit-Policy", "Retry-After",
)  # fmt: skip
HINT_TEXTS = ANY_TEXT | st.sampled_from(
    (
        '"default";r=0;t=30',
        "100, 100;w=60",
        "limit=100, remaining=0, reset=30",
        "0",
        "-1",
        "1e3",
        "30;w=x",
        ";;;,,,",
        "²",
        "٣",
    )
)


@given(headers=st.dictionaries(st.sampled_from(HINTS), HINT_TEXTS), now=st.floats(0, 1e12))
@example({"X-RateLimit-Reset": "9" * 5000, "X-RateLimit-Remaining": "0"}, 0.0)
@example({"RateLimit": "limit=" + "9" * 5000}, 0.0)
def test_hints_are_bounded_or_nothing(headers: dict[str, str], now: float) -> None:
    hints_in(headers, now)
    reset = reset_s(headers, now)
    assert reset is None or 0 <= reset <= LONGEST_WAIT_S
    wait_s = throttled_s(headers, now=now, from_body=lambda: None)
    assert wait_s is None or 0 <= wait_s <= LONGEST_WAIT_S
