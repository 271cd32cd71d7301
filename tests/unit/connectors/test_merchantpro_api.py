"""The typed calls of MerchantPro: what each sends, what it makes of answers, and every example of the document."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, get_type_hints

import orjson
import pytest

from bulkmove.connectors.merchantpro import CONNECTOR
from bulkmove.connectors.merchantpro.api import MerchantProApi
from bulkmove.connectors.merchantpro.names import FILTERS, HANDLERS, PATHS
from bulkmove.connectors.merchantpro.operations import OPERATIONS
from bulkmove.connectors.merchantpro.types import OrderFilters
from bulkmove.connectors.scripted import ScriptedTransport, answer
from bulkmove.errors import BadAnswerError, ConfigError, InDoubtError, RefusedError, RequestFailedError
from bulkmove.model import Request

Make = Callable[..., Any]
Call = Callable[[MerchantProApi], Awaitable[Any]]
DOCUMENTS = Path(__file__).parents[3] / "samples" / "documents" / "merchantpro"
PAGE = {"data": [{"id": 1}], "meta": {"count": {"total": 1}, "links": {"next": None}}}
ORDER = {"id": 12345001, "shipping_amount": 15}
DONE = {"ok": True}
ALL_FILTERS = dict.fromkeys(sorted(FILTERS), "a,b") | {
    "payment_status": "paid",
    "shipping_status": "awaiting",
}

# Each call: what is asked, what comes back, and the request that goes out.
CALLS: dict[str, tuple[Call, Any, str, str, dict[str, str], Any]] = {
    "list-orders": (
        lambda api: api.list_orders(
            **ALL_FILTERS, fields=["id", "tags"], include=["line_items", "tags"], sort="date_created.desc", start=0,
            limit=50,
        ),
        PAGE, "GET", "/api/v2/orders",
        {
            **ALL_FILTERS, "fields": "id,tags", "include": "line_items,tags", "sort": "date_created.desc",
            "start": "0", "limit": "50",
        },
        None,
    ),
    "get-order": (
        lambda api: api.get_order(12345001, fields=["id", "line_items"]),
        ORDER, "GET", "/api/v2/orders/12345001", {"fields": "id,line_items"}, None,
    ),
    "create-order": (
        lambda api: api.create_order({"customer_id": 17, "line_items": [{"product_id": 5087, "quantity": 1}]}),
        ORDER, "POST", "/api/v2/orders", {},
        {"customer_id": 17, "line_items": [{"product_id": 5087, "quantity": 1}]},
    ),
    "change-order": (
        lambda api: api.change_order("95750870.3", {"shipping_amount": 15}),
        ORDER, "PATCH", "/api/v2/orders/95750870.3", {}, {"shipping_amount": 15},
    ),
    "process-order": (
        lambda api: api.process_order(12345001, "create_invoice"),
        DONE, "PATCH", "/api/v2/orders/12345001/create_invoice", {}, None,
    ),
    "delete-order": (
        lambda api: api.delete_order(12345001), DONE, "DELETE", "/api/v2/orders/12345001", {}, None,
    ),
    "list-products": (
        lambda api: api.list_products(include=["variants", "images"], start=100, limit=100),
        PAGE, "GET", "/api/v2/products", {"include": "variants,images", "start": "100", "limit": "100"}, None,
    ),
}  # fmt: skip
NOT_REPEATABLE = {"create-order", "process-order"}


def test_every_operation_has_its_call() -> None:
    assert CALLS.keys() == OPERATIONS.keys() == CONNECTOR.operations.keys()
    assert {operation.path for operation in OPERATIONS.values()} == PATHS.keys() == CONNECTOR.paths.keys()
    assert CONNECTOR.unconfirmed == {"products"}


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_sends_what_is_documented(transport: Make, name: str) -> None:
    call, given, method, path, params, body = CALLS[name]
    to = transport(answer(200, given))
    assert await call(MerchantProApi(to)) == given
    (request,) = to.requests
    assert (request.method, request.path, request.params) == (method, path, params)
    assert (request.body and orjson.loads(request.body)) == body
    assert request.is_repeatable is (name not in NOT_REPEATABLE)
    assert request.headers["Accept"] == "application/json"
    assert request.headers.get("Content-Type") == (None if body is None else "application/json")


@pytest.mark.parametrize("name", CALLS)
async def test_a_refusal_says_what_the_host_said(transport: Make, name: str) -> None:
    refusal = {"error": {"name": "invalid_data", "message": "No such thing"}}
    with pytest.raises(
        RefusedError, match=r"shop: [A-Z]+ /api/v2/\S+ answered 400.*No such thing"
    ) as refused:
        await CALLS[name][0](MerchantProApi(transport(answer(400, refusal))))
    assert refused.value.status == 400


@pytest.mark.parametrize("name", CALLS)
async def test_an_answer_of_another_shape_is_none(transport: Make, name: str) -> None:
    with pytest.raises(BadAnswerError, match=rf"{name} .*hosts\.shop\.url"):
        await CALLS[name][0](MerchantProApi(transport(answer(200, ["something", "else"]))))


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_that_can_t_be_sent_twice_is_in_doubt_where_its_answer_is_unusable(
    transport: Make, name: str
) -> None:
    to = transport(answer(200, b"<html>"))
    with pytest.raises(InDoubtError if name in NOT_REPEATABLE else RequestFailedError):
        await CALLS[name][0](MerchantProApi(to))


async def test_paths_can_be_set(transport: Make) -> None:
    to = transport(answer(200, ORDER), paths={"order": "/shop/{id}/order"})
    await MerchantProApi(to).get_order("95750870.3")
    assert to.requests[0].path == "/shop/95750870.3/order"


@pytest.mark.parametrize("order_id", ["", ".", "..", "7/8", "../7", "7\\8", "7?page=2", "7#8", "7\n"])
async def test_an_id_that_names_another_path_is_refused(transport: Make, order_id: str) -> None:
    to = transport(answer(200, DONE))
    with pytest.raises(ConfigError, match=r"can.t stand in (the|a) path|needs id"):
        await MerchantProApi(to).delete_order(order_id)
    assert not to.requests


async def test_a_handler_that_is_not_documented_is_refused(transport: Make) -> None:
    to = transport(answer(200, DONE))
    with pytest.raises(ConfigError, match=r"'shiped' is none of .*did you mean 'shipped'"):
        await MerchantProApi(to).process_order(1, "shiped")  # type: ignore[arg-type]  # what is tested
    assert not to.requests


def test_the_typed_filters_are_the_documented_ones() -> None:
    assert get_type_hints(OrderFilters).keys() == FILTERS
    assert len(FILTERS) == 16


# The document's examples


def samples() -> list[Any]:
    found = []
    for path in sorted(DOCUMENTS.glob("*.request.json")):
        response = path.with_name(path.name.replace(".request.", ".response."))
        given = json.loads(response.read_text()) if response.exists() else None
        found.append(pytest.param(json.loads(path.read_text()), given, id=path.name.partition(".")[0]))
    return found


async def make(api: MerchantProApi, sample: dict[str, Any]) -> Any:
    """The example's request as a typed call."""
    query: dict[str, Any] = dict(sample.get("query", {}))
    lists = {name: query.pop(name).split(",") for name in ("fields", "include") if name in query}
    query |= {name: int(query[name]) for name in ("start", "limit") if name in query}
    _, _, rest = sample["path"].partition("/api/v2/orders")
    order_id, _, handler = rest.lstrip("/").partition("/")
    order_id = order_id if order_id != "{id}" else "12345001"
    match sample["method"], bool(order_id), handler:
        case "GET", False, _:
            return await api.list_orders(**lists, **query)
        case "GET", True, _:
            return await api.get_order(order_id, **lists)
        case "POST", False, _:
            return await api.create_order(sample["body"])
        case "PATCH", True, "":
            return await api.change_order(order_id, sample["body"])
        case "PATCH", True, _:
            return await api.process_order(order_id, handler)
        case "DELETE", True, "":
            return await api.delete_order(order_id)
    raise AssertionError(sample)


def usual(request: Request) -> Any:
    if request.method == "GET" and request.path == "/api/v2/orders":
        return PAGE
    return ORDER if request.method in {"GET", "POST"} or request.body else DONE


@pytest.mark.parametrize(("sample", "response"), samples())
async def test_an_example_of_the_document_goes_through_its_call(
    host: Make, sample: dict[str, Any], response: dict[str, Any] | None
) -> None:
    def script(request: Request) -> Any:
        return answer(response["status"], response["body"]) if response else answer(200, usual(request))

    to = ScriptedTransport(host(), script)
    came = await make(MerchantProApi(to), sample)
    (request,) = to.requests
    assert request.method == sample["method"]
    assert request.path == sample["path"].replace("{id}", "12345001")
    assert request.params == sample.get("query", {})
    assert (request.body and orjson.loads(request.body)) == sample["body"]
    if response and sample["operation"] == "get-order-select-fields":
        # The document answers the question for one order with a list of several.
        assert came == response["body"]["data"][0]
    elif response:
        assert came == response["body"]


def test_every_call_but_the_list_of_products_has_its_examples() -> None:
    shown = {sample.values[0]["operation"] for sample in samples()}
    assert len(samples()) == 39
    assert {name.replace("_", "-") for name in HANDLERS} <= shown
    assert {"get-order", "create-order", "update-order", "delete-order", "list-orders"} <= shown
