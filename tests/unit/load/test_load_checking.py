"""Bodies held against what a target documents: what is refused, where, and in which words."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import msgspec
import pytest

from bulkmove.errors import RejectedError
from bulkmove.load.checking import body_checker
from bulkmove.mapping.encode import encode_body
from bulkmove.model import JsonObject
from bulkmove.protocols import StreamSpec
from bulkmove.settings import Mode


class Line(TypedDict):
    quantity: int
    price: NotRequired[int | float]
    code: NotRequired[Annotated[str, msgspec.Meta(max_length=5)]]
    kind: NotRequired[Literal["sold", "returned"]]


class Order(TypedDict):
    rrn: str
    order_items: NotRequired[list[Line]]
    status: NotRequired[Literal["new", "paid"] | int]
    names: NotRequired[dict[str, str]]


class Change(TypedDict):
    status: NotRequired[int]


def stream(create: type | None = Order, update: type | None = Change) -> StreamSpec:
    return StreamSpec(
        name="orders", id_field="id", can_read=True, can_write=True, create_body=create, update_body=update
    )


def said_of(body: JsonObject, *, is_update: bool = False, spec: StreamSpec | None = None) -> str | None:
    """What is wrong with the body, None where it may go."""
    check = body_checker(spec or stream(), "upsert")
    assert check is not None
    encoded = encode_body(body)
    try:
        check(encoded, is_update=is_update)
    except RejectedError as error:
        return f"{'' if error.cause == 'bad-body' else error.cause}{error}"
    return None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"order_items": []}, "rrn: is missing"),
        ({"rrn": 7}, "rrn: expected str, got int"),
        ({"rrn": "x", "order_items": [{"quantity": 1}, {"quantity": "3"}]}, "order_items[1].quantity: expected int, got str"),
        ({"rrn": "x", "order_items": [{}]}, "order_items[0].quantity: is missing"),
        ({"rrn": "x", "order_items": {"a": 1}}, "order_items: expected array, got object"),
        ({"rrn": "x", "order_items": [{"quantity": None}]}, "order_items[0].quantity: expected int, got null"),
        ({"rrn": "x", "order_items": [{"quantity": 1, "code": "abcdef"}]}, "order_items[0].code: expected str of length <= 5"),
        (
            {"rrn": "x", "order_items": [{"quantity": 1, "kind": "lent"}]},
            "order_items[0].kind: 'lent' is no documented value; there are returned, sold",
        ),
        ({"rrn": "x", "status": "a - at `$.b`"}, "status: 'a - at `$.b`' is no documented value; there are new, paid"),
        ({"rrn": "x", "names": {"Ion Popescu": 1}}, "names[...]: expected str, got int"),
    ],
)  # fmt: skip
def test_what_the_target_would_refuse_is_told_with_its_place(body: JsonObject, said: str) -> None:
    assert said_of(body) == said


@pytest.mark.parametrize(
    "body",
    [
        {"rrn": "x"},
        {"rrn": "x", "status": "paid", "order_items": [{"quantity": 1, "price": Decimal("12345678901234567890.125")}]},
        {"rrn": "x", "status": Decimal(12345678901234567890123), "order_items": [{"quantity": 1, "code": "ăîșțâ"}]},
        {"rrn": "x", "order_items": [{"quantity": 1, "price": Decimal("1E400")}]},
        {"rrn": "x", "a field of no type, and a number beyond any double": Decimal("1E400")},
        {"rrn": "x", "a field of no type": {"any": ["thing"]}},
    ],
)  # fmt: skip
def test_what_fits_may_go(body: JsonObject) -> None:
    assert said_of(body) is None


def test_the_value_that_was_meant_is_told_before_the_choices_which_may_be_cut() -> None:
    class Many(TypedDict):
        status: Literal["a" * 80, "b" * 80, "c" * 80, "d" * 80, "done"]  # type: ignore[valid-type]  # long words, made here

    said = said_of({"status": "doen"}, spec=stream(Many, Many))
    assert said is not None
    assert said.startswith("status: 'doen' is no documented value; did you mean 'done'? There are aaa")


class Parcel(TypedDict, total=False):
    city: str
    lines: list[Line]
    carrier: Annotated[Line, msgspec.Meta(extra_json_schema={"additionalProperties": True})]
    anything: dict[str, Any]


class Sent(TypedDict):
    parcel: NotRequired[Parcel | None]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"parcel": {"ctiy": "Iași"}}, "unknown-fieldparcel.ctiy: the target documents no such field; did you mean 'city'?"),
        (
            {"parcel": {"lines": [{"quantity": 1}, {"quantity": 1, "pirce": 2}]}},
            "unknown-fieldparcel.lines[1].pirce: the target documents no such field; did you mean 'price'?",
        ),
        ({"parcel": None, "at the top": 1}, None),
        ({"parcel": {"anything": {"what": "ever"}, "carrier": {"quantity": 1, "what": "ever"}}}, None),
        ({"parcel": {"carrier": {"quantity": "1"}}}, "parcel.carrier.quantity: expected int, got str"),
    ],
)  # fmt: skip
def test_a_name_that_a_documented_object_does_not_have_is_refused(body: JsonObject, said: str | None) -> None:
    for is_update in (False, True):
        assert said_of(body, is_update=is_update, spec=stream(Sent, Sent)) == said


def test_a_change_is_held_against_what_a_change_may_hold() -> None:
    assert said_of({"status": 3}, is_update=True) is None
    assert said_of({"status": "paid"}, is_update=True) == "status: expected int, got str"


def test_a_long_value_is_not_repeated() -> None:
    said = said_of({"rrn": "x", "status": "Str. Lungă 12, " * 30})
    assert said == "status: a long text is no documented value; there are new, paid"


def test_a_body_that_is_no_object_is_told_as_such() -> None:
    check = body_checker(stream(), "create")
    assert check is not None
    with pytest.raises(RejectedError, match=r"^the body: expected object, got array$"):
        check(b"[]", is_update=False)


@pytest.mark.parametrize(("create", "update"), [(None, Change), (Order, None)])
def test_where_nothing_is_documented_nothing_is_checked(create: Any, update: Any) -> None:
    spec = stream(create, update)
    assert said_of({"rrn": 7, "status": "no"}, is_update=update is None, spec=spec) is None
    assert said_of({"rrn": 7, "status": "no"}, is_update=update is not None, spec=spec) is not None


@pytest.mark.parametrize(("spec", "mode"), [(stream(None, None), "upsert"), (stream(), "delete")])
def test_there_is_no_check_where_none_is_needed(spec: StreamSpec, mode: Mode) -> None:
    assert body_checker(spec, mode) is None
