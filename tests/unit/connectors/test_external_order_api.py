"""Every documented call of the external-order API, as its typed method sends it and gives its answer back."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, get_args

import orjson
import pytest

from bulkmove.connectors.external_order import CONNECTOR
from bulkmove.connectors.external_order.api import ExternalOrderApi
from bulkmove.connectors.external_order.types import OrderStatus
from bulkmove.connectors.scripted import ScriptedTransport, answer
from bulkmove.errors import BadAnswerError, ConfigError, RefusedError
from bulkmove.model import Response

Make = Callable[..., Any]
DOCUMENTS = Path(__file__).parents[3] / "samples" / "documents"
PAGE = {"page": "1", "page_size": "100"}
ROWS = {"count": 7, "next": "https://shop.example/?page=2", "previous": None, "results": [{"id": 1}]}


def shown(operation: str) -> dict[str, Any]:
    (path,) = DOCUMENTS.glob(f"external-order/*-{operation}.request.json")
    sample: dict[str, Any] = json.loads(path.read_text())
    return sample


@pytest.fixture
def opened(transport: Make) -> Callable[..., tuple[ExternalOrderApi, ScriptedTransport]]:
    def make(given: Response, **host: Any) -> Any:
        to = transport(given, **host)
        return ExternalOrderApi(to), to

    return make


# Method, the sample that the document shows of its call, and the query beside the page.
LISTS: list[tuple[str, str, Callable[[ExternalOrderApi], Awaitable[Any]], dict[str, str]]] = [
    ("list-stores", "list-stores", lambda api: api.stores(), {}),
    ("list-group-stores", "list-stores-of-group", lambda api: api.stores_of_group(3), {"group": "3"}),
    ("list-regions", "list-regions", lambda api: api.regions(), {}),
    ("list-localities", "list-localities-of-region", lambda api: api.localities(101), {"region_id": "101"}),
    ("list-sectors", "list-sectors", lambda api: api.sectors(), {}),
    ("search-products", "search-product", lambda api: api.products("AB-1"), {"search": "AB-1"}),
    (
        "list-orders",
        "list-orders",
        lambda api: api.orders(ordering="-created_at", created_after=1741710342),
        {"ordering": "-created_at", "created_after": "1741710342"},
    ),
    (
        "list-orders",
        "list-orders-filter-status",
        lambda api: api.orders(created_after=123456, status=("new", "done")),
        {"created_after": "123456", "status": "new,done"},
    ),
    ("search-orders", "search-order", lambda api: api.search_orders(294), {"search": "294"}),
    ("list-promo-codes", "list-promo-codes", lambda api: api.promo_codes(), {}),
]


@pytest.mark.parametrize(("name", "sample", "ask", "query"), LISTS, ids=[each[1] for each in LISTS])
async def test_a_list_is_asked_for_as_documented_and_given_back_as_a_page(
    opened: Make, name: str, sample: str, ask: Callable[[ExternalOrderApi], Awaitable[Any]], query: Any
) -> None:
    api, to = opened(answer(200, ROWS))
    page = await ask(api)
    assert (page.rows, page.total, page.has_next) == ([{"id": 1}], 7, True)
    (request,) = to.requests
    wanted = shown(sample)
    assert (request.method, request.path) == (wanted["method"], wanted["path"].rstrip("/") + "/")
    assert request.params == {**query, **PAGE}
    assert query.keys() == wanted.get("query", {}).keys()
    assert request.is_repeatable
    assert CONNECTOR.paths[CONNECTOR.operations[name].path] == request.path


async def test_sectors_may_be_asked_for_by_settlement(opened: Make) -> None:
    api, to = opened(answer(200, []))
    page = await api.sectors(63933, page=3, page_size=20)
    assert to.requests[0].params == {"locality_id": "63933", "page": "3", "page_size": "20"}
    assert (page.rows, page.total, page.has_next) == ([], None, None)


@pytest.mark.parametrize(
    ("sample", "ask"),
    [
        ("get-order", lambda api: api.order(294)),
        ("get-order-address", lambda api: api.address("294")),
    ],
)
async def test_one_row_is_asked_for_by_its_id(
    opened: Make, sample: str, ask: Callable[[ExternalOrderApi], Awaitable[Any]]
) -> None:
    api, to = opened(answer(200, {"address_id": 5}))
    assert await ask(api) == {"address_id": 5}
    wanted = shown(sample)
    assert (to.requests[0].method, to.requests[0].path) == (
        wanted["method"],
        wanted["path"].replace("{id}", "294"),
    )


async def test_a_line_is_deleted_by_its_own_id_and_may_be_asked_for_twice(opened: Make) -> None:
    api, to = opened(answer(204, b""))
    await api.delete_order_item(12)
    wanted = shown("delete-order-item")
    (request,) = to.requests
    assert (request.method, request.path) == (wanted["method"], wanted["path"].replace("{id}", "12"))
    assert request.body is None
    assert request.is_repeatable


async def test_the_documented_body_is_sent_to_the_letter_and_only_once(opened: Make) -> None:
    wanted = shown("upsert-orders")
    api, to = opened(answer(200, wanted["body"]))
    assert await api.upsert(wanted["body"]) == wanted["body"]
    (request,) = to.requests
    assert (request.method, request.path) == (wanted["method"], wanted["path"])
    assert json.loads(request.body) == wanted["body"]
    assert request.headers["Content-Type"] == "application/json"
    assert not request.is_repeatable


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        ({"order_id": 9}, [{"order_id": 9}]),
        ({"count": 1, "next": None, "results": [{"order_id": 9}]}, [{"order_id": 9}]),
        ({"ok": True}, []),
        (b"", []),
    ],
)
async def test_an_upsert_gives_the_rows_that_its_answer_shows(opened: Make, body: Any, rows: Any) -> None:
    api, _ = opened(answer(201, body))
    assert await api.upsert([{"shop": 2, "order_items": [{"product": 1, "quantity": 1}]}]) == rows


async def test_what_is_refused_is_named_with_its_status(opened: Make) -> None:
    api, _ = opened(answer(404, {"detail": "Not found."}))
    with pytest.raises(RefusedError, match=r"shop: DELETE .*/12/ answered 404") as error:
        await api.delete_order_item(12)
    assert error.value.status == 404


@pytest.mark.parametrize(
    ("ask", "path"),
    [(lambda api: api.regions(), "regions"), (lambda api: api.address(1), "address")],
)
async def test_an_answer_of_another_shape_names_the_path_to_check(
    opened: Make, ask: Callable[[ExternalOrderApi], Awaitable[Any]], path: str
) -> None:
    api, _ = opened(answer(200, "text"))
    with pytest.raises(BadAnswerError, match=rf"check hosts\.shop\.paths\.{path}"):
        await ask(api)


async def test_an_id_can_t_name_another_path(opened: Make) -> None:
    api, to = opened(answer(200, {}))
    for row_id in ("..", "../x", "a/b"):
        with pytest.raises(ConfigError, match=r"can.t stand in (the|a) path"):
            await api.order(row_id)
    assert not to.requests


async def test_paths_can_be_set_each_for_itself(opened: Make) -> None:
    api, to = opened(answer(200, []), paths={"group-stores": "/external/group/shops/"})
    await api.stores_of_group(1)
    await api.stores()
    assert [request.path for request in to.requests] == ["/external/group/shops/", "/external/shop/"]


async def test_a_run_together_host_is_spoken_to_in_its_own_spelling(opened: Make) -> None:
    row = {"orderid": 294, "orderitems": [{"orderid": 12, "orderstatus": "incollection"}], "createdat": 5}
    api, to = opened(answer(200, [row]), options={"spelling": "run-together"})
    page = await api.orders(
        ordering="-created_at", created_after=5, status=("in_collection", "new"), page_size=7
    )
    assert to.requests[0].params == {
        "ordering": "-createdat",
        "createdafter": "5",
        "status": "incollection,new",
        "page": "1",
        "page_size": "7",
    }
    line = {"order_id": 12, "order_status": "in_collection"}
    assert page.rows == [{"order_id": 294, "order_items": [line], "created_at": 5}]
    await api.localities(101)
    assert to.requests[1].params == {"regionid": "101", **PAGE}
    assert await api.upsert([{"order_id": 294, "order_items": [line]}]) == page.rows
    assert orjson.loads(to.requests[2].body or b"") == [{"orderid": 294, "orderitems": row["orderitems"]}]


async def test_pages_become_offsets_where_the_host_takes_those(opened: Make) -> None:
    api, to = opened(answer(200, []), options={"paging": "limit-offset"})
    await api.promo_codes(page=3, page_size=20)
    assert to.requests[0].params == {"limit": "20", "offset": "40"}


@pytest.mark.parametrize("name", ["spelling", "paging"])
def test_an_unknown_dialect_is_refused(opened: Make, name: str) -> None:
    with pytest.raises(ConfigError, match=rf"hosts\.shop\.options\.{name} = 'odd' is none of"):
        opened(answer(), options={name: "odd"})


def test_every_operation_names_a_path_and_what_stands_in_it() -> None:
    assert {operation.path for operation in CONNECTOR.operations.values()} == CONNECTOR.paths.keys()
    for operation in CONNECTOR.operations.values():
        places = {parameter.name for parameter in operation.parameters if parameter.is_in_path}
        assert places == ({"id"} if "{id}" in CONNECTOR.paths[operation.path] else set())
    writes = {name for name, operation in CONNECTOR.operations.items() if operation.is_write}
    assert writes == {"delete-order-item", "upsert-orders"}


def test_the_statuses_are_the_documented_ones() -> None:
    statuses = json.loads((DOCUMENTS / "statuses.json").read_text())
    assert list(get_args(OrderStatus)) == statuses["external_order"]["order_status"]
