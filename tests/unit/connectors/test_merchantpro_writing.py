"""Orders written to MerchantPro, deleted, and processed; and how what is in doubt is told from what is there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import orjson
import pytest

from bulkmove.connectors.merchantpro import CONNECTOR
from bulkmove.connectors.merchantpro.names import HANDLERS
from bulkmove.connectors.scripted import ScriptedTransport, answer
from bulkmove.errors import BadAnswerError, ConfigError, InDoubtError
from bulkmove.load.matching import field_hashes, row_holds
from bulkmove.model import PageQuery, Response, Verdict, WriteResult
from bulkmove.protocols import Target

Make = Callable[..., Any]
Opened = Callable[..., tuple[Target, ScriptedTransport]]
DOCUMENTS = Path(__file__).parents[3] / "samples" / "documents" / "merchantpro"
MISSING = {"error": {"name": "not_found", "message": "Resource not found", "details": None}}
BODY = {"channel_ref_id": "A-1", "customer_id": 17, "line_items": [{"product_id": 5087, "quantity": 1}]}


def shown(name: str) -> Any:
    return json.loads((DOCUMENTS / f"{name}.json").read_text())["body"]


@pytest.fixture
def open_target(transport: Make, route: Make) -> Opened:
    def make(*answers: Response | Exception, stream: str = "orders", **settings: Any) -> Any:
        to = transport(*(answers or (answer(200, {"id": 7}),)))
        return CONNECTOR.target(stream, to, route(**settings)), to

    return make


async def write(target: Target, item: Any) -> WriteResult:
    (result,) = await target.write([item])
    return result


# Creating


async def test_an_order_is_created_alone_and_needs_an_intent(open_target: Opened, item: Make) -> None:
    target, to = open_target(answer(200, {"id": 69291306, **BODY}))
    result = await write(target, item(BODY))
    assert (result.verdict, result.target_id) == (Verdict.WRITTEN, "69291306")
    (request,) = to.requests
    assert (request.method, request.path, orjson.loads(request.body or b"")) == (
        "POST",
        "/api/v2/orders",
        BODY,
    )
    assert not request.is_repeatable
    rule = target.rules["create"]
    assert (rule.shape, rule.is_repeatable) == ("single", False)
    assert (target.id_field, target.natural_key) == ("id", "channel_ref_id")


@pytest.mark.parametrize("status", [200, 201, 202])
async def test_any_success_counts(open_target: Opened, item: Make, status: int) -> None:
    target, _ = open_target(answer(status, {"id": "1.2"}))
    assert await write(target, item(BODY)) == WriteResult(Verdict.WRITTEN, target_id="1.2")


@pytest.mark.parametrize("body", [{"ok": True}, [], None, {"id": None}, b""])
async def test_a_creation_that_names_no_order_is_in_doubt(open_target: Opened, item: Make, body: Any) -> None:
    target, _ = open_target(answer(200, body))
    with pytest.raises(InDoubtError, match="does not tell what became of it"):
        await write(target, item(BODY))


@pytest.mark.parametrize("body", [{"ok": False}, {"error": {"name": "bad", "message": "No such customer"}}])
async def test_a_success_that_carries_an_error_rejects(open_target: Opened, item: Make, body: Any) -> None:
    for target_id in (None, "7"):
        target, _ = open_target(answer(200, body))
        result = await write(target, item(BODY, target_id))
        assert (result.verdict, result.cause) == (Verdict.REJECTED, "refused")


async def test_a_refused_order_is_rejected_without_its_values(open_target: Opened, item: Make) -> None:
    body = {**BODY, "customer_email": "ana@example.ro"}
    refusal = {"error": {"name": "invalid_data", "message": "No such customer: ana@example.ro"}}
    target, _ = open_target(answer(400, refusal))
    result = await write(target, item(body))
    assert (result.verdict, result.cause) == (Verdict.REJECTED, "refused")
    assert "invalid_data" in str(result.message)
    assert "ana@example.ro" not in str(result.message)


async def test_a_wrong_address_is_no_order_s_fault(open_target: Opened, item: Make) -> None:
    target, _ = open_target(answer(404, b"<html>"))
    with pytest.raises(ConfigError, match=r"hosts\.shop\.paths"):
        await write(target, item(BODY))
    with pytest.raises(ConfigError, match=r"hosts\.shop\.paths"):
        await write(target, item({"customer_id": 1}, "7"))
    target, _ = open_target(answer(418, {}))
    with pytest.raises(BadAnswerError):
        await write(target, item(BODY))


@pytest.mark.parametrize("kept", [None, "", "other"])
async def test_nothing_more_is_created_once_a_host_was_seen_to_drop_the_key(
    open_target: Opened, item: Make, kept: str | None
) -> None:
    target, to = open_target(answer(200, {"id": 1, "channel_ref_id": kept}))
    assert (await write(target, item(BODY))).verdict is Verdict.WRITTEN
    result = await write(target, item({**BODY, "channel_ref_id": "A-2"}))
    assert (result.verdict, result.cause) == (Verdict.REJECTED, "key-not-kept")
    assert "natural_key" in str(result.message)
    assert (await write(target, item({"customer_id": 1}, "1"))).verdict is Verdict.WRITTEN
    assert [request.method for request in to.requests] == ["POST", "PATCH"]


async def test_a_key_that_is_only_respelled_was_not_dropped(open_target: Opened, item: Make) -> None:
    target, to = open_target(answer(200, {"id": 1, "channel_ref_id": " a-1 "}))
    for _ in range(2):
        assert (await write(target, item(BODY))).verdict is Verdict.WRITTEN
    assert len(to.requests) == 2


async def test_an_answer_without_the_key_has_the_order_looked_at_once(
    open_target: Opened, item: Make
) -> None:
    target, to = open_target(answer(200, {"id": 1}), answer(200, {"id": 1, "channel_ref_id": "A-1"}))
    assert (await write(target, item(BODY))).verdict is Verdict.WRITTEN
    assert (await write(target, item(BODY))).verdict is Verdict.WRITTEN
    assert [request.method for request in to.requests] == ["POST", "GET", "POST"]


async def test_until_an_order_shows_its_key_one_is_created_at_a_time(open_target: Opened, item: Make) -> None:
    target, to = open_target(answer(200, {"id": 1, "channel_ref_id": None}))
    async with anyio.create_task_group() as tasks:
        for number in range(3):
            tasks.start_soon(write, target, item({**BODY, "channel_ref_id": f"A-{number}"}))
    assert len(to.requests) == 1


# Changing


async def test_a_change_can_be_sent_twice(open_target: Opened, item: Make) -> None:
    body = shown("31-update-order.request")
    target, to = open_target(answer(200, shown("31-update-order.response")))
    result = await write(target, item(body, "12345001"))
    assert result == WriteResult(Verdict.WRITTEN, target_id="12345001")
    (request,) = to.requests
    assert (request.method, request.path) == ("PATCH", "/api/v2/orders/12345001")
    assert orjson.loads(request.body or b"") == body
    assert request.is_repeatable
    assert target.rules["update"].is_repeatable


async def test_a_change_of_nothing_is_not_sent(open_target: Opened, item: Make) -> None:
    target, to = open_target()
    assert (await write(target, item({}, "7"))).verdict is Verdict.UNCHANGED
    assert not to.requests


@pytest.mark.parametrize("stream", ["orders", "processing"])
@pytest.mark.parametrize("target_id", ["", ".", ".."])
async def test_an_id_that_names_another_path_is_rejected(
    open_target: Opened, item: Make, stream: str, target_id: str
) -> None:
    target, to = open_target(stream=stream, mode="update")
    result = await write(target, item({"handler": "shipped"}, target_id))
    assert (result.verdict, result.cause) == (Verdict.REJECTED, "not-found")
    assert not to.requests


@pytest.mark.parametrize("stream", ["orders", "processing"])
async def test_an_order_that_is_not_there_is_rejected(open_target: Opened, item: Make, stream: str) -> None:
    target, _ = open_target(answer(404, MISSING), stream=stream, mode="update")
    result = await write(target, item({"handler": "shipped"}, "7"))
    assert (result.verdict, result.cause) == (Verdict.REJECTED, "not-found")


# Deleting


async def test_mode_delete_deletes_and_knows_what_is_gone(open_target: Opened, item: Make) -> None:
    target, to = open_target(answer(200, {"ok": True}), answer(404, MISSING), mode="delete")
    assert (await write(target, item({}, "95.3"))).verdict is Verdict.WRITTEN
    assert (await write(target, item({}, "95.3"))).verdict is Verdict.UNCHANGED
    assert [(r.method, r.path, r.body) for r in to.requests] == [("DELETE", "/api/v2/orders/95.3", None)] * 2
    assert target.rules["update"].is_repeatable
    assert (target.id_field, target.natural_key) == ("id", "channel_ref_id")


# Reading back


@pytest.mark.parametrize("mode", ["upsert", "delete"])
async def test_orders_are_read_back_whole_without_the_route_s_filters(
    open_target: Opened, merchantpro_page: Make, mode: str
) -> None:
    target, to = open_target(
        merchantpro_page(), mode=mode, where={"shipping_status": "awaiting"}, fields_used=("id",)
    )
    await target.list().fetch(PageQuery(100))
    assert to.requests[0].params == {
        "sort": "date_created", "include": "line_items,tags", "start": "0", "limit": "100",
    }  # fmt: skip


def test_the_documented_order_holds_what_created_it(open_target: Opened) -> None:
    target, _ = open_target()
    sent, came = shown("29-create-order.request"), shown("29-create-order.response")
    assert row_holds(target, sent, came)
    for name, value in (
        ("customer_id", 18),
        ("payment_status", "paid"),
        ("line_items", sent["line_items"][:1]),
        ("line_items", [{**sent["line_items"][0], "quantity": 2}, sent["line_items"][1]]),
    ):
        assert not row_holds(target, {**sent, name: value}, came), name


@pytest.mark.parametrize(
    ("sent", "came"),
    [
        ({"payment_status": "canceled"}, {"payment_status": "cancelled"}),
        ({"shipping_method_id": 101}, {"shipping_method_id": "101"}),
        ({"shipping_amount": 15}, {"shipping_amount": 15.0}),
        ({"customer_note": ""}, {"customer_note": None}),
        ({"meta_fields": {}}, {"meta_fields": []}),
        (
            {"tags": [{"name": "b"}, {"name": "a"}]},
            {"tags": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]},
        ),
        ({"tags": []}, {"tags": None}),
        ({"date_shipped": "2024-01-01T00:00:00Z"}, {"date_shipped": "2024-01-01T02:00:00+02:00"}),
        ({"shipping_country_name": "Romania"}, {"shipping_country_name": "România"}),
        ({"customer_id": 17}, {"customer_id": 17, "id": 1, "total_amount": 178}),
    ],
)
def test_what_is_only_spelled_otherwise_is_held(open_target: Opened, sent: Any, came: Any) -> None:
    target, _ = open_target()
    assert row_holds(target, sent, came)


@pytest.mark.parametrize(
    ("sent", "came"),
    [
        ({"tags": [{"name": "a"}]}, {"tags": None}),
        ({"customer_note": "x"}, {"customer_note": None}),
        ({"shipping_phone": "0722"}, {"shipping_phone": "722"}),
        ({"date_shipped": "2024-01-01T00:00:00Z"}, {"date_shipped": "2024-01-01T00:00:01Z"}),
        ({"meta_fields": {"a": 1}}, {"meta_fields": {"a": 2}}),
    ],
)
def test_what_differs_is_not_held(open_target: Opened, sent: Any, came: Any) -> None:
    target, _ = open_target()
    assert not row_holds(target, sent, came)


# Processing


@pytest.mark.parametrize("handler", HANDLERS)
async def test_a_handler_is_called_once_under_an_intent(
    open_target: Opened, item: Make, handler: str
) -> None:
    target, to = open_target(answer(200, {"ok": True}), stream="processing", mode="update")
    result = await write(target, item({"handler": handler}, "95750870.3"))
    assert result == WriteResult(Verdict.WRITTEN, target_id="95750870.3")
    *looks, request = to.requests
    assert [look.method for look in looks] == (["GET"] if handler == "create_invoice" else [])
    assert (request.method, request.path) == ("PATCH", f"/api/v2/orders/95750870.3/{handler}")
    assert request.body is None
    assert not request.is_repeatable
    assert not target.rules["update"].is_repeatable


@pytest.mark.parametrize(("invoice", "calls"), [({"number": "1"}, 0), ({"cancelled": True}, 1), (None, 1)])
async def test_an_order_with_an_invoice_gets_no_second_one(
    open_target: Opened, item: Make, invoice: Any, calls: int
) -> None:
    target, to = open_target(
        answer(200, {"id": 7, "invoice": invoice}),
        answer(200, {"ok": True}),
        stream="processing",
        mode="update",
    )
    result = await write(target, item({"handler": "create_invoice"}, "7"))
    assert result.verdict is (Verdict.WRITTEN if calls else Verdict.UNCHANGED)
    assert [request.method for request in to.requests[1:]] == ["PATCH"] * calls


@pytest.mark.parametrize(
    ("body", "said"), [({"handler": "shiped"}, "did you mean 'shipped'"), ({}, "None"), ({"handler": 7}, "7")]
)
async def test_another_handler_is_rejected_unsent(
    open_target: Opened, item: Make, body: Any, said: str
) -> None:
    target, to = open_target(stream="processing", mode="update")
    result = await write(target, item(body, "7"))
    assert (result.verdict, result.cause) == (Verdict.REJECTED, "no-handler")
    assert said in str(result.message)
    assert not to.requests


@pytest.mark.parametrize("body", [{"ok": False}, {"error": {"message": "Order is cancelled"}}])
async def test_a_handler_that_says_no_rejects(open_target: Opened, item: Make, body: Any) -> None:
    target, _ = open_target(answer(200, body), stream="processing", mode="update")
    assert (await write(target, item({"handler": "shipped"}, "7"))).verdict is Verdict.REJECTED


async def test_what_was_processed_is_read_back_from_the_orders(
    open_target: Opened, merchantpro_page: Make
) -> None:
    target, to = open_target(merchantpro_page(), stream="processing", mode="update")
    await target.list().fetch(PageQuery(100))
    (request,) = to.requests
    assert request.path == "/api/v2/orders"
    assert request.params == {"sort": "date_created", "start": "0", "limit": "100"}


@pytest.mark.parametrize(
    ("handler", "row", "holds"),
    [
        ("shipped", {"shipping_status": "shipped", "invoice": None}, True),
        ("shipped", {"shipping_status": "awaiting", "invoice": {"number": "1"}}, False),
        ("cancelled", {"shipping_status": "cancelled"}, True),
        (
            "create_invoice",
            {"shipping_status": "awaiting", "invoice": {"number": "1", "cancelled": False}},
            True,
        ),
        ("create_invoice", {"shipping_status": "awaiting", "invoice": None}, False),
        ("create_invoice", {"shipping_status": "awaiting", "invoice": []}, False),
        (
            "create_invoice",
            {"shipping_status": "awaiting", "invoice": {"number": "1", "cancelled": True}},
            False,
        ),
    ],
)
def test_an_order_tells_whether_a_handler_took_effect(
    open_target: Opened, handler: str, row: Any, *, holds: bool
) -> None:
    target, _ = open_target(stream="processing", mode="update")
    assert row_holds(target, {"handler": handler}, {"id": 7, **row}) is holds


def test_a_documented_order_can_be_compared_by_hashes(open_target: Opened) -> None:
    for stream in ("orders", "processing"):
        target, _ = open_target(stream=stream, mode="update")
        row = shown("31-update-order.response")
        assert orjson.loads(field_hashes(target, row)).keys() == target.comparable(row).keys() > set()
