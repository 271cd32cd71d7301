"""Which row a body belongs to: the table of modes, and what is unchanged."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, get_args

import pytest

from bulkmove.entries import TargetKey
from bulkmove.load.matching import Body, Rules, as_text, digest_of, field_hashes, match, row_holds
from bulkmove.mapping.encode import encode_body
from bulkmove.model import JsonObject, State
from bulkmove.settings import Mode
from tests.doubles import Shop, ShopTarget


def rules(mode: Mode, **shop: Any) -> Rules:
    return Rules("r", mode, "id", "key", frozenset(), ShopTarget(Shop(**shop)))


def body(fields: JsonObject, target_id: str | None = None) -> Body:
    key = None if target_id is not None else as_text(fields.get("key"))
    return Body("s", 0, "v", b"d", fields, encode_body(fields), target_id, key)


def held(count: int = 1, fields: str | None = None, owner: tuple[str, str] | None = None) -> TargetKey:
    return TargetKey("K", "7" if count else None, count, fields, owner)


_KEY = {"key": "K", "value": 1}
_TABLE = [
    # mode, target id, key, what is known of the key → state, cause, row, claimed key
    ("create", "9", "K", None, State.REJECTED, "has-id", None, None),
    ("update", "9", "K", None, State.PENDING, None, "9", None),
    ("upsert", "9", "K", None, State.PENDING, None, "9", None),
    ("update", "9", "K", held(), State.PENDING, None, "9", None),
    ("create", None, "K", None, State.PENDING, None, None, "K"),
    ("create", None, "K", held(), State.REJECTED, "exists", None, None),
    ("create", None, "K", held(2), State.REJECTED, "ambiguous-key", None, None),
    ("update", None, "K", None, State.REJECTED, "no-match", None, None),
    ("update", None, "K", held(0), State.REJECTED, "no-match", None, None),
    ("update", None, "K", held(), State.PENDING, None, "7", "K"),
    ("update", None, "K", held(2), State.REJECTED, "ambiguous-key", None, None),
    ("upsert", None, "K", None, State.PENDING, None, None, "K"),
    ("upsert", None, "K", held(0), State.PENDING, None, None, "K"),
    ("upsert", None, "K", held(), State.PENDING, None, "7", "K"),
    ("upsert", None, "K", held(2), State.REJECTED, "ambiguous-key", None, None),
    ("delete", "9", "K", None, State.PENDING, None, "9", None),
    ("delete", None, "K", None, State.REJECTED, "no-match", None, None),
    ("delete", None, "K", held(0), State.REJECTED, "no-match", None, None),
    ("delete", None, "K", held(), State.PENDING, None, "7", "K"),
    ("delete", None, "K", held(2), State.REJECTED, "ambiguous-key", None, None),
    *(
        (mode, None, "K", held(count, owner=("r", "other")), State.REJECTED, "duplicate-key", None, None)
        for mode in get_args(Mode)
        for count in (0, 1, 2)
    ),
    *((mode, None, None, None, State.REJECTED, "no-key", None, None) for mode in get_args(Mode)),
]  # fmt: skip


@pytest.mark.parametrize(("mode", "target_id", "key", "known", "state", "cause", "row", "claimed"), _TABLE)
def test_the_table_of_modes_holds(
    mode: Mode,
    target_id: str | None,
    key: str | None,
    known: TargetKey | None,
    state: State,
    cause: str | None,
    row: str | None,
    claimed: str | None,
) -> None:
    given = body({"key": key, "value": 1}, target_id)
    entry = match(given, rules(mode), {"K": known} if known else {})
    assert (entry.state, entry.cause, entry.target_id, entry.key) == (state, cause, row, claimed)
    assert entry.body == given.encoded
    assert entry.digest == digest_of(given.encoded)
    assert (entry.version, entry.source_digest) == ("v", b"d")
    assert (entry.message is None) == (cause is None)


def test_a_row_that_shows_no_id_is_not_created_once_more() -> None:
    entry = match(body(_KEY), rules("upsert"), {"K": TargetKey("K", None, 1, None, None)})
    assert (entry.state, entry.cause) == (State.REJECTED, "no-target-id")


@pytest.mark.parametrize(
    ("row", "is_unchanged"),
    [
        ({"id": "7", "key": "K", "value": 1}, True),
        ({"id": "7", "key": "K", "value": 1, "more": "at the target"}, True),
        ({"id": "7", "key": "K", "value": 2}, False),
        ({"id": "7", "key": "K", "value": "1"}, False),
        ({"id": "7", "key": "K", "value": None}, False),
        ({"id": "7", "key": "K"}, False),
    ],
)
def test_unchanged_is_what_comes_back_with_every_value_that_would_be_written(
    row: JsonObject, *, is_unchanged: bool
) -> None:
    made = rules("upsert")
    state = State.UNCHANGED if is_unchanged else State.PENDING
    by_key = match(body(_KEY), made, {"K": held(fields=field_hashes(made.target, row))})
    assert (by_key.state, by_key.target_id) == (state, "7")
    own = match(body(_KEY, "7"), made, {}, row)
    assert own.state is state
    assert (own.body is None) == is_unchanged


def test_a_row_is_deleted_whatever_it_holds() -> None:
    made = rules("delete")
    row = {"id": "7", **_KEY}
    assert match(body({}, "7"), made, {}, row).state is State.PENDING
    keyed = body(_KEY)._replace(fields={}, encoded=b"{}")
    by_key = match(keyed, made, {"K": held(fields=field_hashes(made.target, row))})
    assert (by_key.state, by_key.body, by_key.digest) == (State.PENDING, b"{}", digest_of(b"{}"))


def test_the_key_of_a_row_that_is_deleted_by_its_id_is_not_claimed() -> None:
    assert match(body(_KEY, "7")._replace(key="K"), rules("delete"), {}).key is None
    assert match(body(_KEY, "7")._replace(key="K"), rules("update"), {}).key == "K"


def test_a_field_that_never_comes_back_is_always_written() -> None:
    made = rules("upsert", never_returned=frozenset({"secret"}))
    row = {"id": "7", "key": "K", "value": 1}
    fields = field_hashes(made.target, row)
    assert match(body(_KEY), made, {"K": held(fields=fields)}).state is State.UNCHANGED
    with_secret = _KEY | {"secret": "x"}
    assert match(body(with_secret), made, {"K": held(fields=fields)}).state is State.PENDING
    assert match(body(with_secret, "7"), made, {}, row | {"secret": "x"}).state is State.PENDING


def test_a_row_of_which_no_fields_are_known_is_written() -> None:
    assert match(body(_KEY), rules("upsert"), {"K": held(fields=None)}).state is State.PENDING


def test_hashes_of_a_row_show_none_of_its_values() -> None:
    assert "Popescu" not in field_hashes(ShopTarget(Shop()), {"key": "K", "name": "Popescu"})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (7, "7"), ("7", "7"), (0, "0"), (Decimal("1234567890123456789.01"), "1234567890123456789.01"),
        (None, None), ("", None), (True, None), (False, None), ([], None), ({}, None), ("\ud800", None),
    ],
)  # fmt: skip
def test_ids_and_keys_are_text_and_what_is_none_is_none(value: object, text: str | None) -> None:
    assert as_text(value) == text


@pytest.mark.parametrize(
    ("row", "holds"),
    [({"key": "K", "value": 1}, True), ({"key": "K"}, True), ({"key": "K", "value": 2}, False)],
)
def test_a_row_holds_a_body_in_the_fields_that_come_back(row: JsonObject, *, holds: bool) -> None:
    assert row_holds(ShopTarget(Shop()), _KEY, row) is holds
