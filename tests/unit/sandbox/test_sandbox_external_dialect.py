"""The external-order API in other dialects: names run together, and pages by limit and offset; both strictly."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest

from bulkmove.sandbox.calls import Answer, Call
from bulkmove.sandbox.external_pages import slice_of
from bulkmove.sandbox.settings import SandboxSettings
from bulkmove.sandbox.world import World, make_world

ORDERS = "/external/external-order/"
LINE = {"product": 104392, "quantity": 2, "orderstatus": "incollection"}
ORDER = {
    "rrn": "order_id",
    "promocode": 1,
    "orderitems": [LINE],
    "address": {"addressru": '"order_id": 5', "zipcode": 7},
}


def world(**settings: Any) -> World:
    return make_world(
        SandboxSettings(**({"orders": 20, "products": 20} | settings)), now=lambda: 1_750_000_000.0
    )


@pytest.fixture
def together() -> World:
    return world(external_spelling="run-together", targets_existing=10)


def ask(on: World, target: str, *, method: str = "GET", body: Any = None) -> Answer:
    encoded = b"" if body is None else orjson.dumps(body)
    call = Call(method, target.partition("?")[0], target, {"Accept-Language": "ro"}, encoded)
    return on.apis["external-order"].answer(call)


def get(on: World, target: str) -> Any:
    return orjson.loads(ask(on, target).body)


def test_rows_are_told_run_together_and_kept_underscored(together: World) -> None:
    told = orjson.loads(ask(together, ORDERS, method="POST", body=[ORDER]).body)[0]
    assert {*told} == {"orderid", "rrn", "shop", "promocode", "orderitems", "address", "createdat"}
    assert told["orderitems"][0]["orderstatus"] == "incollection"
    assert (told["rrn"], told["address"]["addressru"]) == ("order_id", '"order_id": 5')
    kept = together.external_orders.order(told["orderid"])
    assert kept["order_items"][0]["order_status"] == "in_collection"
    assert (kept["promo_code"], kept["address"]["zip_code"]) == (1, 7)
    assert get(together, f"{ORDERS}{told['orderid']}") == told
    assert get(together, f"{ORDERS}{told['orderid']}/address/") == told["address"]


def test_no_name_of_any_list_has_an_underscore(together: World) -> None:
    for name in ("external-order", "shop", "region", "locality", "sector", "product", "promo-code"):
        body = ask(together, f"/external/{name}/").body
        assert not re.findall(rb'"[a-z]+_[a-z_]+":', body), name


def test_underscored_names_are_passed_over_and_seen_in_the_record(together: World) -> None:
    refused = ask(together, ORDERS, method="POST", body=[{"order_items": [LINE]}])
    assert (refused.status, orjson.loads(refused.body)[0].keys()) == (400, {"orderitems"})
    sent = {**ORDER, "order_id": 294, "orderitems": [{**LINE, "loyalty_price": 5}]}
    made = ask(together, ORDERS, method="POST", body=[sent])
    assert made.created == 1
    assert together.external_orders.rows[-1].ignored == (
        "order_id (underscored)",
        "order_items.loyalty_price (underscored)",
    )


def test_an_underscored_status_is_none(together: World) -> None:
    body = [{**ORDER, "orderitems": [{**LINE, "orderstatus": "in_collection"}]}]
    refused = ask(together, ORDERS, method="POST", body=body)
    assert refused.status == 400
    assert orjson.loads(refused.body)[0]["orderitems"][0].keys() == {"orderstatus"}


def test_an_update_names_its_order_run_together(together: World) -> None:
    made = orjson.loads(ask(together, ORDERS, method="POST", body=[ORDER]).body)[0]
    assert ask(together, ORDERS, method="POST", body=[{"orderid": made["orderid"], "shop": 3}]).updated == 1
    assert together.external_orders.order(made["orderid"])["shop"] == 3


def test_only_run_together_filters_take_effect(together: World) -> None:
    assert get(together, f"{ORDERS}?createdafter=1800000000")["count"] == 0
    assert get(together, f"{ORDERS}?created_after=1800000000")["count"] == 10
    newest = get(together, f"{ORDERS}?ordering=-createdat&page_size=1")["results"][0]["orderid"]
    oldest = get(together, f"{ORDERS}?ordering=-created_at&page_size=1")["results"][0]["orderid"]
    assert newest == oldest + 9
    ask(together, ORDERS, method="POST", body=[ORDER])
    assert get(together, f"{ORDERS}?status=incollection")["count"] == 1
    assert get(together, f"{ORDERS}?status=in_collection")["count"] == 0
    every = get(together, "/external/locality/")["count"]
    assert 0 < get(together, "/external/locality/?regionid=101")["count"] < every
    assert get(together, "/external/locality/?region_id=101")["count"] == every


def test_an_underscored_server_knows_no_other_spelling() -> None:
    plain = world(targets_existing=3)
    assert get(plain, f"{ORDERS}?createdafter=1800000000")["count"] == 3
    assert ask(plain, ORDERS, method="POST", body=[ORDER]).status == 400


# Paging


@pytest.fixture
def offsets() -> World:
    return world(external_paging="limit-offset", targets_existing=10)


@pytest.mark.parametrize("path", [ORDERS, "/external/region/"])
def test_limit_and_offset_are_heeded_and_page_is_not(offsets: World, path: str) -> None:
    every = [next(iter(row.values())) for row in get(offsets, f"{path}?limit=100")["results"]]
    shown = get(offsets, f"{path}?limit=3&offset=4&page=2&page_size=1")
    assert [next(iter(row.values())) for row in shown["results"]] == every[4:7]
    assert (shown["next"].partition("?")[2], shown["previous"].partition("?")[2]) == (
        "page=2&page_size=1&limit=3&offset=7",
        "page=2&page_size=1&limit=3&offset=1",
    )
    last = get(offsets, f"{path}?limit=3&offset={len(every) - 1}")
    assert (len(last["results"]), last["next"]) == (1, None)
    assert get(offsets, f"{path}?limit=3&offset=5000")["results"] == []


def test_descending_offsets_count_from_the_newest(offsets: World) -> None:
    def ids(query: str) -> list[int]:
        return [row["order_id"] for row in get(offsets, f"{ORDERS}?{query}")["results"]]

    assert ids("ordering=-created_at&limit=3&offset=2") == ids("limit=10")[::-1][2:5]


def test_pages_are_heeded_and_offsets_are_not() -> None:
    plain = world(targets_existing=10)
    assert len(get(plain, f"{ORDERS}?limit=3&offset=4")["results"]) == 10


@pytest.mark.parametrize(
    ("query", "places"),
    [("", (0, 100)), ("limit=0", (0, 100)), ("limit=9000", (0, 5000)), ("limit=x&offset=-5", (0, 100))],
)
def test_odd_sizes_fall_back(query: str, places: tuple[int, int]) -> None:
    at = slice_of(Call("GET", "/", f"/?{query}", {}), 6000, "limit-offset")
    assert at is not None
    assert (at.begin, at.end) == places
