"""The sandbox over real HTTP: what each API answers, its limits and faults, and what it keeps."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import anyio
import orjson
import pytest

from bulkmove.sandbox.conditions import Fault, Latency, RateWindow
from bulkmove.sandbox.process import SandboxFailedError, SandboxRecord, sandbox_process
from bulkmove.sandbox.server import Sandbox
from bulkmove.sandbox.settings import SandboxSettings

BASIC = "Basic " + base64.b64encode(b"demo-key:demo-secret").decode()
TOKEN = {"API-Token": "demo-token"}
ORDERS = "/api/v2/orders"
EXTERNAL = "/external/external-order/"
SIZING_ORDERS = "/api/v1/business/order/"
SIZING_PRODUCTS = "/api/v1/product/"
LINE = {"product": 104392, "quantity": 2, "order_status": "done"}


@dataclass
class Reply:
    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


class Client:
    """Sends a request as it is written, follows nothing, and signs it for the API that its path belongs to."""

    def __init__(self, sandbox: Sandbox, session: aiohttp.ClientSession, record: SandboxRecord) -> None:
        self.sandbox = sandbox
        self.session = session
        self.record = record

    async def send(
        self, method: str, path: str, body: Any = None, *, signed: bool = True, **headers: str
    ) -> Reply:
        given: dict[str, str] = {name.replace("_", "-"): value for name, value in headers.items()}
        if signed and path.startswith("/api/v2"):
            given["Authorization"] = BASIC
        elif signed and path.startswith("/external"):
            given |= TOKEN
        elif signed and path.startswith("/api/v1"):
            path += ("&" if "?" in path else "?") + "api_key=demo-api-key"
        data = body if body is None or isinstance(body, bytes) else orjson.dumps(body)
        url = self.sandbox.url + path
        async with self.session.request(
            method, url, data=data, headers=given, allow_redirects=False
        ) as response:
            return Reply(response.status, response.headers, await response.read())

    async def get(self, path: str, **headers: str) -> Any:
        reply = await self.send("GET", path, None, signed=True, **headers)
        assert reply.status == 200, reply.body
        return reply.json


@asynccontextmanager
async def running(**settings: Any) -> AsyncIterator[Client]:
    async with (
        Sandbox(SandboxSettings(**({"orders": 60, "products": 20} | settings))) as sandbox,
        aiohttp.ClientSession() as session,
        SandboxRecord(sandbox.url) as record,
    ):
        yield Client(sandbox, session, record)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with running() as client:
        yield client


# MerchantPro


async def test_merchantpro_pages_are_clamped_and_linked_relatively() -> None:
    async with running(orders=250) as client:
        seen, path = [], f"{ORDERS}?sort=date_created&limit=1000"
        while path:
            page = await client.get(path)
            seen += [order["id"] for order in page["data"]]
            assert page["meta"]["count"]["limit"] == 100
            assert page["meta"]["count"]["total"] == 250
            path = page["meta"]["links"]["next"]
            assert path is None or path.startswith(ORDERS)
        assert len(seen) == 250


async def test_merchantpro_orders_by_date_in_both_directions(client: Client) -> None:
    rising = [o["date_created"] for o in (await client.get(f"{ORDERS}?sort=date_created"))["data"]]
    falling = [o["date_created"] for o in (await client.get(f"{ORDERS}?sort=date_created.desc"))["data"]]
    assert rising == falling[::-1]
    assert rising[0] < rising[-1]


async def test_line_items_come_only_when_included(client: Client) -> None:
    plain = (await client.get(ORDERS))["data"]
    assert not any("line_items" in order for order in plain)
    assert all(o["line_items"] for o in (await client.get(f"{ORDERS}?include=line_items,tags"))["data"])
    one = await client.get(f"{ORDERS}/{plain[0]['id']}")
    assert one["line_items"]
    fewer = (await client.get(f"{ORDERS}?fields=currency&limit=1"))["data"][0]
    assert fewer.keys() == {"id", "currency"}


@pytest.mark.parametrize(("bounds", "expected"), [("inclusive", 3), ("exclusive", 1)])
async def test_date_filters_take_the_second_itself_or_not(bounds: str, expected: int) -> None:
    async with running(created_after=bounds, undated=5) as client:
        dated = [o for o in (await client.get(f"{ORDERS}?sort=date_created"))["data"] if o["date_created"]]
        assert len(dated) == 55
        times = sorted({order["date_created"] for order in dated})
        first, last = (text.replace("+", "%2B") for text in (times[0], times[2]))
        found = (await client.get(f"{ORDERS}?created_after={first}&created_before={last}"))["data"]
        assert len({order["date_created"] for order in found}) == expected


async def test_an_unknown_filter_is_refused_by_name(client: Client) -> None:
    reply = await client.send("GET", f"{ORDERS}?createdafter=2024-01-01")
    assert reply.status == 400
    assert reply.json["error"]["name"] == "undefined_filter"


async def test_a_bare_plus_in_a_date_is_a_bad_value(client: Client) -> None:
    reply = await client.send("GET", f"{ORDERS}?created_after=2024-01-01T00:00:00 02:00")
    assert reply.status == 400


async def test_merchantpro_filters_by_value_and_ids(client: Client) -> None:
    paid = (await client.get(f"{ORDERS}?payment_status=paid"))["data"]
    assert paid
    assert {order["payment_status"] for order in paid} == {"paid"}
    ids = [str(order["id"]) for order in paid[:2]]
    found = (await client.get(f"{ORDERS}?ids={','.join(ids)},1"))["data"]
    assert [str(order["id"]) for order in found] == ids


async def test_merchantpro_creates_changes_handles_and_deletes(client: Client) -> None:
    created = (
        await client.send(
            "POST", ORDERS, {"customer_email": "x@example.ro", "line_items": [{"product_id": 1}]}
        )
    ).json
    path = f"{ORDERS}/{created['id']}"
    changed = await client.send("PATCH", path, {"line_items": [{"product_id": 7}], "tags": [{"name": "bun"}]})
    assert changed.json["line_items"] == [{"product_id": 7}]
    assert changed.json["customer_email"] == "x@example.ro"
    assert (await client.send("PATCH", f"{path}/shipped")).json == {"ok": True}
    assert (await client.get(path))["shipping_status"] == "shipped"
    assert (await client.send("DELETE", path)).json == {"ok": True}
    gone = await client.send("GET", path)
    assert gone.status == 404
    assert gone.json["error"]["name"] == "not_found"


async def test_bad_merchantpro_keys_get_a_401_and_later_a_403(client: Client) -> None:
    statuses = [(await client.send("GET", ORDERS, signed=False)).status for _ in range(7)]
    assert statuses[0] == 401
    assert statuses[-1] == 403
    assert (await client.send("GET", ORDERS)).status == 200


# External orders


async def test_a_post_creates_and_with_an_order_id_updates(client: Client) -> None:
    reply = await client.send(
        "POST", EXTERNAL, [{"rrn": "a", "order_items": [LINE]}, {"rrn": "b", "order_items": [LINE]}]
    )
    assert reply.status == 201
    first, second = reply.json
    assert first["order_items"][0]["order_id"] != second["order_items"][0]["order_id"]
    assert isinstance(first["created_at"], int)
    update = await client.send("POST", EXTERNAL, [{"order_id": first["order_id"], "rrn": "c"}])
    assert update.status == 200
    assert (await client.get(f"{EXTERNAL}{first['order_id']}"))["rrn"] == "c"
    assert [row["_writes"] for row in await client.record.rows("external-orders")] == [2, 1]


async def test_a_blind_resend_doubles(client: Client) -> None:
    for _ in range(2):
        await client.send("POST", EXTERNAL, [{"rrn": "a", "order_items": [LINE]}])
    assert (await client.get(f"{EXTERNAL}?search=a"))["count"] == 2


@pytest.mark.parametrize("shape", ["list", "indexed"])
async def test_one_bad_item_and_none_is_written(shape: str) -> None:
    async with running(drf=shape) as client:
        reply = await client.send(
            "POST", EXTERNAL, [{"order_items": [LINE]}, {"rrn": 5, "order_items": [LINE]}]
        )
        assert reply.status == 400
        error = {"rrn": ["Not a valid string."]}
        assert reply.json == ([{}, error] if shape == "list" else {"1": error})
        assert await client.record.rows("external-orders") == []


async def test_errors_follow_the_language(client: Client) -> None:
    reply = await client.send("POST", EXTERNAL, [{"rrn": "1"}], Accept_Language="ro")
    assert reply.json == [{"order_items": ["Acest câmp este obligatoriu."]}]


async def test_a_body_that_is_no_array_of_json_is_a_400(client: Client) -> None:
    assert (await client.send("POST", EXTERNAL, {"rrn": "1"})).status == 400
    assert "JSON parse error" in (await client.send("POST", EXTERNAL, b"[{")).json["detail"]


async def test_external_lists_are_paged_by_number_and_end_in_a_404() -> None:
    async with running(targets_existing=250) as client:
        seen, url = [], f"{client.sandbox.url}{EXTERNAL}?ordering=-created_at&page_size=120"
        while url:
            page = await client.get(url.removeprefix(client.sandbox.url))
            seen += [row["order_id"] for row in page["results"]]
            url = page["next"]
        assert seen == sorted(seen, reverse=True)
        assert len(seen) == 250
        beyond = await client.send("GET", f"{EXTERNAL}?page=4&page_size=120")
        assert (beyond.status, beyond.json) == (404, {"detail": "Invalid page."})
        assert len((await client.get(EXTERNAL))["results"]) == 100
        assert len((await client.get(f"{EXTERNAL}?page_size=-3"))["results"]) == 100


async def test_an_array_list_has_no_envelope() -> None:
    async with running(external_list="array", targets_existing=3) as client:
        assert len(await client.get(EXTERNAL)) == 3
        assert len(await client.get("/external/region/")) == 42


async def test_created_after_takes_effect_unless_it_is_set_to_be_ignored() -> None:
    for behaviour, expected in (("heeded", 0), ("ignored", 10)):
        async with running(targets_existing=10, external_created_after=behaviour) as client:
            assert (await client.get(f"{EXTERNAL}?created_after=1800000000"))["count"] == expected
            # A name that is not known is ignored in any case.
            assert (await client.get(f"{EXTERNAL}?createdafter=1800000000"))["count"] == 10


async def test_a_created_after_that_is_no_number_is_a_400(client: Client) -> None:
    reply = await client.send("GET", f"{EXTERNAL}?created_after=yesterday")
    assert (reply.status, reply.json) == (400, {"created_after": ["Enter a number."]})


async def test_external_orders_are_found_by_status(client: Client) -> None:
    await client.send(
        "POST",
        EXTERNAL,
        [{"order_items": [LINE | {"order_status": s}]} for s in ("new", "done", "collected")],
    )
    assert (await client.get(f"{EXTERNAL}?status=new,done"))["count"] == 2


async def test_an_order_item_is_deleted_once_and_the_address_is_shown(client: Client) -> None:
    order = (
        await client.send(
            "POST", EXTERNAL, [{"order_items": [LINE, LINE], "address": {"zip_code": "010011"}}]
        )
    ).json[0]
    path = f"{EXTERNAL}order-item/{order['order_items'][0]['order_id']}/"
    assert (await client.send("DELETE", path)).status == 204
    assert (await client.send("DELETE", path)).status == 404
    assert len((await client.get(f"{EXTERNAL}{order['order_id']}"))["order_items"]) == 1
    assert (await client.get(f"{EXTERNAL}{order['order_id']}/address/"))["zip_code"] == "010011"


async def test_reference_lists_take_either_token_and_find_products(client: Client) -> None:
    ids = await client.record.ids()
    new = next(iter(ids.values()))
    for header in ("token", "API_Token"):
        reply = await client.send(
            "GET", f"/external/product/?search={new}", signed=False, **{header: "demo-token"}
        )
        assert [row["id"] for row in reply.json["results"]] == [new]
    regions = {
        row["name"]: row["id"]
        for row in (await client.get("/external/region/", Accept_Language="ro"))["results"]
    }
    towns = (await client.get(f"/external/locality/?region_id={regions['Cluj']}"))["results"]
    assert {town["region_id"] for town in towns} == {regions["Cluj"]}
    assert [shop["id"] for shop in (await client.get("/external/shop/?group=2"))["results"]] == [3]
    assert (await client.get("/external/sector/"))["count"] == 6
    assert (await client.get("/external/promo-code/"))["count"] == 6


async def test_external_credentials_missing_or_wrong(client: Client) -> None:
    missing = await client.send("GET", EXTERNAL, signed=False)
    wrong = await client.send("GET", EXTERNAL, signed=False, API_Token="nope")
    assert (missing.status, wrong.status) == (401, 403)
    assert missing.json.keys() == wrong.json.keys() == {"detail"}


# Robosize


async def test_robosize_clamps_its_pages_and_repeats_the_key_in_next() -> None:
    async with running(products=130, robosize_max_limit=60) as client:
        seen, path = [], f"{SIZING_PRODUCTS}?api_key=demo-api-key&limit=1000"
        while path:
            page = (await client.send("GET", path, signed=False)).json
            assert page["count"] == 130
            assert len(page["results"]) <= 60
            seen += [row["id"] for row in page["results"]]
            assert page["next"] is None or "api_key=demo-api-key" in page["next"]
            path = (page["next"] or "").removeprefix(client.sandbox.url)
        assert len(set(seen)) == 130
        assert len((await client.get(f"{SIZING_PRODUCTS}?limit=x"))["results"]) == 50
        assert (await client.get(f"{SIZING_PRODUCTS}?offset=999"))["results"] == []


async def test_robosize_orders_keep_a_device_that_they_never_return(client: Client) -> None:
    made = (
        await client.send("POST", SIZING_ORDERS, {"store_id": "7", "device_id": "d", "data": {"a": 1}})
    ).json
    assert made == {"id": 1, "store_id": "7", "data": {"a": 1}, "recommendations": []}
    listed = (await client.get(SIZING_ORDERS))["results"][0]
    assert listed == made | {"id": "1"}
    assert (await client.send("PATCH", f"{SIZING_ORDERS}1/", {"store_id": "8"})).json["store_id"] == "8"
    kept = (await client.record.rows("robosize-orders"))[0]
    assert (kept["device_id"], kept["_writes"]) == ("d", 2)
    assert (await client.send("DELETE", f"{SIZING_ORDERS}1/")).status == 204
    assert (await client.send("DELETE", f"{SIZING_ORDERS}1/")).status == 404


async def test_robosize_products_change_together_with_one_message(client: Client) -> None:
    before = await client.record.rows("robosize-products")
    ids = [row["id"] for row in before[:3]]
    reply = await client.send(
        "PATCH",
        SIZING_PRODUCTS,
        {"products": [*ids, "404"], "store_id": "99", "tags": ["nou"], "type": "top"},
    )
    assert reply.json == {"message": "Products updated"}
    after = await client.record.rows("robosize-products")
    assert after[0] == before[0] | {"store_id": "99", "tags": [{"name": "nou"}], "type": "top", "_writes": 1}
    assert after[3:] == before[3:]


async def test_robosize_products_are_created_and_deleted_by_hash(client: Client) -> None:
    made = (await client.send("POST", SIZING_PRODUCTS, {"name": "x", "store_id": "1", "tags": ["a"]})).json
    assert made["created"] == 1
    assert (await client.send("DELETE", f"{SIZING_PRODUCTS}?hash=")).status == 400
    assert (await client.send("DELETE", f"{SIZING_PRODUCTS}?hash={made['id']}")).status == 204
    assert (await client.get(SIZING_PRODUCTS))["count"] == 20


async def test_products_changed_last_go_to_the_end_when_set_so() -> None:
    async with running(robosize_order="updated") as client:
        first = (await client.get(SIZING_PRODUCTS))["results"][0]["id"]
        await client.send("PATCH", SIZING_PRODUCTS, {"products": [first], "store_id": "9"})
        assert (await client.get(SIZING_PRODUCTS))["results"][-1]["id"] == first


@pytest.mark.parametrize(
    ("path", "status"),
    [(SIZING_ORDERS, 302), (SIZING_PRODUCTS, 302), (f"{SIZING_ORDERS}1/", 302), (EXTERNAL, 301)],
)
async def test_a_missing_slash_redirects_writes_too(client: Client, path: str, status: int) -> None:
    reply = await client.send("POST", path[:-1], {})
    assert reply.status == status
    assert reply.headers["Location"].partition("?")[0] == path


async def test_a_redirected_post_becomes_a_get_that_succeeds(client: Client) -> None:
    url = f"{client.sandbox.url}{SIZING_ORDERS[:-1]}?api_key=demo-api-key"
    async with client.session.post(url, json={"store_id": "1", "device_id": "d", "data": {}}) as response:
        assert response.status == 200
        assert response.method == "GET"
    assert await client.record.rows("robosize-orders") == []


@pytest.mark.parametrize(
    "path", ["/", "/api/v2/customers", "/api/v2/orders/1/shipped/", "/external/nothing/", "/api/v1/nothing/"]
)
async def test_unknown_addresses_are_answered_in_html(client: Client, path: str) -> None:
    reply = await client.send("GET", path)
    assert reply.status == 404
    assert reply.headers["Content-Type"].startswith("text/html")
    assert parsedate_to_datetime(reply.headers["Date"])


# Limits and faults


async def test_a_strict_limit_refuses_and_counts() -> None:
    async with running(rates=(RateWindow(3, 60.0, "robosize"),), limit_wait="seconds") as client:
        statuses = [(await client.send("GET", SIZING_ORDERS)).status for _ in range(5)]
        assert statuses == [200, 200, 200, 429, 429]
        assert (await client.send("GET", ORDERS)).status == 200
        stats = (await client.record.stats())["robosize"]
        assert stats["too_many"] == 2
        assert stats["windows"] == [
            {"window": "robosize=3/min", "limit": 3, "max_requests": 5, "max_admitted": 3}
        ]
        assert stats["requests"] == {"GET orders": {"200": 3, "429": 2}}


async def test_latency_holds_answers_back() -> None:
    async with running(latency=Latency(0.15, 0.15)) as client:
        started = anyio.current_time()
        await client.get(ORDERS)
        assert anyio.current_time() - started >= 0.15


@pytest.mark.parametrize(
    ("fault", "status", "written"),
    [
        ("error-500", 500, 0),
        ("error-502-before", 502, 0),
        ("error-502-after", 502, 1),
        ("too-many-429", 429, 0),
        ("html-200", 200, 0),
        ("short-answer", 201, 1),
        ("cut-json", 201, 1),
    ],
)
async def test_a_fault_answers_and_leaves_the_write_done_or_not(
    client: Client, fault: str, status: int, written: int
) -> None:
    await client.record.add_fault(fault, times=1, api="external-order", methods=["POST"])
    reply = await client.send("POST", EXTERNAL, [{"rrn": "1", "order_items": [LINE]}])
    assert reply.status == status
    assert len(await client.record.rows("external-orders")) == written
    stats = (await client.record.stats())["external-order"]
    assert stats["faults"] == {fault: 1}
    assert stats["creates"] == written
    assert (await client.send("POST", EXTERNAL, [{"rrn": "2", "order_items": [LINE]}])).status == 201


@pytest.mark.parametrize(("fault", "written"), [("dropped", 0), ("dropped-after", 1)])
async def test_a_dropped_connection_has_done_the_write_or_not(
    client: Client, fault: str, written: int
) -> None:
    await client.record.add_fault(fault, times=1)
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.send("POST", EXTERNAL, [{"rrn": "1", "order_items": [LINE]}])
    assert len(await client.record.rows("external-orders")) == written
    assert (await client.record.stats())["external-order"]["dropped"] == 1


async def test_a_cut_body_is_announced_whole_and_ends_early(client: Client) -> None:
    await client.record.add_fault("cut-body", times=1)
    with pytest.raises(aiohttp.ClientPayloadError):
        await client.get(ORDERS)
    assert len((await client.get(ORDERS))["data"]) == 60


async def test_cut_json_has_its_full_length(client: Client) -> None:
    await client.record.add_fault("cut-json", times=1)
    reply = await client.send("GET", ORDERS)
    assert reply.status == 200
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(reply.body)


async def test_a_late_write_is_applied_after_its_answer() -> None:
    async with running(late_seconds=0.2) as client:
        await client.record.add_fault("applied-late", times=2)
        assert (await client.send("POST", EXTERNAL, [{"rrn": "1", "order_items": [LINE]}])).status == 504
        with pytest.raises(aiohttp.ClientConnectionError):
            await client.send("POST", EXTERNAL, [{"rrn": "2", "order_items": [LINE]}])
        assert await client.record.rows("external-orders") == []
        with anyio.fail_after(5):
            while len(await client.record.rows("external-orders")) < 2:
                await anyio.lowlevel.checkpoint()


async def test_a_host_that_is_not_atomic_writes_the_good_items(client: Client) -> None:
    await client.record.add_fault("not-atomic")
    bad = [{"rrn": "good", "order_items": [LINE]}, {"rrn": "bad", "order_items": []}]
    assert (await client.send("POST", EXTERNAL, bad)).status == 400
    assert [row["rrn"] for row in await client.record.rows("external-orders")] == ["good"]
    # It makes no difference to a good array, and is not counted for it.
    assert (await client.send("POST", EXTERNAL, bad[:1])).status == 201
    assert (await client.record.stats())["external-order"]["faults"] == {"not-atomic": 1}


async def test_a_partial_200_carries_errors_by_item(client: Client) -> None:
    await client.record.add_fault("partial-200")
    reply = await client.send("POST", EXTERNAL, [{"order_items": []}, {"rrn": "good", "order_items": [LINE]}])
    assert reply.status == 201
    assert "errors" in reply.json[0]
    assert reply.json[1]["rrn"] == "good"


async def test_a_passing_error_speaks_merchantpros_words(client: Client) -> None:
    await client.record.add_fault("passing-error", times=3)
    replies = [await client.send("GET", ORDERS) for _ in range(4)]
    assert [reply.status for reply in replies] == [500, 400, 405, 200]
    assert replies[0].json["error"]["message"] == "Operation could not be completed"


async def test_slow_is_done_at_once_and_answered_late() -> None:
    async with running(slow_seconds=0.3) as client:
        await client.record.add_fault("slow", times=1)
        timeout = aiohttp.ClientTimeout(total=0.1)
        url, data = client.sandbox.url + EXTERNAL, orjson.dumps([{"rrn": "1", "order_items": [LINE]}])
        with pytest.raises(TimeoutError):
            await client.session.post(url, data=data, headers=TOKEN, timeout=timeout)
        assert len(await client.record.rows("external-orders")) == 1


async def test_faults_of_the_settings_can_be_cleared() -> None:
    async with running(faults=(Fault("error-500", 1.0), Fault("slow", 0.0))) as client:
        assert (await client.send("GET", ORDERS)).status == 500
        await client.record.clear_faults("error-500")
        assert (await client.send("GET", ORDERS)).status == 200
        await client.record.clear_faults()
        assert (await client.send("GET", "/_sandbox/faults")).json == {"faults": []}


async def test_a_body_that_is_too_long_gets_a_413() -> None:
    async with running(max_body_bytes=100) as client:
        assert (await client.send("POST", EXTERNAL, b" " * 101)).status == 413


# Control


async def test_the_source_changes_while_it_is_read(client: Client) -> None:
    before = [order["id"] for order in (await client.get(f"{ORDERS}?sort=date_created"))["data"]]
    done = await client.record.change_source(
        {
            "insert": [{"id": 99_000_001, "customer_note": "nou"}, {}],
            "delete": before[:2],
            "touch": [before[5]],
        }
    )
    assert done == {"deleted": 2, "inserted": [99_000_001, 99_000_002], "touched": 1, "updated": 0}
    after = (await client.get(f"{ORDERS}?sort=date_created"))["data"]
    assert [order["id"] for order in after[-2:]] == [99_000_001, 99_000_002] or [
        order["id"] for order in after[-2:]
    ] == [99_000_002, 99_000_001]
    assert len(after) == 60
    assert not {str(i) for i in before[:2]} & {str(order["id"]) for order in after}
    touched = next(order for order in after if order["id"] == before[5])
    assert touched["date_modified"] > "2026"
    assert [row["_writes"] for row in await client.record.rows("orders") if row["_writes"]] == [1, 1, 1]


async def test_other_lists_change_too(client: Client) -> None:
    first = (await client.record.rows("robosize-products"))[0]["id"]
    await client.record.change_source(
        {"list": "robosize-products", "delete": [first], "update": {"50002": {"name": "n"}}}
    )
    rows = (await client.get(SIZING_PRODUCTS))["results"]
    assert (len(rows), rows[0]["name"]) == (19, "n")
    inserted = await client.record.change_source({"list": "external-orders", "insert": [{"rrn": "foreign"}]})
    assert (await client.get(f"{EXTERNAL}{inserted['inserted'][0]}"))["rrn"] == "foreign"


async def test_a_reset_empties_the_targets_and_on_demand_the_counts(client: Client) -> None:
    await client.send("POST", EXTERNAL, [{"order_items": [LINE]}])
    await client.record.reset(stats=True)
    assert (await client.get(EXTERNAL))["count"] == 0
    assert (await client.record.stats())["external-order"]["creates"] == 0
    assert len(await client.record.rows("orders")) == 60


async def test_control_refuses_what_it_does_not_know(client: Client) -> None:
    for call in (
        client.record.add_fault("no-such"),
        client.record.change_source({"list": "nothing"}),
        client.record.rows("x"),
    ):
        with pytest.raises(SandboxFailedError):
            await call


async def test_control_needs_no_credentials_and_knows_no_limit() -> None:
    async with running(rates=(RateWindow(1, 60.0),), faults=(Fault("error-500"),)) as client:
        for _ in range(3):
            assert len(await client.record.rows("orders")) == 60


async def test_in_flight_requests_are_counted() -> None:
    async with running(latency=Latency(0.1, 0.1)) as client, anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(client.get, SIZING_ORDERS)
        with anyio.fail_after(5):
            while (await client.record.stats())["robosize"]["max_in_flight"] < 4:
                await anyio.lowlevel.checkpoint()


async def test_limits_and_capacity_are_set_while_it_runs() -> None:
    async with running(capacities=(RateWindow(1, 1.0),)) as client:
        await client.record.set_limits(api="robosize", rate=["2/min"], capacity=[])
        replies = [(await client.send("GET", SIZING_ORDERS)).status for _ in range(3)]
        assert replies == [200, 200, 429]
        await client.record.set_limits(rate=[], capacity=["10/s"])
        began = anyio.current_time()
        assert [(await client.send("GET", SIZING_ORDERS)).status for _ in range(3)] == [200, 200, 200]
        assert 0.28 <= anyio.current_time() - began < 1.0, "one after the other"
        with pytest.raises(SandboxFailedError, match="limits"):
            await client.record.set_limits(rate=["many"])


# Process


async def test_a_process_serves_and_ends_with_its_context() -> None:
    async with (
        sandbox_process(SandboxSettings(orders=30, products=10)) as handle,
        SandboxRecord(handle.url) as record,
    ):
        assert len(await record.rows("orders")) == 30
        assert handle.pid != os.getpid()
    assert not _is_running(handle.pid)


async def test_a_process_that_can_not_start_says_so() -> None:
    async with Sandbox(SandboxSettings(orders=1)) as sandbox:
        taken = int(sandbox.url.rpartition(":")[2])
        with pytest.raises(SandboxFailedError):
            async with sandbox_process(SandboxSettings(orders=1, port=taken)):
                pass


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_process_cleanly(sign: signal.Signals) -> None:
    command = [sys.executable, "-m", "bulkmove", "sandbox", "--orders", "3", "--products", "2"]
    async with await anyio.open_process(command, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        line = orjson.loads(await process.stdout.receive())
        assert (line["type"], line["orders"], line["products"]) == ("sandbox", 3, 2)
        assert line["pid"] == process.pid
        process.send_signal(sign)
        assert await process.wait() == 0


async def test_a_sandbox_ends_when_its_starter_was_killed() -> None:
    starter = (
        "import os, sys, subprocess\n"
        "subprocess.Popen([sys.executable, '-m', 'bulkmove', 'sandbox', '--orders', '1', '--parent-pid', str(os.getpid())])\n"
        "sys.stdin.read()\n"
    )
    async with await anyio.open_process([sys.executable, "-c", starter]) as process:
        assert process.stdout is not None
        pid = orjson.loads(await process.stdout.receive())["pid"]
        process.kill()
        await process.wait()
        with anyio.fail_after(10):
            while _is_running(pid):  # noqa: ASYNC110  no child of ours: nothing tells us when it ends
                await anyio.sleep(0.05)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123  a line of the kernel's
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
