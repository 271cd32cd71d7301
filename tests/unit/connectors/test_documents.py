"""Every request and response that the APIs' documents show, through the connectors and the built-in mappers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from bulkmove.connectors.discover import connector
from bulkmove.connectors.json_text import as_text
from bulkmove.connectors.merchantpro.names import FILTERS
from bulkmove.connectors.scripted import ScriptedTransport, answer
from bulkmove.errors import BadAnswerError, RejectRecordError
from bulkmove.mapping.builtin.external_order import order_to_external_order
from bulkmove.mapping.builtin.order_status import PAYMENT, SHIPPING, TARGET_STATUSES
from bulkmove.mapping.builtin.relink import relink_product
from bulkmove.mapping.builtin.robosize_order import order_to_robosize_order
from bulkmove.mapping.context import RouteContext
from bulkmove.model import PageQuery, Verdict, WriteItem

Make = Callable[..., Any]
ZONE = ZoneInfo("Europe/Bucharest")  # its file is read here, before any event loop runs
DOCUMENTS = Path(__file__).parents[3] / "samples" / "documents"
SAMPLES = sorted(path for path in DOCUMENTS.glob("*/*.json") if path.name != "fields.json")

# Samples of calls that the tests of each API's typed methods make.
MADE_ELSEWHERE = {
    "merchantpro": {
        "get-order-select-line-items", "get-order-by-number", "get-order", "get-order-select-fields", "create-order",
        "update-order-shipping", "update-order", "in-process", "shipped", "delivered", "returned", "cancelled",
        "create-invoice", "delete-order-by-number", "delete-order",
    },
    "external-order": {
        "list-stores", "list-regions", "list-localities-of-region", "list-sectors", "search-product",
        "get-order-address", "delete-order-item", "search-order", "list-stores-of-group", "list-promo-codes",
    },
    "robosize-orders": {"delete-order"},
    "robosize-products": {"delete-product"},
}  # fmt: skip


def samples(api: str, kind: str) -> list[Any]:
    found = [path for path in SAMPLES if path.parent.name == api and path.name.endswith(f".{kind}.json")]
    return [pytest.param(json.loads(path.read_text()), id=path.name) for path in found]


def one(api: str, operation: str, kind: str) -> Any:
    (path,) = DOCUMENTS.glob(f"{api}/*-{operation}.{kind}.json")
    return json.loads(path.read_text())


def called(api: str, kind: str) -> list[Any]:
    return [
        sample for sample in samples(api, kind) if sample.values[0]["operation"] not in MADE_ELSEWHERE[api]
    ]


def test_every_document_has_its_samples() -> None:
    assert {path.parent.name for path in SAMPLES} == MADE_ELSEWHERE.keys()
    assert len(SAMPLES) >= 70


@pytest.mark.parametrize("sample", called("merchantpro", "request"))
async def test_a_documented_list_of_orders_is_asked_for(
    sample: dict[str, Any], transport: Make, route: Make, merchantpro_page: Make
) -> None:
    query = sample.get("query", {})
    fields = tuple(query["fields"].split(",")) if "fields" in query else None
    to = transport(merchantpro_page(), timezone=ZONE.key)
    where = {name: value for name, value in query.items() if name in FILTERS}
    source = connector("merchantpro").source("orders", to, route(where=where, fields_used=fields))
    offset, limit = int(query.get("start", 0)), int(query.get("limit", 100))
    await source.fetch(
        PageQuery(limit, offset, after=source.listing.first_key, before=source.listing.last_key)
    )
    (request,) = to.requests
    assert (request.method, request.path) == (sample["method"], sample["path"])
    assert query.keys() <= request.params.keys()
    exact = query.keys() - {"fields", "include", "created_after", "created_before", "sort"}
    assert {name: request.params[name] for name in exact} == {name: query[name] for name in exact}
    # A list is only ever read along its date, oldest first.
    assert request.params["sort"] == "date_created"
    for lists in ("fields", "include"):
        assert set(query.get(lists, "").split(",")) - {""} <= set(request.params.get(lists, "").split(","))
    times = {"2019-01-01": "2018-12-31T22:00:00Z", "2020-01-01": "2019-12-31T22:00:00Z"}
    for name in query.keys() & {"created_after", "created_before"}:
        assert request.params[name] == times[query[name]]


@pytest.mark.parametrize("sample", samples("merchantpro", "response"))
async def test_a_documented_answer_of_orders_is_read(
    sample: dict[str, Any], transport: Make, route: Make
) -> None:
    source = connector("merchantpro").source("orders", transport(answer(200, sample["body"])), route())
    if "data" not in sample["body"]:
        with pytest.raises(BadAnswerError):
            await source.fetch(PageQuery(100))
        return
    page = await source.fetch(PageQuery(100))
    rows = sample["body"]["data"]
    assert [record.data for record in page.records] == rows
    assert [record.id for record in page.records] == [str(row["id"]) for row in rows]
    assert [record.version for record in page.records] == [row.get("date_modified") for row in rows]
    assert [record.key is not None for record in page.records] == ["date_created" in row for row in rows]
    assert (page.total, page.has_next) == (len(rows), False)


def documented_orders() -> list[Any]:
    found = []
    for kind in ("request", "response"):
        for sample in samples("merchantpro", kind):
            body = sample.values[0]["body"]
            rows = body["data"] if isinstance(body, dict) and "data" in body else [body]
            found += [
                pytest.param(row, id=f"{sample.id}-{i}") for i, row in enumerate(rows) if row is not None
            ]
    return found


def context(options: dict[str, Any], **tables: dict[str, str]) -> RouteContext:
    return RouteContext(
        "r", {**options, **{name: f"{name}.csv" for name in tables}}, tables, lambda _, old: (f"n{old}",)
    )


SHOP = context({"shop": 2})
PLAIN = context({})


@pytest.mark.parametrize("order", documented_orders())
def test_a_documented_order_becomes_an_external_order(order: dict[str, Any]) -> None:
    if "id" not in order or not order.get("line_items"):
        with pytest.raises(RejectRecordError) as rejected:
            order_to_external_order(order, SHOP)
        assert rejected.value.cause == ("no-id" if "id" not in order else "no-lines")
        return
    body = order_to_external_order(order, SHOP)
    assert body is not None
    assert (body["rrn"], body["shop"]) == (str(order["id"]), 2)
    assert [(line["product"], line["quantity"]) for line in body["order_items"]] == [
        (line["product_id"], line["quantity"]) for line in order["line_items"]
    ]
    assert {line["order_status"] for line in body["order_items"]} <= TARGET_STATUSES
    assert all(line.keys() == {"order_status", "quantity", "product"} for line in body["order_items"])
    assert body.get("address", {}).get("address_ru") == (order.get("shipping_address") or None)
    assert str(body.get("address", {}).get("zip_code", "")) == (order.get("shipping_postal_code") or "")
    assert body.keys() <= connector("external-order").streams["orders"].writable_fields


@pytest.mark.parametrize("order", documented_orders())
def test_a_documented_order_becomes_a_robosize_order(order: dict[str, Any]) -> None:
    if "id" not in order:
        with pytest.raises(RejectRecordError, match="no id"):
            order_to_robosize_order(order, PLAIN)
        return
    body = order_to_robosize_order(order, PLAIN)
    assert body is not None
    assert body["store_id"] == str(order["id"])
    assert body["data"] == {name: order[name] for name in body["data"]}
    assert body.keys() <= connector("robosize").streams["orders"].writable_fields
    whole = order_to_robosize_order(order, context({"data": "all"}))
    assert whole is not None
    assert whole["data"] == order


def test_the_whole_documented_order_maps_to_this() -> None:
    (order,) = one("merchantpro", "list-orders-filter-shipping-status-include-line-items", "response")[
        "body"
    ]["data"]
    assert order_to_external_order(order, context({"shop": 2}, products={"1958": "104392"})) == {
        "rrn": "64098294",
        "shop": 2,
        "order_items": [{"order_status": "new", "quantity": 1, "product": 104392}],
        "address": {"address_ru": "str Rose Hill, nr. 45", "zip_code": 1221421},
    }


def test_the_documented_statuses_are_the_mapper_s() -> None:
    statuses = json.loads((DOCUMENTS / "statuses.json").read_text())
    assert set(statuses["external_order"]["order_status"]) == TARGET_STATUSES
    assert statuses["merchantpro"]["shipping_status"] == list(SHIPPING)
    assert statuses["merchantpro"]["payment_status"] == list(PAYMENT)


# External order


@pytest.mark.parametrize("operation", ["list-orders", "list-orders-filter-status"])
async def test_a_documented_list_of_external_orders_is_asked_for(
    operation: str, transport: Make, route: Make
) -> None:
    sample = one("external-order", operation, "request")
    to = transport(answer(200, []))
    where = {name: value for name, value in sample["query"].items() if name != "ordering"}
    await connector("external-order").source("orders", to, route(where=where)).fetch(PageQuery(100))
    (request,) = to.requests
    # One of the two examples has no slash at its end; with it, no server redirects.
    assert (request.method, request.path) == (sample["method"], sample["path"].rstrip("/") + "/")
    assert where.items() <= request.params.items()
    assert request.params["ordering"] == "created_at"


async def test_the_documented_order_is_read_before_its_update(transport: Make, route: Make) -> None:
    sample = one("external-order", "get-order", "request")
    (row,) = one("external-order", "upsert-orders", "request")["body"]
    to = transport(answer(200, row))
    body = {name: value for name, value in row.items() if name != "order_id"}
    target = connector("external-order").target("orders", to, route())
    (result,) = await target.write([WriteItem("294", body, orjson.dumps(body))])
    assert (to.requests[0].method, to.requests[0].path) == (
        sample["method"],
        sample["path"].replace("{id}", "294"),
    )
    assert (result.verdict, len(to.requests)) == (Verdict.UNCHANGED, 1)


async def test_the_documented_update_is_sent_as_it_stands(transport: Make, route: Make) -> None:
    sample = one("external-order", "upsert-orders", "request")
    (row,) = sample["body"]
    body = {name: value for name, value in row.items() if name != "order_id"}
    # What the target has: the same lines and address, under the same ids, with other values.
    there = {
        "order_id": 294,
        "order_items": [{"order_id": 12, "product": 104392}],
        "address": {"address_id": 236154},
    }
    mapped = {
        **body,
        "order_items": [
            {name: value for name, value in body["order_items"][0].items() if name != "order_id"}
        ],
        "address": {name: value for name, value in body["address"].items() if name != "address_id"},
    }
    to = transport(answer(200, there), answer(200, [row]))
    target = connector("external-order").target("orders", to, route())
    (result,) = await target.write([WriteItem("294", mapped, orjson.dumps(mapped))])
    request = to.requests[1]
    assert (request.method, request.path) == (sample["method"], sample["path"])
    assert orjson.loads(request.body) == sample["body"]
    assert (result.verdict, result.target_id) == (Verdict.WRITTEN, "294")
    assert target.comparable(mapped) == target.comparable(row)


# Robosize


@pytest.mark.parametrize("api", ["robosize-orders", "robosize-products"])
async def test_a_documented_list_of_robosize_is_read(api: str, transport: Make, route: Make) -> None:
    request, response = (
        one(api, api.replace("robosize", "list"), "request"),
        one(api, api.replace("robosize", "list"), "response"),
    )
    to = transport(answer(200, response["body"]))
    page = await connector("robosize").source(api.removeprefix("robosize-"), to, route()).fetch(PageQuery(50))
    assert (to.requests[0].method, to.requests[0].path) == (request["method"], request["path"])
    assert [record.data for record in page.records] == response["body"]["results"]
    assert page.total == response["body"]["count"]
    assert page.has_next is (response["body"]["next"] is not None)


@pytest.mark.parametrize("api", ["robosize-orders", "robosize-products"])
async def test_a_documented_creation_is_sent(api: str, transport: Make, route: Make) -> None:
    operation = api.replace("robosize", "create").removesuffix("s")
    request, response = one(api, operation, "request"), one(api, operation, "response")
    to = transport(answer(response["status"], response["body"]))
    target = connector("robosize").target(api.removeprefix("robosize-"), to, route())
    (result,) = await target.write([WriteItem(None, request["body"], orjson.dumps(request["body"]))])
    sent = to.requests[0]
    assert (sent.method, sent.path, orjson.loads(sent.body)) == (
        request["method"],
        request["path"],
        request["body"],
    )
    assert (result.verdict, result.target_id) == (Verdict.WRITTEN, as_text(response["body"]["id"]))


async def test_the_documented_update_of_an_order_is_sent(transport: Make, route: Make) -> None:
    request = one("robosize-orders", "update-order", "request")
    to = transport(answer(200, {"id": 1, **request["body"], "recommendations": []}))
    target = connector("robosize").target("orders", to, route())
    (result,) = await target.write([WriteItem("ORDER_ID", request["body"], orjson.dumps(request["body"]))])
    sent = to.requests[0]
    assert (sent.method, sent.path, orjson.loads(sent.body)) == (
        request["method"],
        request["path"],
        request["body"],
    )
    assert result.verdict is Verdict.WRITTEN


async def test_the_documented_update_of_products_is_sent(transport: Make, route: Make) -> None:
    request = one("robosize-products", "update-products", "request")
    response = one("robosize-products", "update-products", "response")
    to: ScriptedTransport = transport(answer(response["status"], response["body"]))
    target = connector("robosize").target("products", to, route())
    body = {name: value for name, value in request["body"].items() if name != "products"}
    (result,) = await target.write([WriteItem("PRODUCT_ID", body, orjson.dumps(body))])
    sent = to.requests[0]
    assert (sent.method, sent.path) == (request["method"], request["path"])
    assert orjson.loads(sent.body or b"") == request["body"]
    assert result.verdict is Verdict.WRITTEN
    spec = connector("robosize").streams["products"]
    assert body.keys() <= spec.writable_fields


def test_every_documented_call_is_made_or_known_not_to_be() -> None:
    made = {
        "external-order": {"list-orders", "list-orders-filter-status", "get-order", "upsert-orders"},
        "robosize-orders": {"list-orders", "create-order", "update-order"},
        "robosize-products": {"list-products", "create-product", "update-products"},
    }
    for api, operations in made.items():
        shown = {sample.values[0]["operation"] for sample in samples(api, "request")}
        assert shown == operations | MADE_ELSEWHERE[api]
        assert not operations & MADE_ELSEWHERE[api]


def test_the_documented_product_is_relinked() -> None:
    (row,) = one("robosize-products", "list-products", "response")["body"]["results"]
    assert relink_product(row, context({}, ids={"STORE_ID": "104392"})) == {
        "id": "PRODUCT_ID",
        "store_id": "104392",
    }
