"""Every documented call, made through its description against the emulated APIs, and told in docs/calls.md."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from bulkmove.connectors.asking import paths_of
from bulkmove.connectors.calls import accepted, request_of
from bulkmove.connectors.discover import connectors
from bulkmove.protocols import Transport
from bulkmove.sandbox.server import Sandbox
from bulkmove.sandbox.settings import SandboxSettings
from bulkmove.settings import HostSettings, Secret
from bulkmove.transport import open_transport

PAGE = Path(__file__).parents[2] / "docs" / "calls.md"
SECRETS = {
    "merchantpro": {"key": Secret("demo-key"), "secret": Secret("demo-secret")},
    "external-order": {"token": Secret("demo-token")},
    "robosize": {"api_key": Secret("demo-api-key")},
}
HEADERS = {"Accept": "application/json", "Content-Type": "application/json"}
CALLS = [(api, name) for api, connector in connectors().items() for name in connector.operations]

# What a call is told beside its defaults: parameters, and its body. Ids in angle brackets are looked up first.
LINE = {"product": 1, "quantity": 1, "order_status": "new"}
TOLD: Mapping[tuple[str, str], tuple[Mapping[str, str], Any]] = {
    ("merchantpro", "list-orders"): ({"limit": "2", "include": "line_items"}, None),
    ("merchantpro", "get-order"): ({"id": "<order>"}, None),
    ("merchantpro", "create-order"): ({}, {"payment_status": "awaiting", "line_items": [{"product_id": 1}]}),
    ("merchantpro", "change-order"): ({"id": "<order>"}, {"shipping_awb": "12312345675"}),
    ("merchantpro", "process-order"): ({"id": "<order>", "handler": "shipped"}, None),
    ("merchantpro", "delete-order"): ({"id": "<order>"}, None),
    ("external-order", "list-group-stores"): ({"group": "1"}, None),
    ("external-order", "list-localities"): ({"region_id": "101"}, None),
    ("external-order", "search-products"): ({"search": "a"}, None),
    ("external-order", "get-address"): ({"id": "<order>"}, None),
    ("external-order", "delete-order-item"): ({"id": "<item>"}, None),
    ("external-order", "search-orders"): ({"search": "<order>"}, None),
    ("external-order", "get-order"): ({"id": "<order>"}, None),
    ("external-order", "upsert-orders"): ({}, [{"rrn": "new", "shop": 1, "order_items": [LINE]}]),
    ("robosize", "create-order"): ({}, {"store_id": "1", "device_id": "device", "data": {}}),
    ("robosize", "update-order"): ({"id": "<order>"}, {"store_id": "2"}),
    ("robosize", "delete-order"): ({"id": "<order>"}, None),
    ("robosize", "create-product"): ({}, {"name": "A coat", "store_id": "77", "tags": [], "type": "top"}),
    ("robosize", "update-products"): ({}, {"products": ["<product>"], "name": "A cloak"}),
    ("robosize", "delete-product"): ({"hash": "<product>"}, None),
}  # fmt: skip


@asynccontextmanager
async def opened(api: str) -> AsyncIterator[Transport]:
    """A transport to a sandbox of its own, with two rows on every list that is written."""
    settings = SandboxSettings(orders=20, products=20)
    async with Sandbox(settings) as sandbox:
        host = HostSettings(name="shop", api=api, url=sandbox.url, credentials=SECRETS[api])
        connector = connectors()[api]
        async with open_transport(host, windows=(), sign=connector.sign(host.credentials)) as transport:
            yield transport


async def call(transport: Transport, name: str, parameters: Mapping[str, str], body: Any) -> Any:
    connector = connectors()[transport.host.api]
    operation = connector.operations[name]
    path = paths_of(transport.host, connector.paths)[operation.path]
    encoded = None if body is None else orjson.dumps(body)
    request = request_of(operation, path, parameters, body=encoded, headers=HEADERS)
    return accepted(transport, request, await transport.send(request))


async def ids_of(transport: Transport) -> dict[str, str]:
    """A row of each list that is written, created where the list is empty."""
    api = transport.host.api
    if api == "merchantpro":
        page = await call(transport, "list-orders", {"limit": "1"}, None)
        return {"<order>": str(page["data"][0]["id"])}
    if api == "external-order":
        body = [{"rrn": "old", "shop": 1, "order_items": [LINE, LINE], "address": {"address_ru": "str. A"}}]
        [row] = await call(transport, "upsert-orders", {}, body)
        return {"<order>": str(row["order_id"]), "<item>": str(row["order_items"][0]["order_id"])}
    order = await call(transport, "create-order", {}, {"store_id": "9", "device_id": "d", "data": {}})
    products = await call(transport, "list-products", {"limit": "1"}, None)
    return {"<order>": str(order["id"]), "<product>": str(products["results"][0]["id"])}


def filled_in(value: Any, ids: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return ids.get(value, value)
    if isinstance(value, dict):
        return {name: filled_in(inner, ids) for name, inner in value.items()}
    return [filled_in(inner, ids) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("api", "name"), CALLS)
async def test_every_documented_call_is_answered(api: str, name: str) -> None:
    async with opened(api) as transport:
        parameters, body = filled_in([*TOLD.get((api, name), ({}, None))], await ids_of(transport))
        answer = await call(transport, name, parameters, body)
    assert answer is not None or connectors()[api].operations[name].method == "DELETE"


def test_its_page_has_a_row_for_every_call() -> None:
    told = [
        tuple(cell.strip().strip("`") for cell in line.strip("|").split("|"))
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if line.startswith("| ") and "`" in line
    ]
    assert told == [
        (
            api,
            operation.name,
            f"{operation.method} {connector.paths[operation.path]}",
            operation.path,
            "unconfirmed" if operation.path in connector.unconfirmed else "documented",
        )
        for api, connector in connectors().items()
        for operation in connector.operations.values()
    ]
