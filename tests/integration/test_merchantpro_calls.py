"""Every call of MerchantPro over real HTTP, what a look at a shop tells, and routes to and from all of its streams."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bulkmove.connectors.merchantpro import CONNECTOR
from bulkmove.connectors.merchantpro.api import MerchantProApi
from bulkmove.connectors.merchantpro.names import FILTERS, HANDLERS, MOST_A_PAGE
from bulkmove.connectors.merchantpro.types import Handler, Order
from bulkmove.errors import RefusedError
from bulkmove.model import Finding, Request
from bulkmove.protocols import Transport
from bulkmove.sandbox.server import Sandbox
from bulkmove.sandbox.settings import SandboxSettings
from bulkmove.settings import HostSettings, Secret
from bulkmove.transport import open_transport
from tests.integration.moving import Job, Row, stage

ORDERS, PRODUCTS = 130, 45


@asynccontextmanager
async def shop(**settings: Any) -> AsyncIterator[Transport]:
    made = SandboxSettings(**({"orders": ORDERS, "products": PRODUCTS} | settings))
    async with Sandbox(made) as sandbox:
        host = HostSettings(
            name="old",
            api="merchantpro",
            url=sandbox.url,
            credentials={"key": Secret("demo-key"), "secret": Secret("demo-secret")},
        )
        async with open_transport(
            host,
            windows=(),
            sign=CONNECTOR.sign(host.credentials),
            wait_from_body=CONNECTOR.wait_from_body,
            is_passing=CONNECTOR.is_passing,
        ) as transport:
            yield transport


@pytest.fixture
async def api() -> AsyncIterator[MerchantProApi]:
    async with shop() as transport:
        yield MerchantProApi(transport)


async def tagged(api: MerchantProApi) -> Order:
    page = await api.list_orders(include=["tags", "line_items"], sort="date_created")
    return next(order for order in page["data"] if order.get("tags"))


async def test_orders_are_listed_by_pages_in_both_directions(api: MerchantProApi) -> None:
    first = await api.list_orders(sort="date_created", limit=1000)
    rest = await api.list_orders(sort="date_created", start=100)
    assert first["meta"]["count"] == {"total": ORDERS, "current": MOST_A_PAGE, "start": 0, "limit": 100}
    assert rest["meta"]["links"]["next"] is None
    falling = await api.list_orders(sort="date_created.desc", limit=ORDERS - 100)
    assert [order["date_created"] for order in falling["data"]] == [
        order["date_created"] for order in reversed(rest["data"])
    ]
    assert len({order["id"] for order in (*first["data"], *rest["data"])}) == ORDERS
    assert "line_items" not in first["data"][0]


async def test_fields_and_includes_are_chosen(api: MerchantProApi) -> None:
    page = await api.list_orders(fields=["total_amount"], include=["line_items"], limit=2)
    assert [order.keys() for order in page["data"]] == [{"id", "total_amount", "line_items"}] * 2
    one = await api.get_order(page["data"][0]["id"], fields=["line_items"])
    assert one == {"id": page["data"][0]["id"], "line_items": page["data"][0]["line_items"]}


async def test_each_of_the_sixteen_filters_takes_effect(api: MerchantProApi) -> None:
    some = await tagged(api)
    page = await api.list_orders(include=["tags"], sort="date_created")
    wanted: dict[str, Any] = {}
    for name in FILTERS - {"id", "ids", "created_after", "created_before", "tag_name", "tag_ids"}:
        # A real value of each, from the first order that has one.
        wanted[name] = next(v for order in page["data"] if (v := dict(order).get(name)) not in {None, ""})
    tag = (some["tags"] or [])[0]
    wanted |= {"id": some["id"], "ids": [some["id"], 1], "tag_name": tag["name"], "tag_ids": [tag["id"], 99]}
    middle = page["data"][50]["date_created"]
    wanted |= {"created_after": middle, "created_before": middle}
    assert wanted.keys() == FILTERS
    for name, value in wanted.items():
        found = await api.list_orders(**{name: value}, include=["tags"])
        assert 0 < found["meta"]["count"]["total"] < ORDERS, name
        if name in some and name != "id":
            assert {dict(order)[name] for order in found["data"]} == {value}, name
    another = "awaiting" if some["shipping_status"] != "awaiting" else "delivered"
    both = await api.list_orders(id=some["id"], shipping_status=another)
    assert both["data"] == [], "filters hold together"


async def test_an_order_is_created_changed_processed_and_deleted(api: MerchantProApi) -> None:
    made = await api.create_order(
        {"channel_ref_id": "A-1", "tags": [{"name": "bun"}], "line_items": [{"product_id": 7, "quantity": 2}]}
    )
    order_id = made["id"]
    assert made["channel_ref_id"] == "A-1"
    changed = await api.change_order(order_id, {"shipping_amount": 15, "line_items": [{"product_id": 8}]})
    assert (changed["shipping_amount"], changed["line_items"]) == (15, [{"product_id": 8}])
    assert changed["channel_ref_id"] == "A-1"
    handlers: list[Handler] = ["in_process", "shipped", "delivered", "returned", "cancelled"]
    for handler in handlers:
        assert await api.process_order(order_id, handler) == {"ok": True}
        now = await api.get_order(order_id)
        assert now["shipping_status"] == handler
    assert now["shipping_status_text"] == "Comanda anulata"
    assert now["date_shipped"]
    assert now["date_delivered"]
    await api.change_order(order_id, {"invoice": None})  # type: ignore[typeddict-unknown-key]  # the sandbox lets it
    assert await api.process_order(order_id, "create_invoice") == {"ok": True}
    invoice = (await api.get_order(order_id))["invoice"]
    assert invoice is not None
    assert invoice.keys() == {"prefix", "number", "app", "cancelled", "url"}
    assert await api.delete_order(order_id) == {"ok": True}
    with pytest.raises(RefusedError, match=r"answered 404.*not_found") as gone:
        await api.get_order(order_id)
    assert gone.value.status == 404
    assert set(handlers) | {"create_invoice"} == set(HANDLERS)


async def test_products_are_listed_as_the_orders_name_them(api: MerchantProApi) -> None:
    plain = await api.list_products(start=40)
    assert plain["meta"]["count"] == {"total": PRODUCTS, "current": 5, "start": 40, "limit": 100}
    assert "variants" not in plain["data"][0]
    products = {row["id"]: row for row in (await api.list_products(include=["variants", "images"]))["data"]}
    assert len(products) == PRODUCTS
    lines = [
        line
        for order in (await api.list_orders(include=["line_items"]))["data"]
        for line in order["line_items"] or ()
    ]
    with_variants = 0
    for line in lines:
        product = products[int(line["product_id"] or 0)]
        assert (product["sku"], product["name"]) == (line["product_sku"], line["product_name"])
        assert [image["url"] for image in product["images"] or ()] == [line["product_image_url"]]
        if "variant_id" in line:
            with_variants += 1
            assert line["variant_id"] in [variant["id"] for variant in product["variants"] or ()]
    assert with_variants


async def test_an_unknown_filter_of_products_is_refused() -> None:
    async with shop() as transport:
        response = await transport.send(Request("GET", "/api/v2/products", {"sku": "x"}, is_repeatable=True))
    assert (response.status, b"undefined_filter" in response.body) == (400, True)


async def test_a_look_at_the_shop_finds_it_as_documented() -> None:
    async with shop() as transport:
        findings = await CONNECTOR.examine(transport)
    assert [(finding.question, finding.text) for finding in findings if finding.verdict != "good"] == []
    assert len(findings) == 7


async def test_a_look_at_an_empty_shop_assumes_what_it_can_t_see() -> None:
    async with shop(orders=0) as transport:
        findings: dict[str, Finding] = {each.question: each for each in await CONNECTOR.examine(transport)}
    seen = {question: finding.verdict for question, finding in findings.items()}
    assert set(seen.values()) == {"good", "assumed"}
    assert seen["created_after"] == "assumed"


# Routes


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Job]:
    """A sandbox of its own: these routes change or delete the shop's orders."""
    with stage(orders=ORDERS, products=PRODUCTS) as found:
        yield Job(tmp_path, found)


def processed(job: Job, handlers: str) -> Job:
    """Every order through the handlers that the expression gives."""
    job.with_mapper(f"def mark(record, context):\n    return {handlers}\n")
    job.routes["mark"] = {
        "source": "old.orders",
        "target": "old.processing",
        "mapper": "mappers.py:mark",
        "mode": "update",
    }
    return job


def test_orders_are_marked_and_their_invoices_made(fresh: Job) -> None:
    job = processed(
        fresh,
        "[{'id': record['id'], 'handler': each} for each in ('in_process', 'create_invoice', 'delivered')]",
    )
    invoices = sum(1 for row in job.stage.orders if row["invoice"] and not row["invoice"]["cancelled"])
    ended = job.run()
    assert ended.code == 0, ended.told
    assert ended.counts("mark") == {"read": ORDERS, "written": ORDERS}
    rows = job.stage.rows("orders")
    assert {row["shipping_status"] for row in rows} == {"delivered"}
    assert all(row["invoice"] and not row["invoice"]["cancelled"] for row in rows)
    # An order that has an invoice gets no second one, whoever asks for it again.
    assert invoices > 0
    assert job.stage.count("merchantpro", "PATCH handler") == 3 * ORDERS - invoices
    job.run("--fresh", "--yes")
    assert job.stage.count("merchantpro", "PATCH handler") == 5 * ORDERS - invoices


def test_a_filtered_list_may_shrink_while_its_orders_are_marked(fresh: Job) -> None:
    job = processed(fresh, "{'id': record['id'], 'handler': 'returned'}")
    job.routes["mark"]["where"] = {"shipping_status": "delivered"}
    delivered = {row["id"] for row in job.stage.orders if row["shipping_status"] == "delivered"}
    returned = {row["id"] for row in job.stage.orders if row["shipping_status"] == "returned"}
    ended = job.run()
    assert ended.code == 0, ended.told
    assert ended.counts("mark") == {"read": len(delivered), "written": len(delivered)}
    now = {row["id"]: row["shipping_status"] for row in job.stage.rows("orders")}
    assert {order for order, status in now.items() if status == "returned"} == delivered | returned


@pytest.mark.parametrize("handler", ["shipped", "create_invoice"])
def test_a_lost_answer_to_a_handler_is_settled_by_the_orders(fresh: Job, handler: str) -> None:
    """What took effect is not done again, what did not is; an invoice is made once."""
    orders = [row["id"] for row in fresh.stage.orders]
    nothing_yet: Row = {"shipping_status": "awaiting", "invoice": None}
    fresh.stage.change(list="orders", update={str(order): nothing_yet for order in orders})
    job = processed(fresh, f"{{'id': record['id'], 'handler': '{handler}'}}")
    for fault in ("error-502-after", "dropped-after", "error-502-before"):
        # Scattered: many in a row would rest the host for minutes.
        job.stage.add_fault(fault, api="merchantpro", methods=["PATCH"], times=4, share=0.1)
    ended = job.run()
    assert ended.code == 0, ended.told
    assert ended.counts("mark") == {"read": ORDERS, "written": ORDERS}
    assert {row["_writes"] for row in job.stage.rows("orders")} == {2}
    assert job.stage.stats()["merchantpro"]["faults"] == {
        "error-502-after": 4, "dropped-after": 4, "error-502-before": 4,
    }  # fmt: skip
    assert job.stage.count("merchantpro", "PATCH handler") == ORDERS + 4


def test_processing_rejects_what_names_no_handler_or_order(fresh: Job) -> None:
    job = processed(
        fresh, "{'id': 7, 'handler': 'shipped'} if record['id'] == FIRST else {'handler': 'shipped'}"
    )
    first = fresh.stage.orders[0]["id"]
    text = (job.folder / "mappers.py").read_text()
    (job.folder / "mappers.py").write_text(f"FIRST = {first!r}\n{text}")
    ended = job.run()
    assert ended.code == 3, ended.told
    causes = {source_id: cause for (_, source_id), (_, cause, _) in job.failures().items()}
    assert causes.pop(str(first)) == "not-found"
    assert len(causes) == ORDERS - 1
    assert set(causes.values()) == {"no-key"}
    assert job.stage.written() == 0


def test_processing_takes_mode_update_alone(job: Job) -> None:
    processed(job, "None")
    del job.routes["mark"]["mode"]
    ended = job.run()
    assert ended.code == 2
    assert "routes.mark.mode: old.processing takes update, not upsert" in ended.stderr


def test_orders_that_a_filter_names_are_deleted(fresh: Job) -> None:
    fresh.with_mapper("def all_of_it(record, context):\n    return record\n")
    fresh.routes["clear"] = {
        "source": "old.orders",
        "target": "old.orders",
        "mapper": "mappers.py:all_of_it",
        "mode": "delete",
        "where": {"shipping_status": "cancelled"},
    }
    gone = {row["id"] for row in fresh.stage.orders if row["shipping_status"] == "cancelled"}
    fresh.stage.add_fault("dropped-after", api="merchantpro", methods=["DELETE"], times=2)
    ended = fresh.run()
    assert ended.code == 0, ended.told
    # Deletions whose answer was lost are sent again, and find nothing.
    assert ended.counts("clear") in [
        {"read": len(gone), "written": len(gone) - lost, "unchanged": lost} for lost in (1, 2)
    ]
    assert len(gone) > 3
    left = {row["id"] for row in fresh.stage.rows("orders")}
    assert left == {row["id"] for row in fresh.stage.orders} - gone


def test_orders_are_created_once_and_found_again_by_their_external_number(fresh: Job) -> None:
    fresh.with_mapper(
        "def order(record, context):\n"
        "    line = {'product_id': int(record['store_id']), 'quantity': 1}\n"
        "    return {'channel_ref_id': 'T-' + record['id'], 'customer_note': 'cadou', 'line_items': [line]}\n"
    )
    fresh.routes["back"] = {"source": "sizing.products", "target": "old.orders", "mapper": "mappers.py:order"}
    for fault in ("error-502-after", "dropped-after", "error-502-before"):
        fresh.stage.add_fault(fault, api="merchantpro", methods=["POST"], times=2)
    ended = fresh.run()
    assert ended.code == 0, ended.told
    assert ended.counts("back") == {"read": PRODUCTS, "written": PRODUCTS}
    made = [row["channel_ref_id"] for row in fresh.stage.rows("orders") if row["id"] not in known(fresh)]
    assert sorted(made) == sorted("T-" + row["id"] for row in fresh.stage.products)
    again = Job(fresh.folder, fresh.stage, name="again", routes=fresh.routes)
    ended = again.run()
    assert ended.counts("back") == {"read": PRODUCTS, "unchanged": PRODUCTS}


def known(job: Job) -> set[Any]:
    return {row["id"] for row in job.stage.orders}


def test_the_products_of_all_orders_are_created_at_the_sizing_service(fresh: Job) -> None:
    fresh.with_mapper(
        "def product(record, context):\n"
        "    return {'store_id': str(record['id']), 'name': record['name'], 'tags': [record['category']],\n"
        "            'image_url': record['image'], 'type': 'clothes'}\n"
    )
    fresh.stage.change(list="robosize-products", delete=[row["id"] for row in fresh.stage.products])
    fresh.routes["products"] = {
        "source": "old.ordered-products",
        "target": "sizing.products",
        "mapper": "mappers.py:product",
        "mode": "create",
    }
    lines = [line for row in fresh.stage.orders for line in row["line_items"]]
    named = {str(line["product_id"]): line for line in lines}
    ended = fresh.run()
    assert ended.code == 0, ended.told
    assert ended.counts("products") == {"read": len(named), "written": len(named)}
    rows = fresh.stage.rows("robosize-products")
    assert sorted(row["store_id"] for row in rows) == sorted(named)
    for row in rows:
        line = named[row["store_id"]]
        assert (row["name"], row["tags"]) == (line["product_name"], [{"name": line["category_name"]}])


def test_the_shop_s_own_products_are_moved(fresh: Job) -> None:
    fresh.with_mapper(
        "def product(record, context):\n"
        "    return {'store_id': str(record['id']), 'name': record['name'] + '!', 'tags': [],\n"
        "            'image_url': record['images'][0]['url'], 'type': 'clothes'}\n"
    )
    fresh.routes["products"] = {
        "source": "old.products",
        "target": "sizing.products",
        "mapper": "mappers.py:product",
        "mode": "update",
    }
    ended = fresh.run()
    assert ended.code == 0, ended.told
    assert ended.counts("products") == {"read": PRODUCTS, "written": PRODUCTS}
    assert all(row["name"].endswith("!") for row in fresh.stage.rows("robosize-products"))


def test_orders_are_created_in_a_shop_that_holds_many_and_lost_answers_settled(tmp_path: Path) -> None:
    """Orders of one second come in no stable order: the shop's list is read along its dates, as a source's is."""
    with stage(orders=700, products=PRODUCTS) as found:
        job = Job(tmp_path, found).with_mapper(
            "def order(record, context):\n"
            "    return {'channel_ref_id': f'N-{record[\"id\"]}', 'line_items': [{'product_id': 1}]}\n"
        )
        job.routes["create"] = {
            "source": "sizing.products",
            "target": "old.orders",
            "mapper": "mappers.py:order",
            "mode": "create",
        }
        found.add_fault("dropped-after", api="merchantpro", methods=["POST"], times=3)
        found.add_fault("dropped", api="merchantpro", methods=["POST"], times=3)
        ended = job.run()
        assert ended.code == 0, ended.told
        assert ended.counts("create") == {"read": PRODUCTS, "written": PRODUCTS}
        keys = [row["channel_ref_id"] for row in found.rows("orders") if row.get("channel_ref_id")]
        ours = [key for key in keys if key.startswith("N-")]
        assert len(ours) == len(set(ours)) == PRODUCTS


def test_orders_that_are_dated_far_ahead_are_found_again(fresh: Job) -> None:
    job = fresh.with_mapper(
        "def order(record, context):\n"
        "    return {'channel_ref_id': f'N-{record[\"id\"]}', 'date_created': '2099-01-01T00:00:00+02:00',"
        " 'line_items': [{'product_id': 1}]}\n"
    )
    job.routes["create"] = {"source": "sizing.products", "target": "old.orders", "mapper": "mappers.py:order"}
    job.stage.add_fault("dropped-after", api="merchantpro", methods=["POST"], times=3)
    job.run("--limit", "1")
    ended = job.run()
    assert ended.code == 0, ended.told
    again = job.run("--fresh", "--yes")
    assert again.counts("create").get("written", 0) == 0
    keys = [row["channel_ref_id"] for row in job.stage.rows("orders") if row.get("channel_ref_id")]
    ours = [key for key in keys if key.startswith("N-")]
    assert len(ours) == len(set(ours)) == PRODUCTS
