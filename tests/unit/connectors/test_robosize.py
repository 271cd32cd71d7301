from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from bulkmove.connectors.robosize import CONNECTOR
from bulkmove.connectors.scripted import ScriptedTransport, answer
from bulkmove.errors import BadAnswerError, ConfigError, InDoubtError, RequestFailedError
from bulkmove.model import PageQuery, Response, Verdict, WriteItem
from bulkmove.protocols import Target
from bulkmove.settings import Secret

Make = Callable[..., Any]
ORDER = {"store_id": "1001", "device_id": "d", "data": {"total": 0.1}}
PRODUCT = {"name": "Rochie 👗", "store_id": "5", "tags": ["a"], "image_url": "u", "type": "top"}


@pytest.fixture
def open_target(transport: Make, route: Make) -> Callable[..., tuple[Target, ScriptedTransport]]:
    def make(stream: str, *answers: Response | Exception, **settings: Any) -> Any:
        to = transport(*(answers or (answer(),)))
        return CONNECTOR.target(stream, to, route(**settings)), to

    return make


# Reading


@pytest.mark.parametrize(
    ("stream", "path"), [("orders", "/api/v1/business/order/"), ("products", "/api/v1/product/")]
)
async def test_a_list_is_read_by_limit_and_offset(
    transport: Make, route: Make, stream: str, path: str
) -> None:
    rows = [{"id": "a", "store_id": "1"}, {"id": 2}, {"store_id": "3"}]
    to = transport(
        answer(200, {"count": 9, "next": "https://x/?api_key=k", "previous": None, "results": rows}, date=3.0)
    )
    source = CONNECTOR.source(stream, to, route())
    page = await source.fetch(PageQuery(200, offset=37))
    assert (to.requests[0].path, dict(to.requests[0].params)) == (path, {"limit": "200", "offset": "37"})
    assert [record.id for record in page.records] == ["a", "2", None]
    assert [record.data for record in page.records] == rows
    assert {(record.key, record.version) for record in page.records} == {(None, None)}
    assert (page.total, page.has_next, page.date) == (9, True, 3.0)
    assert (source.listing.reading, source.listing.page_limit, source.listing.can_overlap) == (
        "passes",
        200,
        True,
    )


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (answer(404, b"<html>"), ConfigError),
        (answer(400, {}), BadAnswerError),
        (answer(200, []), BadAnswerError),
        (answer(200, {"results": 5}), BadAnswerError),
        (answer(200, b"<html>"), RequestFailedError),
    ],
)
async def test_what_is_no_list_is_an_error(
    transport: Make, route: Make, response: Response, error: Any
) -> None:
    with pytest.raises(error, match="shop"):
        await CONNECTOR.source("products", transport(response), route()).fetch(PageQuery(200))


def test_there_are_no_filters(transport: Make, route: Make) -> None:
    with pytest.raises(
        ConfigError, match=r"'status' is no filter of shop.orders, which takes no filters at all"
    ):
        CONNECTOR.source("products", transport(answer()), route(where={"status": "active"}))


def test_the_key_travels_in_the_query() -> None:
    signature = CONNECTOR.sign({"api_key": Secret("k")})
    assert (dict(signature.params), dict(signature.headers)) == ({"api_key": "k"}, {})
    assert not CONNECTOR.is_passing(answer(400, {}))
    assert CONNECTOR.wait_from_body(answer(429, {})) is None
    assert not CONNECTOR.unconfirmed
    assert all(path.endswith("/") for path in CONNECTOR.paths.values())


# Orders


async def test_an_order_is_created_by_itself(open_target: Make) -> None:
    target, to = open_target(
        "orders", answer(201, {"id": 1, "store_id": "1001", "data": {}, "recommendations": []})
    )
    (result,) = await target.write([WriteItem(None, ORDER, b'{"as":"it is"}')])
    (request,) = to.requests
    assert (request.method, request.path, request.body) == (
        "POST",
        "/api/v1/business/order/",
        b'{"as":"it is"}',
    )
    assert not request.is_repeatable
    assert (result.verdict, result.target_id) == (Verdict.WRITTEN, "1")


@pytest.mark.parametrize(
    "response",
    [
        answer(201, {"store_id": "1001"}),
        answer(200, {"detail": "Created."}),
        answer(207, {"created": 1}),
        answer(200, "Created."),
        answer(200, []),
        answer(200, [{"id": 1}, {"id": 2}]),
        answer(200, b"{"),
        answer(204, b""),
    ],
)
@pytest.mark.parametrize("stream", ["orders", "products"])
async def test_a_creation_without_its_row_is_in_doubt(
    open_target: Make, item: Make, stream: str, response: Response
) -> None:
    with pytest.raises(InDoubtError):
        await open_target(stream, response)[0].write([item(ORDER)])


@pytest.mark.parametrize("body", [{"errors": ["No."]}, {"ok": False, "error": "No."}, [{"errors": "No."}]])
@pytest.mark.parametrize("stream", ["orders", "products"])
async def test_a_creation_that_brings_errors_in_place_of_an_id_is_rejected(
    open_target: Make, item: Make, stream: str, body: Any
) -> None:
    (result,) = await open_target(stream, answer(200, body))[0].write([item(ORDER)])
    assert (result.verdict, result.message) == (Verdict.REJECTED, "the host refused it: No.")


@pytest.mark.parametrize(
    "body", [{"id": 1}, {"id": 1, "store_id": "7"}, {"id": "1", "errors": []}, [{"id": 1}]]
)
@pytest.mark.parametrize("stream", ["orders", "products"])
async def test_what_has_an_id_is_created_whatever_key_it_shows(
    open_target: Make, item: Make, stream: str, body: Any
) -> None:
    (result,) = await open_target(stream, answer(200, body))[0].write([item(ORDER)])
    assert (result.verdict, result.target_id) == (Verdict.WRITTEN, "1")


@pytest.mark.parametrize(
    ("status", "error"),
    [*((n, ConfigError) for n in (404, 405, 410)), *((n, BadAnswerError) for n in (402, 406, 423, 451))],
)
@pytest.mark.parametrize("body", [b"<html>", b'{"detail":"Nope."}'])
@pytest.mark.parametrize("stream", ["orders", "products"])
async def test_a_4xx_that_blames_no_creation_ends_the_run(
    open_target: Make, item: Make, stream: str, status: int, error: type[Exception], body: bytes
) -> None:
    with pytest.raises(
        error, match=rf"shop: POST /api/v1/.*{status}.*check hosts\.shop\.url and hosts\.shop\.paths"
    ):
        await open_target(stream, answer(status, body))[0].write([item(ORDER)])


_OF_THE_PATH = [
    (answer(404, b"<html>"), ConfigError),
    (answer(404, b"[]"), ConfigError),
    (answer(405, {}), ConfigError),
    (answer(410, b"<html>"), ConfigError),
    (answer(423, {}), BadAnswerError),
]


@pytest.mark.parametrize(("response", "error"), _OF_THE_PATH)
async def test_a_wrong_path_of_one_order_blames_no_order(
    open_target: Make, item: Make, response: Response, error: type[Exception]
) -> None:
    with pytest.raises(error, match="shop: PATCH /api/v1/business/order/7/ "):
        await open_target("orders", response)[0].write([item(ORDER, "7")])


@pytest.mark.parametrize(("response", "error"), _OF_THE_PATH)
@pytest.mark.parametrize("ids", [("1",), ("1", "2")])
async def test_a_wrong_path_of_products_blames_no_product(
    open_target: Make, item: Make, response: Response, error: type[Exception], ids: tuple[str, ...]
) -> None:
    with pytest.raises(error, match="shop: PATCH /api/v1/product/ "):
        await open_target("products", response)[0].write([item({"name": "x"}, n) for n in ids])


async def test_an_update_whose_row_shows_its_key_as_it_is_stored_is_written(
    open_target: Make, item: Make
) -> None:
    (result,) = await open_target("orders", answer(200, {"store_id": "a"}))[0].write(
        [item({"store_id": "A "}, "7")]
    )
    assert (result.verdict, result.target_id) == (Verdict.WRITTEN, "7")


async def test_an_order_s_update_can_be_repeated_and_names_no_device(open_target: Make, item: Make) -> None:
    target, to = open_target("orders", answer(200, {"id": "7/1", "store_id": "1001", "data": {}}))
    (result,) = await target.write([item(ORDER, "7/1")])
    (request,) = to.requests
    assert (request.method, request.path) == ("PATCH", "/api/v1/business/order/7%2F1/")
    assert orjson.loads(request.body) == {"store_id": "1001", "data": {"total": 0.1}}
    assert (request.is_repeatable, target.rules["update"].is_repeatable) == (True, True)
    assert (result.verdict, result.target_id) == (Verdict.WRITTEN, "7/1")


async def test_an_update_without_device_is_sent_as_its_bytes_are(open_target: Make) -> None:
    target, to = open_target("orders", answer(204, b""))
    await target.write([WriteItem("7", {"store_id": "1"}, b'{ "store_id":"1" }')])
    assert to.requests[0].body == b'{ "store_id":"1" }'


async def test_an_update_that_brings_errors_is_rejected(open_target: Make, item: Make) -> None:
    target, _ = open_target("orders", answer(200, {"errors": {"store_id": ["Bad."]}}))
    (result,) = await target.write([item({"store_id": "1"}, "7")])
    assert (result.verdict, result.message) == (Verdict.REJECTED, "the host refused it: store_id: Bad.")


async def test_a_change_of_many_that_brings_errors_is_held_until_one_is_alone(
    open_target: Make, item: Make
) -> None:
    target, _ = open_target("products", answer(200, {"message": "Done", "errors": ["Bad."]}))
    results = await target.write([item({"store_id": "7"}, n) for n in ("1", "2")])
    assert [each.verdict for each in results] == [Verdict.HELD] * 2
    (result,) = await target.write([item({"store_id": "7"}, "1")])
    assert result.verdict is Verdict.REJECTED


@pytest.mark.parametrize("stream", ["orders", "products"])
async def test_a_207_is_no_success_of_an_update(open_target: Make, item: Make, stream: str) -> None:
    with pytest.raises(RequestFailedError):
        await open_target(stream, answer(207, {"message": "Some"}))[0].write([item({"store_id": "1"}, "7")])


@pytest.mark.parametrize("body", [b"[]", b'{"store_id":"8"}', b"<html>"])
async def test_an_update_that_shows_something_else_is_tried_again(
    open_target: Make, item: Make, body: bytes
) -> None:
    with pytest.raises(RequestFailedError):
        await open_target("orders", answer(200, body))[0].write([item({"store_id": "1"}, "7")])


@pytest.mark.parametrize(
    ("target_id", "status", "cause"),
    [
        *((to, status, "refused") for to in (None, "7") for status in (400, 409, 415, 422)),
        ("7", 404, "not-found"),
        ("7", 410, "not-found"),
    ],
)
async def test_a_refused_order_is_rejected(
    open_target: Make, item: Make, target_id: str | None, status: int, cause: str
) -> None:
    target, _ = open_target("orders", answer(status, {"store_id": ["Bad."]}))
    (result,) = await target.write([item(ORDER, target_id)])
    assert (result.verdict, result.cause) == (Verdict.REJECTED, cause)
    assert result.message == f"the host answered {status}: store_id: Bad."


async def test_an_id_that_names_the_list_is_never_patched(open_target: Make, item: Make) -> None:
    target, to = open_target("orders")
    (result,) = await target.write([item(ORDER, "..")])
    assert (result.cause, to.requests) == ("not-found", [])


def test_orders_compare_by_store_id_and_data(open_target: Make) -> None:
    target, _ = open_target("orders")
    row = {"id": "1", "store_id": 1001, "data": {"total": 0.1}, "recommendations": [{}]}
    assert target.comparable(row) == target.comparable(ORDER) == {"store_id": "1001", "data": {"total": 0.1}}
    # device_id never comes back either; no update sends it, so that it can't tell an order that is as it should be.
    assert target.never_returned == frozenset()
    assert (target.id_field, target.natural_key) == ("id", "store_id")
    assert [(target.rules[a].shape, target.rules[a].max_items) for a in ("create", "update")] == [
        ("single", 1)
    ] * 2


# Products


async def test_a_product_is_created_by_itself(open_target: Make, item: Make) -> None:
    target, to = open_target("products", answer(200, {"created": 1, "id": "P"}))
    (result,) = await target.write([item(PRODUCT)])
    assert (to.requests[0].method, to.requests[0].path) == ("POST", "/api/v1/product/")
    assert to.requests[0].body == orjson.dumps(PRODUCT)
    assert (result.verdict, result.target_id) == (Verdict.WRITTEN, "P")


async def test_one_change_is_sent_for_all_its_products(open_target: Make) -> None:
    target, to = open_target("products", answer(200, {"message": "Products updated"}))
    results = await target.write(
        [WriteItem(n, {"status": "active"}, b'{"status":"active"}') for n in ("1", "b")]
    )
    (request,) = to.requests
    assert (request.method, request.path) == ("PATCH", "/api/v1/product/")
    assert request.body == b'{"products":["1","b"],"status":"active"}'
    assert request.is_repeatable
    assert [(result.verdict, result.target_id) for result in results] == [
        (Verdict.WRITTEN, "1"),
        (Verdict.WRITTEN, "b"),
    ]


async def test_a_change_of_nothing_is_not_sent(open_target: Make, item: Make) -> None:
    target, to = open_target("products")
    results = await target.write([item({}, "1"), item({}, "2")])
    assert ([result.verdict for result in results], to.requests) == ([Verdict.UNCHANGED] * 2, [])


@pytest.mark.parametrize("status", [400, 404, 409, 410, 415, 422])
async def test_a_refused_change_is_held_for_all(open_target: Make, item: Make, status: int) -> None:
    target, _ = open_target("products", answer(status, {"1": {"store_id": ["Bad."]}}))
    results = await target.write([item({"store_id": "7"}, n) for n in ("1", "2")])
    assert [result.verdict for result in results] == [Verdict.HELD] * 2


@pytest.mark.parametrize(("status", "cause"), [(400, "refused"), (404, "not-found")])
async def test_a_refused_change_of_one_product_is_rejected(
    open_target: Make, item: Make, status: int, cause: str
) -> None:
    (result,) = await open_target("products", answer(status, {"name": ["Bad."]}))[0].write(
        [item({"name": "x"}, "1")]
    )
    assert (result.verdict, result.cause) == (Verdict.REJECTED, cause)


@pytest.mark.parametrize("body", [b"<html>", b"[]"])
async def test_a_change_without_its_message_is_tried_again(
    open_target: Make, item: Make, body: bytes
) -> None:
    with pytest.raises(RequestFailedError):
        await open_target("products", answer(200, body))[0].write([item({"name": "x"}, "1")])


@pytest.mark.parametrize(("size", "most"), [(None, 500), (20, 20), (9000, 500)])
def test_a_change_names_at_most_so_many_products(open_target: Make, size: int | None, most: int) -> None:
    rule = open_target("products", batch_size=size)[0].rules["update"]
    assert (rule.shape, rule.max_items, rule.is_repeatable) == ("joined", most, True)


def test_a_written_product_compares_equal_to_its_row(open_target: Make) -> None:
    target, _ = open_target("products")
    row = {
        "id": 3,
        "store_id": 5,
        "name": "Rochie 👗",
        "tags": [{"name": "a"}],
        "image_md": "x",
        "new_field": 1,
    }
    shown = target.comparable(row)
    assert target.comparable(PRODUCT).items() <= shown.items()
    assert shown == {"store_id": "5", "name": "Rochie 👗", "tags": ["a"], "image_md": "x", "new_field": 1}
    assert target.never_returned == {"image_url", "type"}
    assert target.comparable({**PRODUCT, "tags": ["b"]}) != target.comparable(PRODUCT)
