"""What a mask means, and what stands in for the values that it hides."""

from __future__ import annotations

import random
import re
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import orjson
import pytest

from bulkmove.mapping.masking import Mask, masks_field
from bulkmove.mapping.standing_in import StandIns
from bulkmove.model import Record

KEY = b"0123456789abcdef0123456789abcdef"
OTHER_KEY = b"another key, of a ledger of its own"


@pytest.fixture
def stand_ins() -> StandIns:
    return StandIns(KEY)


def shape(text: str) -> str:
    """What stays of a text: where its digits, capitals, small letters and all else stand."""
    text = re.sub(r"\d", "9", text)
    return "".join(
        "A" if sign.isupper() else "a" if sign.islower() else "x" if sign.isalpha() else sign for sign in text
    )


@pytest.mark.parametrize(
    "value",
    [
        "Ana Popescu", "Ștefan-Țiriac ÎMPĂRATU", "O'Neill, Zoë", "0722 123 456", "0722123456", "(021) 312.45.67 int. 9",
        "Str. Lungă nr. 10, bl. A3, ap. 7", "RO49AAAA1B31007593840000", "J40/1234/2019", "010101", "Иван Петров", "张伟",
        "a", "7", "multi\nline\ttext ☎ 0722", "Æ", "é",
    ],
)  # fmt: skip
def test_a_text_keeps_its_length_and_its_kinds_of_signs(stand_ins: StandIns, value: str) -> None:
    masked = stand_ins.of(value)
    assert masked != value
    assert len(masked) == len(value)
    assert shape(masked) == shape(value)


def test_a_name_stays_one_that_can_be_spoken(stand_ins: StandIns) -> None:
    def vowels(name: str) -> list[bool]:
        return [sign in "aeiouăâî" for sign in name.lower()]

    for name in ("Ana", "Maria Ionescu", "Andrei", "Elisabeta"):
        assert vowels(stand_ins.of(name)) == vowels(name)


@pytest.mark.parametrize("value", ["+40 722 123 456", "0040-722123456", "0722123456"])
def test_a_phone_number_keeps_its_country_and_its_leading_zeros(stand_ins: StandIns, value: str) -> None:
    masked = stand_ins.of(value)
    kept = re.match(r"\+\d\d|00\d\d|0", value)
    assert kept is not None
    assert masked.startswith(kept[0])
    assert masked[len(kept[0]) :] != value[len(kept[0]) :]


@pytest.mark.parametrize(
    "value", ["ana@x.ro", "Ana.Popescu+shop@mail.example.com", "ștefan@exemplu.ro", "a" * 300 + "@b.ro"]
)
def test_an_e_mail_stays_one_that_nobody_gets(stand_ins: StandIns, value: str) -> None:
    masked = stand_ins.of(value)
    assert re.fullmatch(r"[a-z][a-z0-9]{9,63}@example\.invalid", masked)
    if 26 <= len(value) <= 80:
        assert len(masked) == len(value)
    assert stand_ins.of(value.upper()) == masked, "an e-mail is the same in capitals"


def test_e_mails_within_a_text_are_those_that_stand_alone(stand_ins: StandIns) -> None:
    masked = stand_ins.of("Ana <ana@x.ro>, sau 0722 (ion@y.ro).")
    assert stand_ins.of("ana@x.ro") in masked
    assert stand_ins.of("ion@y.ro") in masked
    assert "x.ro" not in masked


def test_ten_thousand_e_mails_and_phone_numbers_stay_apart(stand_ins: StandIns) -> None:
    for values in ([f"c{n}@x.ro" for n in range(10_000)], [f"07{n:08}" for n in range(10_000)]):
        assert len({stand_ins.of(value) for value in values}) > 9_990


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("1984-02-29", "%Y-%m-%d"), ("2024-05-01T12:30:01", "%Y-%m-%dT%H:%M:%S"), ("2024-05-01 12:30", "%Y-%m-%d %H:%M"),
        ("29.02.1984", "%d.%m.%Y"), ("12/31/1999", "%m/%d/%Y"), ("31/12/1999", "%d/%m/%Y"),
        ("2018-02-27T19:04:49+02:00", "%Y-%m-%dT%H:%M:%S%z"), ("9999-12-31", "%Y-%m-%d"), ("0001-01-01", "%Y-%m-%d"),
    ],
)  # fmt: skip
def test_a_date_stays_a_date_in_its_form(stand_ins: StandIns, value: str, form: str) -> None:
    masked = stand_ins.of(value)
    assert masked != value
    datetime.strptime(masked, form)  # noqa: DTZ007  only whether it can be read
    assert len(masked) == len(value)
    assert masked.endswith("+02:00") is value.endswith("+02:00")


def test_a_birthday_moves_by_less_than_two_years(stand_ins: StandIns) -> None:
    for day in range(1, 29):
        masked = date.fromisoformat(stand_ins.of(f"1990-03-{day:02}"))
        assert 0 < abs((masked - date(1990, 3, day)).days) <= 730


def test_an_ip_address_stays_one(stand_ins: StandIns) -> None:
    assert all(0 < int(part) < 255 for part in stand_ins.of("95.77.3.254").split("."))


@pytest.mark.parametrize(
    "value", [7, -3, 100, 12345678901, 10.05, -0.5, 1e22, Decimal("12345678901234567890.5"), 2**63 - 1]
)
def test_a_number_stays_one_of_its_kind_and_sign(stand_ins: StandIns, value: float | Decimal) -> None:
    masked = stand_ins.of(value)
    assert type(masked) is type(value)
    assert masked != value
    assert (masked > 0) is (value > 0)
    if not isinstance(value, Decimal):
        orjson.dumps(masked)


@pytest.mark.parametrize("value", [None, True, False, "", 0, "  ", "-", 0.0, "000"])
def test_what_tells_nothing_stays(stand_ins: StandIns, value: Any) -> None:
    assert stand_ins.of(value) == value


def test_equal_values_are_masked_equally_under_one_key_alone(stand_ins: StandIns) -> None:
    values = ["Ana Popescu", "0722123456", "ana@x.ro", "1984-02-29", 4711]
    assert [stand_ins.of(value) for value in values] == [StandIns(KEY).of(value) for value in values]
    others = [StandIns(OTHER_KEY).of(value) for value in values]
    assert all(other != stand_ins.of(value) for other, value in zip(others, values, strict=True))
    assert stand_ins.of("722123456") == str(stand_ins.of(722123456)), "a phone number as text and as a number"


def test_any_json_is_masked_without_an_error(stand_ins: StandIns) -> None:
    dice = random.Random(7)
    for _ in range(2000):
        text = "".join(
            chr(dice.choice((dice.randrange(32, 127), dice.randrange(0x3000))))
            for _ in range(dice.randrange(9))
        )
        masked = stand_ins.of(text)
        assert isinstance(masked, str)
        assert "@" in text or len(masked) == len(text)
    assert len(stand_ins.of("\ud83d half")) == 6


ROW = {
    "id": 17,
    "customer_email": "ana@x.ro",
    "billing_phone": "0722",
    "phone": None,
    "shipping_address": {"street": "Lungă", "geo": {"lat": 44.5}},
    "lines": [{"name": "Bluză", "customer_email": "b@x.ro"}, {"name": "Fustă"}, 3],
    "note": "rămâne",
}


def masked(*patterns: str) -> tuple[dict[str, Any], set[str]]:
    mask = Mask(patterns, KEY)
    before = orjson.dumps(ROW)
    row = mask.data(ROW)
    assert orjson.dumps(ROW) == before, "the row itself is left as it is"
    return row, mask.used


def changed(row: dict[str, Any]) -> set[str]:
    return {name for name in ROW if row[name] != ROW[name]}


@pytest.mark.parametrize(
    ("pattern", "fields"),
    [
        ("customer_email", {"customer_email", "lines"}),
        ("*_phone", {"billing_phone"}),
        ("*phone", {"billing_phone"}),
        ("name", {"lines"}),
        ("lines.name", {"lines"}),
        ("lines[].name", {"lines"}),
        ("lines", {"lines"}),
        ("shipping_address", {"shipping_address"}),
        ("shipping_address.*", {"shipping_address"}),
        ("shipping_address.geo.l?t", {"shipping_address"}),
        ("*.customer_email", {"lines"}),
        ("street", {"shipping_address"}),
        ("Note", set()),
        ("shipping_address.lat", set()),
        ("customer", set()),
    ],
)
def test_a_pattern_means_a_name_at_any_depth_and_with_dots_a_whole_path(
    pattern: str, fields: set[str]
) -> None:
    row, used = masked(pattern)
    assert changed(row) == fields
    assert row.keys() == ROW.keys()
    assert used == ({pattern} if fields else set())


def test_all_below_a_field_that_is_meant_is_masked() -> None:
    row, _ = masked("shipping_address")
    assert row["shipping_address"]["street"] != "Lungă"
    assert row["shipping_address"]["geo"]["lat"] != 44.5


def test_a_field_without_a_value_shows_that_the_pattern_is_of_use() -> None:
    assert masked("phone")[1] == {"phone"}


def test_a_row_that_could_not_be_read_is_masked_as_a_whole() -> None:
    record = Mask(["email"], KEY).record(Record("1", None, None, {"row": "17;Ana;ana@x.ro"}, "too few cells"))
    assert "Ana" not in record.data["row"]
    assert "x.ro" not in record.data["row"]


@pytest.mark.parametrize(
    ("pattern", "name"), [("*", "id"), ("i?", "id"), ("line_items", "line_items[].id"), ("*d", "order_id")]
)
def test_a_pattern_that_means_an_id_is_found(pattern: str, name: str) -> None:
    assert masks_field([pattern], name) == pattern
    assert masks_field(["customer.id", "x_id"], name) is None
