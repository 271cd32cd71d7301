"""Every documented call of Robosize as a typed method, the bodies that it takes, and how a host is examined."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
import orjson
import pytest

from bulkmove.connectors.robosize import CONNECTOR, types
from bulkmove.connectors.robosize.api import RobosizeApi
from bulkmove.connectors.robosize.operations import OPERATIONS
from bulkmove.connectors.scripted import ScriptedTransport, answer
from bulkmove.errors import ConfigError, CredentialsError, RefusedError
from bulkmove.model import Finding, Request, Response, Verdict, WriteItem

Make = Callable[..., Any]
DOCUMENTS = Path(__file__).parents[3] / "samples" / "documents"


def documented(kind: str) -> dict[str, Any]:
    files = sorted(DOCUMENTS.glob(f"robosize-*/*.{kind}.json"))
    return {sample["operation"]: sample for sample in (json.loads(file.read_text()) for file in files)}


REQUESTS, RESPONSES = documented("request"), documented("response")


def products_of(body: dict[str, Any]) -> tuple[list[str], Any]:
    return body["products"], {name: value for name, value in body.items() if name != "products"}


CALLS: dict[str, Callable[[RobosizeApi], Any]] = {
    "list-orders": lambda api: api.list_orders(),
    "create-order": lambda api: api.create_order(REQUESTS["create-order"]["body"]),
    "update-order": lambda api: api.update_order("ORDER_ID", REQUESTS["update-order"]["body"]),
    "delete-order": lambda api: api.delete_order("ORDER_ID"),
    "list-products": lambda api: api.list_products(),
    "create-product": lambda api: api.create_product(REQUESTS["create-product"]["body"]),
    "update-products": lambda api: api.update_products(*products_of(REQUESTS["update-products"]["body"])),
    "delete-product": lambda api: api.delete_product("PRODUCT_ID"),
}


def test_every_documented_call_has_a_method_and_an_operation() -> None:
    assert REQUESTS.keys() == CALLS.keys() == OPERATIONS.keys() == CONNECTOR.operations.keys()
    methods = {name for name in vars(RobosizeApi) if not name.startswith("_")}
    assert methods == {name.replace("-", "_") for name in OPERATIONS}


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_is_made_as_the_document_shows_it(transport: Make, name: str) -> None:
    shown = RESPONSES.get(name, {"status": 204, "body": None})
    to = transport(answer(shown["status"], b"" if shown["body"] is None else shown["body"]))
    answered = await CALLS[name](RobosizeApi(to))
    assert answered == shown["body"]
    (sent,) = to.requests
    sample = REQUESTS[name]
    assert (sent.method, sent.path) == (sample["method"], sample["path"])
    assert (None if sent.body is None else orjson.loads(sent.body)) == sample["body"]
    query = {key: value for key, value in sample["query"].items() if key != "api_key"}
    assert dict(sent.params) == query
    assert sent.is_repeatable is (sent.method != "POST")


async def test_pages_are_asked_for_by_limit_and_offset(transport: Make) -> None:
    to = transport(answer(200, RESPONSES["list-products"]["body"]))
    await RobosizeApi(to).list_products(limit=5, offset=10)
    assert dict(to.requests[0].params) == {"limit": "5", "offset": "10"}


async def test_a_change_of_an_order_names_no_device(transport: Make) -> None:
    to = transport(answer(200, {}))
    await RobosizeApi(to).update_order("7", {"store_id": "1", "device_id": "d"})
    assert orjson.loads(to.requests[0].body) == {"store_id": "1"}


async def test_nothing_is_deleted_or_changed_without_an_id(transport: Make) -> None:
    to = transport(answer(204, b""))
    api = RobosizeApi(to)
    for call in (api.delete_product(""), api.delete_order(""), api.update_products([], {"name": "x"})):
        with pytest.raises(ConfigError):
            await call
    assert to.requests == []


async def test_a_refusal_is_raised_with_its_status(transport: Make) -> None:
    with pytest.raises(RefusedError, match=r"shop: DELETE .* answered 404") as refused:
        await RobosizeApi(transport(answer(404, {"detail": "Not found."}))).delete_order("7")
    assert refused.value.status == 404


def test_the_types_hold_the_documented_fields() -> None:
    order, product = RESPONSES["list-orders"]["body"], RESPONSES["list-products"]["body"]
    for shown, kind in (
        (order, types.Orders),
        (order["results"][0], types.Order),
        (order["results"][0]["recommendations"][0], types.Recommendation),
        (product, types.Products),
        (product["results"][0], types.Product),
        (RESPONSES["create-product"]["body"], types.CreatedProduct),
        (RESPONSES["update-products"]["body"], types.Message),
    ):
        assert get_type_hints(kind).keys() == shown.keys()
        msgspec.convert(shown, kind)


# Bodies


@pytest.mark.parametrize(
    ("stream", "good", "bad"),
    [
        ("orders", {"store_id": 5, "device_id": "d", "data": {}, "more": 1}, {"store_id": "5", "data": {}}),
        ("orders", REQUESTS["create-order"]["body"], {"store_id": "5", "device_id": "d", "data": []}),
        ("products", REQUESTS["create-product"]["body"], {"name": "x"}),
        ("products", {"name": "x", "store_id": "5"}, {"name": "x", "store_id": "5", "tags": [{"name": "a"}]}),
        ("products", {"name": "x", "store_id": 5}, {"name": "x", "store_id": "5", "type": 3}),
    ],
)
def test_a_new_row_s_body_is_checked(stream: str, good: Any, bad: Any) -> None:
    kind = CONNECTOR.streams[stream].create_body
    decode = msgspec.json.Decoder(kind).decode
    decode(orjson.dumps(good))
    with pytest.raises(msgspec.ValidationError):
        decode(orjson.dumps(bad))


@pytest.mark.parametrize(
    ("stream", "good", "bad"),
    [
        ("orders", REQUESTS["update-order"]["body"], {"data": None}),
        ("orders", {"device_id": "d"}, {"store_id": True}),
        ("products", {"store_id": "104392"}, {"tags": "a"}),
        ("products", REQUESTS["update-products"]["body"], {"image_url": 1}),
    ],
)
def test_a_change_s_body_is_checked(stream: str, good: Any, bad: Any) -> None:
    decode = msgspec.json.Decoder(CONNECTOR.streams[stream].update_body).decode
    decode(orjson.dumps(good))
    with pytest.raises(msgspec.ValidationError):
        decode(orjson.dumps(bad))


# Deleting


@pytest.mark.parametrize(
    ("stream", "path", "params"),
    [
        ("orders", "/api/v1/business/order/a%2Fb/", {}),
        ("products", "/api/v1/product/", {"hash": "a/b"}),
    ],
)
async def test_a_route_of_mode_delete_deletes_rows(
    transport: Make, route: Make, stream: str, path: str, params: dict[str, str]
) -> None:
    assert "delete" in CONNECTOR.streams[stream].modes
    to = transport(answer(204, b""))
    target = CONNECTOR.target(stream, to, route(mode="delete"))
    (result,) = await target.write([WriteItem("a/b", {}, b"{}")])
    (sent,) = to.requests
    assert (sent.method, sent.path, dict(sent.params), sent.body) == ("DELETE", path, params, None)
    assert (result.verdict, target.natural_key) == (Verdict.WRITTEN, "store_id")
    (refused,) = await target.write([WriteItem("", {}, b"{}")])
    assert (refused.verdict, len(to.requests)) == (Verdict.REJECTED, 1)


# Examining


def host_of(
    rows: int, *, cut: int = 10_000, ignores: str = "", no_slash: int = 404
) -> Callable[[Request], Response]:
    """A host with so many rows in either list, whose pages are cut to `cut`, that ignores `ignores` of a query."""

    def respond(request: Request) -> Response:
        if not request.path.endswith("/"):
            if no_slash == 302:
                raise ConfigError("answers with a redirect")
            return answer(no_slash, {})
        asked = {name: int(value) for name, value in request.params.items() if name != ignores}
        offset, limit = asked.get("offset", 0), min(asked.get("limit", 50), cut)
        shown = [{"id": str(n), "store_id": f"s{n}"} for n in range(rows)][offset : offset + limit]
        more = "https://x/?api_key=k" if offset + limit < rows else None
        return answer(200, {"count": rows, "next": more, "previous": None, "results": shown})

    return respond


async def examined(host: Any, respond: Callable[[Request], Response]) -> dict[str, Finding]:
    to = ScriptedTransport(host, respond)
    findings = await CONNECTOR.examine(to)
    assert {request.method for request in to.requests} == {"GET"}
    assert len(to.requests) <= 5
    return {finding.question: finding for finding in findings}


async def test_a_host_that_speaks_as_documented_is_found_good(host: Make) -> None:
    found = await examined(host(), host_of(3000, no_slash=302))
    assert {finding.verdict for finding in found.values()} == {"good"}
    assert found["products: list"].text == "counts 3000, and says whether more follows"


@pytest.mark.parametrize(
    ("respond", "question", "verdict", "text"),
    [
        (host_of(3000, cut=50), "products: longest page", "note", "cut to 50 rows"),
        (host_of(30), "orders: longest page", "assumed", "all 30 rows fit"),
        (host_of(3000, ignores="limit"), "products: longest page", "note", "cut to 50 rows"),
        (host_of(30, ignores="limit"), "orders: offset", "bad", "no effect of limit"),
        (host_of(3000, ignores="offset"), "orders: offset", "bad", "at offset 1 is the one at offset 0"),
        (host_of(30, no_slash=200), "slash", "good", "with and without"),
    ],
)
async def test_what_differs_is_told(
    host: Make, respond: Callable[[Request], Response], question: str, verdict: str, text: str
) -> None:
    finding = (await examined(host(), respond))[question]
    assert finding.verdict == verdict
    assert text in finding.text


async def test_a_list_that_is_not_there_leaves_the_other_examined(host: Make) -> None:
    usual = host_of(3000)
    found = await examined(
        host(), lambda request: answer(404, {}) if "product" in request.path else usual(request)
    )
    assert found["products: list"].verdict == "bad"
    assert found["products: list"].setting == 'paths = { products = "/api/v1/product/" }'
    assert found["orders: list"].verdict == "good"


async def test_paths_without_their_slash_are_found(host: Make) -> None:
    at = host(paths={"orders": "/api/v1/business/order"})
    found = await examined(at, lambda _: answer(200, {"count": 0, "next": None, "results": []}))
    assert (found["slash"].verdict, found["slash"].setting) == (
        "bad",
        'paths = { orders = "/api/v1/business/order/" }',
    )


async def test_rows_that_can_t_be_found_again_are_told(host: Make) -> None:
    rows = [{"name": "neither"}, {"id": 1, "store_id": "5"}]
    found = await CONNECTOR.examine(
        ScriptedTransport(host(), lambda _: answer(200, {"count": 2, "next": None, "results": rows}))
    )
    texts = [finding.text for finding in found if finding.question == "orders: rows"]
    assert texts == [
        "1 of 2 have no id: they can't be updated",
        "1 of 2 have no store_id: they can't be found by it",
    ]


async def test_refused_credentials_end_the_examination(host: Make) -> None:
    def refuse(_: Request) -> Response:
        raise CredentialsError("no")

    with pytest.raises(CredentialsError):
        await CONNECTOR.examine(ScriptedTransport(host(), refuse))
