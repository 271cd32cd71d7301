from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import anyio
import anyio.lowlevel
import orjson
import pytest

from bulkmove.connectors.external_order import CONNECTOR
from bulkmove.connectors.scripted import ScriptedTransport, answer
from bulkmove.errors import (
    BadAnswerError,
    ConfigError,
    HostUnavailableError,
    InDoubtError,
)
from bulkmove.model import Request, Response, Verdict, WriteItem
from bulkmove.protocols import Target

Make = Callable[..., Any]
WRITTEN, UNCHANGED, REJECTED, HELD, DOUBT = (
    Verdict.WRITTEN,
    Verdict.UNCHANGED,
    Verdict.REJECTED,
    Verdict.HELD,
    Verdict.DOUBT,
)
LINE = {"order_status": "new", "quantity": 1, "product": 104392}


def order(rrn: str, *lines: dict[str, Any]) -> dict[str, Any]:
    return {"rrn": rrn, "shop": 2, "order_items": list(lines or (LINE,))}


@pytest.fixture
def open_target(transport: Make, route: Make) -> Callable[..., tuple[Target, ScriptedTransport]]:
    def make(*answers: Response | Exception, host: dict[str, Any] | None = None, **settings: Any) -> Any:
        to = transport(*(answers or (answer(),)), **(host or {}))
        return CONNECTOR.target("orders", to, route(**settings)), to

    return make


@pytest.fixture
def three(item: Make) -> list[WriteItem]:
    return [item(order(rrn)) for rrn in ("1001", "1002", "1003")]


def verdicts(results: Any) -> list[Verdict]:
    return [result.verdict for result in results]


# Creating


async def test_orders_are_created_in_one_array_from_bytes_as_they_are(open_target: Make) -> None:
    target, to = open_target(answer(201, [{"order_id": 7, "rrn": "a"}, {"order_id": 8, "rrn": "b"}]))
    items = [WriteItem(None, {"rrn": "a"}, b'{ "rrn":"a" }'), WriteItem(None, {"rrn": "b"}, b'{"rrn":"b"}')]
    results = await target.write(items)
    (request,) = to.requests
    assert (request.method, request.path) == ("POST", "/external/external-order/")
    assert request.body == b'[{ "rrn":"a" },{"rrn":"b"}]'
    assert request.headers["Content-Type"] == "application/json"
    assert not request.is_repeatable
    assert [(result.verdict, result.target_id) for result in results] == [(WRITTEN, "7"), (WRITTEN, "8")]


async def test_rows_in_another_order_are_matched_by_natural_key(
    open_target: Make, three: list[WriteItem]
) -> None:
    rows = [{"order_id": n, "rrn": str(n)} for n in (1003, 1001, 1002)]
    results = await open_target(answer(201, rows))[0].write(three)
    assert [result.target_id for result in results] == ["1001", "1002", "1003"]


async def test_an_item_that_a_short_answer_leaves_out_is_in_doubt(
    open_target: Make, three: list[WriteItem]
) -> None:
    rows = [{"order_id": 7, "rrn": "1001"}, {"order_id": 9, "rrn": "1003"}]
    results = await open_target(answer(201, rows))[0].write(three)
    assert [(result.verdict, result.target_id) for result in results] == [
        (WRITTEN, "7"),
        (DOUBT, None),
        (WRITTEN, "9"),
    ]


async def test_a_key_that_the_answer_holds_twice_settles_nothing_of_it(
    open_target: Make, three: list[WriteItem]
) -> None:
    rows = [{"order_id": n, "rrn": rrn} for n, rrn in enumerate(("1001", "1001", "1003"), start=1)]
    assert verdicts(await open_target(answer(201, rows))[0].write(three)) == [DOUBT, DOUBT, WRITTEN]


async def test_a_key_that_two_items_share_settles_neither(open_target: Make, item: Make) -> None:
    items = [item(order("a")), item(order("a")), item(order("b"))]
    rows = [{"order_id": 1, "rrn": "a"}, {"order_id": 2, "rrn": "b"}]
    assert verdicts(await open_target(answer(201, rows))[0].write(items)) == [DOUBT, DOUBT, WRITTEN]


async def test_a_row_without_an_id_is_in_doubt(open_target: Make, three: list[WriteItem]) -> None:
    rows = [{"order_id": 1, "rrn": "1001"}, {"rrn": "1002"}, {"order_id": 3, "rrn": "1003"}]
    assert verdicts(await open_target(answer(201, rows))[0].write(three)) == [WRITTEN, DOUBT, WRITTEN]


@pytest.mark.parametrize(
    "rows",
    [
        [{"order_id": n} for n in (1, 2, 3)],
        [{"order_id": 1, "rrn": None}, {"order_id": 2, "rrn": "1002"}, {"order_id": 3, "rrn": ""}],
        [{"order_id": n, "rrn": f" {key} "} for n, key in enumerate((1001, 1002, 1003), start=1)],
        [{"order_id": n, "rrn": f"EC-{n}"} for n in (1, 2, 3)],
        [{"order_id": 1, "rrn": "1001"}, {"order_id": 2, "rrn": "another"}, {"order_id": 3}],
    ],
    ids=["no keys", "null keys", "keys with blanks", "keys of its own", "all of it"],
)
async def test_what_has_an_id_is_written_whatever_key_it_shows(
    open_target: Make, three: list[WriteItem], rows: Any
) -> None:
    results = await open_target(answer(201, rows))[0].write(three)
    assert [(result.verdict, result.target_id) for result in results] == [
        (WRITTEN, "1"),
        (WRITTEN, "2"),
        (WRITTEN, "3"),
    ]


@pytest.mark.parametrize(
    "row", [{"order_id": 7}, {"order_id": 7, "rrn": "another"}, {"order_id": 7, "rrn": "a", "errors": ["x"]}]
)
@pytest.mark.parametrize("shape", [list, dict], ids=["array", "object"])
async def test_an_order_sent_alone_has_the_id_that_comes_back(
    open_target: Make, item: Make, row: dict[str, Any], shape: type
) -> None:
    body = [row] if shape is list else row
    (result,) = await open_target(answer(201, body))[0].write([item(order("a"))])
    assert (result.verdict, result.target_id) == (WRITTEN, "7")


@pytest.mark.parametrize("shown", [("A-1 ", "STRAßE", "cafe\u0301"), ("a-1", "strasse", "CAF\u00c9")])
@pytest.mark.parametrize("places", [(0, 1, 2), (2, 0, 1), (2, 1), (1,)])
async def test_keys_are_matched_without_blanks_case_and_forms(
    open_target: Make, item: Make, shown: tuple[str, ...], places: tuple[int, ...]
) -> None:
    items = [item(order(key)) for key in ("A-1", "Straße", "caf\u00e9")]
    rows = [{"order_id": place, "rrn": shown[place]} for place in places]
    results = await open_target(answer(201, rows))[0].write(items)
    assert [(result.verdict, result.target_id) for result in results] == [
        (WRITTEN, str(n)) if n in places else (DOUBT, None) for n in range(3)
    ]


@pytest.mark.parametrize("keys", [("A", "a"), ("a", "A")])
async def test_an_equal_key_goes_before_one_that_is_nearly_equal(
    open_target: Make, item: Make, keys: tuple[str, str]
) -> None:
    rows = [{"order_id": key, "rrn": key} for key in keys]
    results = await open_target(answer(201, rows))[0].write([item(order("A")), item(order("a"))])
    assert [result.target_id for result in results] == ["A", "a"]


async def test_the_last_row_belongs_to_the_last_item(open_target: Make, three: list[WriteItem]) -> None:
    rows = [{"order_id": 2, "rrn": "1002"}, {"order_id": 1, "rrn": "1001"}, {"order_id": 3, "rrn": "another"}]
    results = await open_target(answer(201, rows))[0].write(three)
    assert [result.target_id for result in results] == ["1", "2", "3"]


@pytest.mark.parametrize(
    "body",
    [
        {"count": 3, "next": None, "results": [{"order_id": n, "rrn": f"old {n}"} for n in (1, 2, 3)]},
        [{"order_id": 7, "rrn": None}] * 3,
        [{"order_id": 1}, {"order_id": 2}],
    ],
    ids=["a page of the list", "one id thrice", "fewer rows"],
)
async def test_rows_that_nothing_ties_to_what_was_sent_leave_it_in_doubt(
    open_target: Make, three: list[WriteItem], body: Any
) -> None:
    with pytest.raises(InDoubtError):
        await open_target(answer(200, body))[0].write(three)


@pytest.mark.parametrize(
    "body",
    [
        {"detail": "Created."},
        {"errors": ["No."]},
        {"rrn": "a"},
        "Created.",
        {"rrn": ["Created."]},
        [{"detail": "Created."}],
        [{"rrn": ["Created."]}],
        [None],
        [],
    ],
)
async def test_words_in_a_2xx_reject_nothing(open_target: Make, item: Make, body: Any) -> None:
    with pytest.raises(InDoubtError):
        await open_target(answer(201, body))[0].write([item(order("a"))])


@pytest.mark.parametrize("words", [{"shop": ["No."]}, {"detail": "No."}, {"non_field_errors": ["No."]}, None])
async def test_words_in_the_place_of_a_row_leave_its_item_in_doubt(
    open_target: Make, three: list[WriteItem], words: Any
) -> None:
    rows = [{"order_id": 1}, words, {"order_id": 3}]
    assert verdicts(await open_target(answer(201, rows))[0].write(three)) == [WRITTEN, DOUBT, WRITTEN]


@pytest.mark.parametrize("error", [{"errors": {"shop": ["No."]}}, {"error": "No.", "rrn": "1002"}])
async def test_a_row_with_errors_in_a_2xx_is_rejected(
    open_target: Make, three: list[WriteItem], error: Any
) -> None:
    rows = [{"order_id": 1, "rrn": "1001"}, error, {"order_id": 3, "rrn": "1003"}]
    results = await open_target(answer(201, rows))[0].write(three)
    assert verdicts(results) == [WRITTEN, REJECTED, WRITTEN]
    assert (results[1].cause, "No." in results[1].message) == ("refused", True)


async def test_another_natural_key_matches_the_rows(open_target: Make, item: Make) -> None:
    target, _ = open_target(answer(201, [{"order_id": 7, "promo_code": 5}]), natural_key="promo_code")
    assert target.natural_key == "promo_code"
    assert verdicts(await target.write([item({"promo_code": 5})])) == [WRITTEN]


@pytest.mark.parametrize(
    "response",
    [
        answer(200, {"ok": True}),
        answer(201, []),
        answer(204, b""),
        answer(200, b"<html>"),
        answer(200, b"[{"),
    ],
)
async def test_a_2xx_without_the_orders_leaves_all_in_doubt(
    open_target: Make, three: list[WriteItem], response: Response
) -> None:
    with pytest.raises(InDoubtError) as doubt:
        await open_target(response)[0].write(three)
    assert doubt.value.sent_at == 1000.0


async def test_an_answer_in_an_envelope_is_read(open_target: Make, item: Make) -> None:
    results = await open_target(answer(201, {"results": [{"order_id": 7, "rrn": "a"}]}))[0].write(
        [item(order("a"))]
    )
    assert results[0].target_id == "7"


# Refusals


@pytest.mark.parametrize(
    "body",
    [
        [{}, {"order_items": [{}, {"product": ["Invalid."]}]}, {}],
        {"1": {"order_items": [{}, {"product": ["Invalid."]}]}},
    ],
    ids=["a list as long", "an object by index"],
)
async def test_a_400_rejects_the_named_and_holds_the_others(
    open_target: Make, three: list[WriteItem], body: Any
) -> None:
    results = await open_target(answer(400, body))[0].write(three)
    assert verdicts(results) == [HELD, REJECTED, HELD]
    assert results[1].cause == "refused"
    assert results[1].message == "the host answered 400: order_items[1].product: Invalid."


@pytest.mark.parametrize(
    "response",
    [
        answer(400, {"detail": "JSON parse error"}),
        answer(400, {"non_field_errors": ["Expected a list."]}),
        answer(400, [{}, {}]),
        answer(400, [{}, {}, {}]),
        answer(400, {"7": {"rrn": ["x"]}}),
        answer(400, {"1": {"rrn": ["x"]}, "7": {"rrn": ["x"]}}),
        answer(400, ["no"]),
        answer(400, b"<html>"),
        answer(422, b"<html>"),
    ],
)
async def test_a_refusal_that_names_nobody_holds_all(
    open_target: Make, three: list[WriteItem], response: Response
) -> None:
    assert verdicts(await open_target(response)[0].write(three)) == [HELD, HELD, HELD]


@pytest.mark.parametrize("status", [409, 415])
@pytest.mark.parametrize("body", [b"<html>", b'{"1":{"rrn":["exists"]}}'])
async def test_a_conflict_of_an_array_leaves_all_in_doubt(
    open_target: Make, three: list[WriteItem], status: int, body: bytes
) -> None:
    with pytest.raises(InDoubtError, match=f"answered {status}") as doubt:
        await open_target(answer(status, body))[0].write(three)
    assert doubt.value.sent_at == 1000.0


@pytest.mark.parametrize("status", [409, 415])
async def test_a_conflict_of_an_array_that_can_be_sent_twice_is_held(
    open_target: Make, item: Make, status: int
) -> None:
    target, _ = open_target(answer(status, {}), options={"items_on_update": "replace"})
    assert verdicts(await target.write([item(order("a"), n) for n in ("1", "2")])) == [HELD, HELD]


@pytest.mark.parametrize(
    ("status", "error"),
    [*((n, ConfigError) for n in (404, 405, 410)), *((n, BadAnswerError) for n in (402, 406, 418, 423, 451))],
)
@pytest.mark.parametrize("body", [b"<html>", b'{"0":{"rrn":["Nope."]}}'])
@pytest.mark.parametrize("count", [1, 3])
async def test_a_4xx_that_blames_nothing_that_was_sent_ends_the_run(
    open_target: Make, three: list[WriteItem], status: int, error: type[Exception], body: bytes, count: int
) -> None:
    with pytest.raises(error) as raised:
        await open_target(answer(status, body))[0].write(three[:count])
    message = str(raised.value)
    assert message.startswith("shop: POST /external/external-order/ ")
    assert str(status) in message
    assert message.endswith("check hosts.shop.url and hosts.shop.paths")


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (answer(404, b"<html>"), ConfigError),
        (answer(404, b""), ConfigError),
        (answer(404, b"[]"), ConfigError),
        (answer(405, {}), ConfigError),
        (answer(410, b"<html>"), ConfigError),
        (answer(423, {}), BadAnswerError),
    ],
)
async def test_a_wrong_path_of_one_order_blames_no_order(
    open_target: Make, item: Make, response: Response, error: type[Exception]
) -> None:
    with pytest.raises(error, match=r"GET /external/external-order/1 .*check hosts\.shop\.url"):
        await open_target(response)[0].write([item({"shop": 1}, "1")])


@pytest.mark.parametrize(("status", "cause"), [(404, "not-found"), (410, "not-found"), (400, "refused")])
async def test_a_row_that_is_not_there_is_rejected(
    open_target: Make, item: Make, status: int, cause: str
) -> None:
    target, to = open_target(answer(status, {"detail": "Not found."}))
    (result,) = await target.write([item({"shop": 1}, "1")])
    assert (result.verdict, result.cause, len(to.requests)) == (REJECTED, cause, 1)


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("body", [[{}, {"rrn": ["Too long."]}, {}], {"1": {"rrn": ["Too long."]}}])
async def test_a_refusal_that_names_one_holds_the_others(
    open_target: Make, three: list[WriteItem], status: int, body: Any
) -> None:
    assert verdicts(await open_target(answer(status, body))[0].write(three)) == [HELD, REJECTED, HELD]


@pytest.mark.parametrize("count", [1, 3])
async def test_an_array_that_is_too_large_is_told_from_a_bad_one(
    open_target: Make, three: list[WriteItem], count: int
) -> None:
    results = await open_target(answer(413, b"<html>"))[0].write(three[:count])
    assert [(each.verdict, each.cause) for each in results] == [(Verdict.TOO_LARGE, "too-large")] * count


@pytest.mark.parametrize("status", [400, 409, 415, 422])
@pytest.mark.parametrize("body", [b"<html>", b'{"detail":"Nope."}', b"[{}]"])
async def test_an_item_sent_alone_is_the_one_refused(
    open_target: Make, item: Make, status: int, body: bytes
) -> None:
    (result,) = await open_target(answer(status, body))[0].write([item(order("a"))])
    assert (result.verdict, result.cause) == (REJECTED, "refused")
    assert result.message.startswith(f"the host answered {status}")


@pytest.mark.parametrize(
    "body", [[{"rrn": ["Too long."]}], {"0": {"rrn": ["Too long."]}}, {"rrn": ["Too long."]}]
)
async def test_an_item_refused_alone_carries_the_host_s_words(
    open_target: Make, item: Make, body: Any
) -> None:
    (result,) = await open_target(answer(400, body))[0].write([item(order("a"))])
    assert result.message == "the host answered 400: rrn: Too long."


async def test_a_refusal_shows_no_value_of_the_body(open_target: Make, item: Make) -> None:
    body = {**order("95750870.3"), "address": {"address_ru": "str Rose Hill, nr. 45"}}
    error = {
        "rrn": ["Order 95750870.3 exists."],
        "address": {"address_ru": ['"x y" is bad: str Rose Hill, nr. 45!']},
        "order_items": [{"product": ['Invalid pk "104392".', "104392 is not there, 1043921 is."]}],
    }
    (result,) = await open_target(answer(400, error))[0].write([item(body)])
    assert result.message == (
        "the host answered 400: rrn: Order … exists.; address.address_ru: … is bad: …!; "
        "order_items[0].product: Invalid pk ….; order_items[0].product: … is not there, 1043921 is."
    )


async def test_a_refusal_s_message_is_short(open_target: Make, item: Make) -> None:
    (result,) = await open_target(answer(400, {"rrn": ["ă" * 5000]}))[0].write([item(order("a"))])
    assert len(result.message) < 340


# Updating


async def test_an_update_carries_the_ids_of_lines_and_address(open_target: Make, item: Make) -> None:
    row = {
        "order_id": 294,
        "rrn": "a",
        "shop": 2,
        "order_items": [{"order_id": 12, **LINE, "quantity": 5}, {"order_id": 13, **LINE, "product": 9}],
        "address": {"address_id": 236154, "address_ru": "old", "zip_code": None},
    }
    target, to = open_target(answer(200, row), answer(200, [row]))
    new = [{**LINE, "product": 9}, {**LINE, "quantity": 3}, {**LINE, "product": 77}]
    body = {**order("a", *new), "address": {"address_ru": "nou 👗"}}
    (result,) = await target.write([item(body, "294")])
    assert (result.verdict, result.target_id) == (WRITTEN, "294")
    assert [(r.method, r.path) for r in to.requests] == [
        ("GET", "/external/external-order/294"),
        ("POST", "/external/external-order/"),
    ]
    (sent,) = orjson.loads(to.requests[1].body)
    assert sent == {
        "order_id": 294,
        "rrn": "a",
        "shop": 2,
        "order_items": [{"order_id": 13, **new[0]}, {"order_id": 12, **new[1]}, new[2]],
        "address": {"address_id": 236154, "address_ru": "nou 👗"},
    }
    assert not to.requests[1].is_repeatable


async def test_equal_products_keep_their_order(open_target: Make, item: Make) -> None:
    row = {"order_id": 1, **order("a", *({"order_id": n, **LINE} for n in (5, 6, 7)))}
    target, to = open_target(answer(200, row), answer(200, [row]))
    await target.write([item(order("a", *({**LINE, "quantity": n} for n in (1, 2, 3))), "1")])
    (sent,) = orjson.loads(to.requests[1].body)
    assert [(line["order_id"], line["quantity"]) for line in sent["order_items"]] == [(5, 1), (6, 2), (7, 3)]


async def test_a_line_whose_product_changed_is_changed_and_not_added(open_target: Make, item: Make) -> None:
    row = {"order_id": 1, **order("a", {"order_id": 5, **LINE, "product": 8})}
    target, to = open_target(answer(200, row), answer(200, [row]))
    await target.write([item(order("a"), "1")])
    assert orjson.loads(to.requests[1].body)[0]["order_items"] == [{"order_id": 5, **LINE}]


async def test_a_line_that_names_its_own_id_keeps_it(open_target: Make, item: Make) -> None:
    row = {"order_id": 1, **order("a", {"order_id": 5, **LINE}, {"order_id": 6, **LINE})}
    target, to = open_target(answer(200, row), answer(200, [row]))
    await target.write([item(order("a", {**LINE, "quantity": 9}, {"order_id": 5, **LINE}), "1")])
    sent = orjson.loads(to.requests[1].body)[0]["order_items"]
    assert [(line["order_id"], line["quantity"]) for line in sent] == [(6, 9), (5, 1)]


async def test_lines_that_an_update_would_leave_behind_reject_it(open_target: Make, item: Make) -> None:
    row = {"order_id": 1, **order("a", {"order_id": 5, **LINE}, {"order_id": 6, **LINE})}
    target, to = open_target(answer(200, row))
    (result,) = await target.write([item(order("a"), "1")])
    assert (result.verdict, result.cause) == (REJECTED, "lines-left")
    assert len(to.requests) == 1


async def test_a_row_that_holds_the_body_already_is_unchanged(open_target: Make, item: Make) -> None:
    row = {
        "order_id": 1,
        **order("a", {"order_id": 5, **LINE, "loyalty_price": "88.00"}),
        "promo_code": 3,
        "address": {"address_id": 2, "address_ru": "x", "zip_code": "2068", "region_id": 4},
        "created_at": 99,
    }
    target, to = open_target(answer(200, row))
    body = {**order("a", {**LINE, "loyalty_price": 88}), "address": {"address_ru": "x", "zip_code": 2068}}
    (result,) = await target.write([item(body, "1")])
    assert (result.verdict, result.target_id) == (UNCHANGED, "1")
    assert len(to.requests) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"rrn": "b"},
        {"promo_code": 4},
        {"promo_code": None},
        {"address": None},
        {"address": {"address_ru": ""}},
        {"order_items": [LINE, LINE]},
        {"order_items": [{**LINE, "quantity": 2}]},
        {"order_items": [{**LINE, "loyalty_price": 1}]},
    ],
)
async def test_any_difference_is_written(open_target: Make, item: Make, change: dict[str, Any]) -> None:
    row = {
        "order_id": 1,
        **order("a", {"order_id": 5, **LINE}),
        "promo_code": 3,
        "address": {"address_ru": "x"},
    }
    target, to = open_target(answer(200, row), answer(200, [row]))
    await target.write([item({**order("a"), **change}, "1")])
    assert len(to.requests) == 2


async def test_an_update_keeps_the_digits_of_a_long_number(open_target: Make) -> None:
    row = {"order_id": 1, **order("a", {"order_id": 5, **LINE})}
    target, to = open_target(answer(200, row), answer(200, [row]))
    price = Decimal("0.12345678901234567890")
    body = order("a", {**LINE, "loyalty_price": price})
    await target.write([WriteItem("1", body, b"{}")])
    assert b'"loyalty_price":0.12345678901234567890' in to.requests[1].body


async def test_an_update_of_no_order_is_rejected_and_costs_nobody_else(
    host: Make, route: Make, item: Make
) -> None:
    def script(request: Request) -> Response:
        if request.method == "POST":
            return answer(
                200, [{"order_id": entry["order_id"]} for entry in orjson.loads(request.body or b"")]
            )
        number = int(request.path.rpartition("/")[2])
        return answer(404, {"detail": "x"}) if number == 2 else answer(200, {"order_id": number})

    to = ScriptedTransport(host(), script)
    results = await CONNECTOR.target("orders", to, route()).write(
        [item({"shop": 5}, n) for n in ("1", "2", "3")]
    )
    assert [(result.verdict, result.cause) for result in results] == [
        (WRITTEN, None),
        (REJECTED, "not-found"),
        (WRITTEN, None),
    ]
    assert orjson.loads(to.requests[-1].body or b"") == [
        {"order_id": 1, "shop": 5},
        {"order_id": 3, "shop": 5},
    ]


@pytest.mark.parametrize("target_id", ["..", ".", ""])
async def test_an_id_that_names_another_path_is_rejected(
    open_target: Make, item: Make, target_id: str
) -> None:
    target, to = open_target()
    (result,) = await target.write([item({"shop": 1}, target_id)])
    assert (result.cause, to.requests) == ("not-found", [])


async def test_an_id_that_is_no_number_travels_as_text(open_target: Make, item: Make) -> None:
    row = {"order_id": "a/b 1"}
    target, to = open_target(answer(200, row), answer(200, [row]))
    (result,) = await target.write([item({"shop": 1}, "a/b 1")])
    assert to.requests[0].path == "/external/external-order/a%2Fb%201"
    assert orjson.loads(to.requests[1].body) == [{"order_id": "a/b 1", "shop": 1}]
    assert result.verdict is WRITTEN


async def test_another_order_than_the_one_asked_for_is_an_error(open_target: Make, item: Make) -> None:
    with pytest.raises(BadAnswerError, match=r"hosts\.shop\.paths\.order"):
        await open_target(answer(200, {"order_id": 2}))[0].write([item({"shop": 1}, "1")])


async def test_an_id_that_is_no_number_names_no_order_where_the_host_answers_as_to_a_wrong_address(
    open_target: Make, item: Make
) -> None:
    target, to = open_target(answer(404, b"<h1>Not Found</h1>"))
    (result,) = await target.write([item(order("1001"), target_id="A-7")])
    assert (result.verdict, result.cause) == (REJECTED, "not-found")
    assert len(to.requests) == 1


async def test_a_host_that_fails_while_rows_are_read_ends_the_write(open_target: Make, item: Make) -> None:
    with pytest.raises(HostUnavailableError):
        await open_target(HostUnavailableError("gone"))[0].write([item({"shop": 1}, n) for n in ("1", "2")])


async def test_the_first_failure_ends_the_reading_of_the_other_rows(
    host: Make, route: Make, item: Make
) -> None:
    class HalfGone(ScriptedTransport):
        async def send(self, request: Request) -> Response:
            if request.path.endswith("2"):
                await anyio.lowlevel.checkpoint()
                raise HostUnavailableError("gone")
            await anyio.sleep_forever()
            raise AssertionError

    to = HalfGone(host(), lambda _: answer())
    with anyio.fail_after(5), pytest.raises(HostUnavailableError):
        await CONNECTOR.target("orders", to, route()).write([item({"shop": 1}, n) for n in ("1", "2", "3")])


async def test_a_lost_answer_to_an_update_leaves_what_was_settled_before(
    open_target: Make, item: Make
) -> None:
    lost = InDoubtError("lost", sent_at=5.0)
    items = [item({"shop": 1}, "1"), item({"shop": 9}, "1")]
    row = answer(200, {"order_id": 1, "shop": 1})
    assert verdicts(await open_target(row, row, lost)[0].write(items)) == [UNCHANGED, DOUBT]
    with pytest.raises(InDoubtError):
        await open_target(row, lost)[0].write(items[1:])


async def test_a_write_can_be_cancelled_while_rows_are_read(host: Make, route: Make, item: Make) -> None:
    class Hanging(ScriptedTransport):
        async def send(self, request: Request) -> Response:
            self.requests.append(request)
            await anyio.sleep_forever()
            raise AssertionError

    to = Hanging(host(), lambda _: answer())
    with anyio.move_on_after(0.01) as scope:
        await CONNECTOR.target("orders", to, route()).write([item({"shop": 1}, n) for n in ("1", "2")])
    assert scope.cancelled_caught
    assert [request.method for request in to.requests] == ["GET", "GET"]


@pytest.mark.parametrize("where", ["host", "route"])
async def test_replacing_updates_need_no_reading_and_can_be_repeated(open_target: Make, where: str) -> None:
    options = {"options": {"items_on_update": "replace"}}
    settings = {"host": options} if where == "host" else options
    target, to = open_target(answer(200, [{"order_id": 1}]), **settings)
    assert target.rules["update"].is_repeatable
    assert not target.rules["create"].is_repeatable
    (result,) = await target.write([WriteItem("1", order("a"), b'{"rrn":"a"}')])
    (request,) = to.requests
    assert (request.body, request.is_repeatable) == (b'[{"order_id":1,"rrn":"a"}]', True)
    assert (result.verdict, result.target_id) == (WRITTEN, "1")


async def test_a_replacing_update_whose_answer_tells_nothing_is_left_to_the_list(
    open_target: Make, item: Make
) -> None:
    target, _ = open_target(answer(200, {"x": 1}), options={"items_on_update": "replace"})
    assert verdicts(await target.write([item(order("a"), n) for n in ("1", "2")])) == [DOUBT, DOUBT]


def test_appending_updates_need_an_intent(open_target: Make) -> None:
    assert not open_target()[0].rules["update"].is_repeatable


def test_a_third_way_of_updating_lines_is_refused(open_target: Make) -> None:
    with pytest.raises(ConfigError, match="'replaces' is none of append, replace; did you mean 'replace'"):
        open_target(options={"items_on_update": "replaces"})


@pytest.mark.parametrize(("size", "most"), [(None, 100), (7, 7), (5000, 1000)])
def test_an_array_is_as_long_as_the_route_says_within_reason(
    open_target: Make, size: int | None, most: int
) -> None:
    rules = open_target(batch_size=size)[0].rules
    assert (rules["create"].shape, rules["create"].max_items) == ("array", most)
    # Each of these reads its order first: short batches are soon finished when the run is to stop.
    assert (rules["update"].shape, rules["update"].max_items) == ("array", min(most, 20))
    replacing = open_target(batch_size=size, options={"items_on_update": "replace"})[0].rules
    assert replacing["update"].max_items == most


def test_a_written_body_compares_equal_to_its_row(open_target: Make) -> None:
    target, _ = open_target()
    body = {
        **order("7", {**LINE, "loyalty_price": 88.5}),
        "address": {"address_ru": "012", "zip_code": "012345"},
    }
    row = {
        "order_id": 1,
        "created_at": 5,
        "rrn": "7",
        "shop": "2",
        "promo_code": None,
        "order_items": [{"order_id": 5, **LINE, "loyalty_price": "88.50"}],
        "address": {"address_id": 3, "address_ru": "012", "zip_code": "012345", "sector": None},
    }
    shown = target.comparable(row)
    assert {name: shown[name] for name in target.comparable(body)} == target.comparable(body)
    assert target.comparable({**body, "rrn": "07"}) != target.comparable(body)
    assert target.comparable({"rrn": "1.0"}) != target.comparable({"rrn": "1"})
    assert target.never_returned == frozenset()


def test_an_emptied_field_differs_from_one_that_is_left_out(open_target: Make) -> None:
    target, _ = open_target()
    assert target.comparable({"promo_code": None}) == {"promo_code": None}
    assert target.comparable({}) == {}
