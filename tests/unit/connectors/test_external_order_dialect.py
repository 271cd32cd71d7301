"""How one host spells and pages, translated at the border in both directions."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import orjson
import pytest

from bulkmove.connectors.external_order import CONNECTOR
from bulkmove.connectors.external_order.dialect import Dialect, headers_for
from bulkmove.connectors.external_order.types import OrderStatus
from bulkmove.connectors.scripted import answer
from bulkmove.errors import ConfigError
from bulkmove.model import PageQuery, Verdict, WriteItem

Make = Callable[..., Any]
SAMPLES = Path(__file__).parents[3] / "samples" / "documents" / "external-order"
(DOCUMENTED,) = json.loads(next(SAMPLES.glob("*-upsert-orders.request.json")).read_text())["body"]
TOGETHER: dict[str, Any] = {
    "orderid": 294,
    "rrn": "999999",
    "shop": 2,
    "promocode": 1,
    "orderitems": [
        {"orderid": 12, "orderstatus": "done", "loyaltyprice": 88, "quantity": 1000, "product": 104392}
    ],
    "address": {
        "addressid": 236154,
        "addressru": "testru",
        "zipcode": 2068,
        "regionid": 101,
        "localityid": 63933,
        "sector": 11,
    },
}
HOST = {"options": {"spelling": "run-together"}}
DIALECT = Dialect(is_underscored=False)


def test_the_documented_order_is_spelled_both_ways() -> None:
    assert DIALECT.written(DOCUMENTED) == TOGETHER
    assert DIALECT.read(TOGETHER) == DOCUMENTED


def test_an_underscored_host_costs_no_copy() -> None:
    plain = Dialect()
    params = {"created_after": "5"}
    assert plain.written(DOCUMENTED) is DOCUMENTED
    assert plain.read(DOCUMENTED) is DOCUMENTED
    assert plain.asked(params) is params


@pytest.mark.parametrize("status", get_args(OrderStatus))
def test_every_status_comes_back_as_it_went(status: str) -> None:
    body = {"order_items": [{"order_status": status}]}
    sent = DIALECT.written(body)
    assert "_" not in orjson.dumps(sent).decode()
    assert DIALECT.read(sent) == body


def test_only_names_and_statuses_are_translated() -> None:
    row = {"rrn": "order_id", "address": {"addressru": "zip_code incollection"}, "own_field": Decimal("1.50")}
    assert DIALECT.read(row) == {**row, "address": {"address_ru": "zip_code incollection"}}
    assert DIALECT.read([None, 5, "orderid"]) == [None, 5, "orderid"]


def test_names_within_a_query_s_values_are_translated_too() -> None:
    asked = DIALECT.asked({"ordering": "-created_at,rrn", "status": "in_collection,done", "page_size": "5"})
    assert asked == {"ordering": "-createdat,rrn", "status": "incollection,done", "page_size": "5"}


def test_numbered_pages_start_at_multiples_alone() -> None:
    assert Dialect(is_numbered=False).page(limit=7, offset=10) == {"limit": "7", "offset": "10"}
    assert Dialect().page(limit=5, offset=10) == {"page": "3", "page_size": "5"}
    with pytest.raises(ValueError, match="can't start at 10"):
        Dialect().page(limit=7, offset=10)


# Through the streams


async def test_rows_of_a_run_together_host_are_read_underscored(transport: Make, route: Make) -> None:
    to = transport(answer(200, {"count": 1, "next": None, "results": [{**TOGETHER, "createdat": 7}]}), **HOST)
    where = {"created_after": "5", "status": "in_collection"}
    page = await CONNECTOR.source("orders", to, route(where=where)).fetch(PageQuery(10))
    assert to.requests[0].params == {
        "ordering": "createdat",
        "createdafter": "5",
        "status": "incollection",
        "page": "1",
        "page_size": "10",
    }
    (record,) = page.records
    assert (record.id, record.key, record.data) == ("294", 7, {**DOCUMENTED, "created_at": 7})


async def test_rows_in_another_spelling_than_is_set_name_the_setting(transport: Make, route: Make) -> None:
    to = transport(answer(200, {"count": 1, "next": None, "results": [TOGETHER]}))
    with pytest.raises(ConfigError, match=r'set hosts\.shop\.options\.spelling = "run-together"'):
        await CONNECTOR.source("orders", to, route()).fetch(PageQuery(10))


async def test_creates_are_sent_and_answered_run_together(transport: Make, route: Make, item: Make) -> None:
    bodies = [{**DOCUMENTED, "rrn": rrn} for rrn in ("a", "b")]
    for body in bodies:
        del body["order_id"]
    to = transport(answer(201, [{"orderid": 8, "rrn": "b"}, {"orderid": 7, "rrn": "a"}]), **HOST)
    results = await CONNECTOR.target("orders", to, route()).write([item(body) for body in bodies])
    assert [(result.verdict, result.target_id) for result in results] == [
        (Verdict.WRITTEN, "7"),
        (Verdict.WRITTEN, "8"),
    ]
    sent = orjson.loads(to.requests[0].body)
    rest = {name: value for name, value in TOGETHER.items() if name != "orderid"}
    assert sent == [{**rest, "rrn": "a"}, {**rest, "rrn": "b"}]


async def test_an_update_carries_the_ids_of_a_run_together_row(
    transport: Make, route: Make, item: Make
) -> None:
    line = {"product": 104392, "quantity": 5, "order_status": "in_collection"}
    to = transport(answer(200, TOGETHER), answer(200, [TOGETHER]), **HOST)
    (result,) = await CONNECTOR.target("orders", to, route()).write([item({"order_items": [line]}, "294")])
    assert (result.verdict, result.target_id) == (Verdict.WRITTEN, "294")
    assert orjson.loads(to.requests[1].body) == [
        {
            "orderid": 294,
            "orderitems": [{"orderid": 12, "product": 104392, "quantity": 5, "orderstatus": "incollection"}],
        }
    ]


async def test_a_run_together_row_that_holds_the_body_is_left_alone(
    transport: Make, route: Make, item: Make
) -> None:
    to = transport(answer(200, TOGETHER), **HOST)
    (result,) = await CONNECTOR.target("orders", to, route()).write(
        [item({"promo_code": 1, "address": {"zip_code": "2068"}}, "294")]
    )
    assert (result.verdict, len(to.requests)) == (Verdict.UNCHANGED, 1)


async def test_updates_that_replace_name_their_order_run_together(transport: Make, route: Make) -> None:
    host = {"options": {"spelling": "run-together", "items_on_update": "replace"}}
    to = transport(answer(200, [TOGETHER]), **host)
    item = WriteItem("294", {"promo_code": 3}, b'{"promo_code":3}')
    await CONNECTOR.target("orders", to, route()).write([item])
    assert to.requests[0].body == b'[{"orderid":294,"promocode":3}]'


async def test_numbers_that_no_double_holds_travel_run_together_too(transport: Make, route: Make) -> None:
    price = Decimal("0.12345678901234567")
    item = WriteItem(None, {"order_items": [{"loyalty_price": price}]}, b"not looked at")
    to = transport(answer(201, [{"orderid": 1}]), **HOST)
    await CONNECTOR.target("orders", to, route()).write([item])
    assert to.requests[0].body == b'[{"orderitems":[{"loyaltyprice":0.12345678901234567}]}]'


async def test_offsets_can_overlap_where_the_host_takes_them(transport: Make, route: Make) -> None:
    to = transport(answer(200, {"count": 0, "next": None, "results": []}), options={"paging": "limit-offset"})
    source = CONNECTOR.source("orders", to, route())
    assert source.listing.can_overlap
    await source.fetch(PageQuery(100, offset=99))
    assert to.requests[0].params == {"ordering": "created_at", "limit": "100", "offset": "99"}


async def test_all_requests_ask_for_the_language_that_is_set(
    transport: Make, route: Make, item: Make
) -> None:
    row = {**DOCUMENTED, "order_id": 7}
    to = transport(answer(200, []), answer(200, row), answer(200, [row]), options={"language": "ru"})
    await CONNECTOR.source("regions", to, route()).fetch(PageQuery(10))
    await CONNECTOR.target("orders", to, route()).write([item({"rrn": "other"}, "7")])
    assert len(to.requests) == 3
    assert {request.headers["Accept-Language"] for request in to.requests} == {"ru"}


@pytest.mark.parametrize("language", ["", "ro\r\nX: 1", 7, " "])
def test_what_names_no_language_is_refused(transport: Make, language: object) -> None:
    with pytest.raises(ConfigError, match=r"options\.language: must be text that names a language"):
        headers_for(transport(options={"language": language}).host)
