"""The products of a MerchantPro shop: its own list, and those that its orders name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bulkmove.connectors.merchantpro import CONNECTOR
from bulkmove.connectors.scripted import answer
from bulkmove.errors import BadAnswerError, ConfigError
from bulkmove.model import PageQuery, Record

Make = Callable[..., Any]
DOCUMENTS = Path(__file__).parents[3] / "samples" / "documents" / "merchantpro"
LINE = {
    "product_id": 259, "product_sku": "S-1", "product_ean": "756", "product_name": "Sandal",
    "product_url": "https://shop.example/259", "product_image_url": "https://cdn.example/259.jpg", "category_id": 18,
    "category_name": "Sandale", "quantity": 2,
}  # fmt: skip


def derived(*lines: Any) -> list[Record]:
    derive = CONNECTOR.streams["ordered-products"].derive
    assert derive is not None
    return list(derive(Record("1", 5, "v", {"id": 1, "line_items": list(lines)})))


def documented(name: str) -> Record:
    order = json.loads((DOCUMENTS / f"{name}.response.json").read_text())["body"]
    return Record(str(order["id"]), None, None, order)


async def test_products_are_asked_for_with_what_belongs_to_them(
    transport: Make, route: Make, merchantpro_page: Make
) -> None:
    to = transport(merchantpro_page({"id": 41, "sku": "x"}, {"id": None}, None, total=250, next_link="/n"))
    source = CONNECTOR.source("products", to, route())
    page = await source.fetch(PageQuery(50, offset=100))
    (request,) = to.requests
    assert (request.method, request.path) == ("GET", "/api/v2/products")
    assert request.params == {"include": "variants,images", "start": "100", "limit": "50"}
    assert [(record.id, record.key, record.version) for record in page.records] == [
        ("41", None, None), (None, None, None), (None, None, None),
    ]  # fmt: skip
    assert (page.total, page.has_next) == (250, True)
    assert (source.listing.reading, source.listing.page_limit) == ("passes", 100)


async def test_a_shop_without_a_list_of_products_says_what_to_do(transport: Make, route: Make) -> None:
    source = CONNECTOR.source("products", transport(answer(404, b"<html>")), route())
    with pytest.raises(ConfigError, match=r"hosts\.shop\.paths\.products, or read shop\.ordered-products"):
        await source.fetch(PageQuery(1))


@pytest.mark.parametrize("given", [answer(200, {"ok": True}), answer(400, {"error": {"name": "no"}})])
async def test_anything_but_a_list_of_products_is_named(transport: Make, route: Make, given: Any) -> None:
    source = CONNECTOR.source("products", transport(given), route())
    with pytest.raises(BadAnswerError, match=r"GET /api/v2/products answered \d+ without a list of products"):
        await source.fetch(PageQuery(1))


def test_products_take_no_filters(transport: Make, route: Make) -> None:
    with pytest.raises(ConfigError, match="takes no filters"):
        CONNECTOR.source("products", transport(answer()), route(where={"sku": "x"}))


async def test_the_products_of_orders_are_asked_for_by_their_lines_alone(
    transport: Make, route: Make, merchantpro_page: Make
) -> None:
    to = transport(merchantpro_page())
    source = CONNECTOR.source("ordered-products", to, route(where={"shipping_status": "delivered"}))
    await source.fetch(PageQuery(100))
    assert source.listing.reading == "keyset"
    assert to.requests[0].params == {
        "sort": "date_created", "include": "line_items", "fields": "id,date_created,date_modified,line_items",
        "shipping_status": "delivered", "start": "0", "limit": "100",
    }  # fmt: skip


def test_a_line_becomes_the_product_that_it_names() -> None:
    (record,) = derived(LINE)
    assert record == Record(
        "259", None, None,
        {
            "id": 259, "sku": "S-1", "ean": "756", "name": "Sandal", "url": "https://shop.example/259",
            "image": "https://cdn.example/259.jpg", "category_id": 18, "category": "Sandale",
        },
    )  # fmt: skip


def test_a_product_is_one_row_whatever_its_variants() -> None:
    small = {**LINE, "variant_id": 1001, "family_sku": "S", "product_sku": "S-36", "product_ean": "36"}
    large = {**small, "variant_id": 1002, "product_sku": "S-41", "product_ean": "41"}
    (record,) = derived(small, large)
    assert record.id == "259"
    assert (record.data["sku"], record.data["variant_id"], record.data["ean"]) == ("S", 1001, "36")


def test_a_variant_without_a_family_shows_its_own_number() -> None:
    (record,) = derived({**LINE, "variant_id": 1001, "family_sku": None})
    assert record.data["sku"] == "S-1"


@pytest.mark.parametrize(
    "line", [{}, {"item_type": "discount", "product_id": None}, {"product_id": 0}, {"product_id": ""}, None, "x",
             {"product_id": [1]}],
)  # fmt: skip
def test_a_line_that_names_no_product_is_left_out(line: Any) -> None:
    assert [record.id for record in derived(line, LINE)] == ["259"]


@pytest.mark.parametrize("order", [{}, {"line_items": None}, {"line_items": {"0": LINE}}, {"row": 7}])
def test_an_order_without_lines_names_none(order: Any) -> None:
    derive = CONNECTOR.streams["ordered-products"].derive
    assert derive is not None
    assert derive(Record("1", None, None, order)) == []


def test_the_documented_orders_name_these_products() -> None:
    derive = CONNECTOR.streams["ordered-products"].derive
    assert derive is not None
    plain, variants = derive(documented("27-get-order")), derive(documented("29-create-order"))
    assert [(r.id, r.data["sku"], r.data["category"]) for r in plain] == [
        ("259", None, "Sandale"), ("260", None, "Sandale"),
    ]  # fmt: skip
    assert [(r.id, r.data["sku"], r.data["variant_id"]) for r in variants] == [
        ("5087", "V01 nude pu", 10004461), ("5088", "JA-1388-C BEIGE 2", 10002901),
    ]  # fmt: skip
