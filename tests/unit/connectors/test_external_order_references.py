"""What orders point to, read as lists and searched; and lines of orders, which can be deleted alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import orjson
import pytest

from bulkmove.connectors.external_order import CONNECTOR
from bulkmove.connectors.scripted import ScriptedTransport, answer
from bulkmove.errors import BadAnswerError, ConfigError
from bulkmove.extract.passes import read_passes
from bulkmove.extract.tally import Tally
from bulkmove.model import PageQuery, Record, Request, Response, Verdict
from bulkmove.protocols import Source
from bulkmove.settings import StreamName

Make = Callable[..., Any]
REFERENCES = ("stores", "regions", "localities", "sectors", "products", "promo-codes")


def pages(rows: list[Any], *, is_envelope: bool, has_pages: bool = True) -> Callable[[Request], Response]:
    """A host that pages by number, in an envelope or in a bare array, or sends all rows whatever is asked."""

    def script(request: Request) -> Response:
        page, size = int(request.params["page"]), int(request.params["page_size"])
        shown = rows[(page - 1) * size : page * size] if has_pages else rows
        if not shown and page > 1:
            return answer(404, {"detail": "Invalid page."})
        if not is_envelope:
            return answer(200, shown)
        has_next = "https://next" if page * size < len(rows) else None
        return answer(200, {"count": len(rows), "next": has_next, "previous": None, "results": shown})

    return script


async def read_all(source: Source) -> list[str | None]:
    found: list[str | None] = []

    async def keep(records: Any) -> None:
        found.extend(record.id for record in records)

    async with Tally() as tally:
        await read_passes(
            source, limit=source.listing.page_limit, concurrency=lambda: 2, sink=keep, tally=tally
        )
    return found


@pytest.mark.parametrize("name", REFERENCES)
async def test_a_look_up_list_is_read_from_its_path_with_its_filters(
    name: str, transport: Make, route: Make
) -> None:
    spec = CONNECTOR.streams[name]
    assert (spec.id_field, spec.can_read, spec.can_write) == ("id", True, False)
    assert spec.can_search == (name == "products")
    for where in ({}, dict.fromkeys(spec.filters or (), "7")):
        to = transport(answer(200, {"count": 1, "next": None, "results": [{"id": 3, "name": "Orhei"}]}))
        page = await CONNECTOR.source(name, to, route(where=where)).fetch(PageQuery(1000))
        assert page.records == [Record("3", None, None, {"id": 3, "name": "Orhei"})]
        assert to.requests[0].path == CONNECTOR.paths[name]
        assert to.requests[0].params == {**where, "page": "1", "page_size": "1000"}


async def test_stores_of_a_group_are_a_call_of_their_own(transport: Make, route: Make) -> None:
    to = transport(answer(200, []), paths={"group-stores": "/external/groups/"})
    await CONNECTOR.source("stores", to, route(where={"group": "3"})).fetch(PageQuery(10))
    assert (to.requests[0].path, to.requests[0].params["group"]) == ("/external/groups/", "3")


@pytest.mark.parametrize("has_pages", [True, False])
@pytest.mark.parametrize("is_envelope", [True, False])
@pytest.mark.parametrize("count", [0, 1, 2, 42, 1000, 1001])
async def test_lists_are_read_whole_in_every_shape(
    count: int, host: Make, route: Make, *, is_envelope: bool, has_pages: bool
) -> None:
    rows = [{"id": n} for n in range(count)]
    to = ScriptedTransport(host(), pages(rows, is_envelope=is_envelope, has_pages=has_pages or is_envelope))
    assert await read_all(CONNECTOR.source("regions", to, route())) == [str(n) for n in range(count)]


async def test_a_page_of_a_fixed_length_is_not_taken_for_the_whole_list(host: Make, route: Make) -> None:
    """Its size is not heeded, its number is: what comes for the second one alone is another page."""

    def script(request: Request) -> Response:
        begin = (int(request.params["page"]) - 1) * 50
        rows = [{"id": n} for n in range(begin, min(begin + 50, 130))]
        return answer(200, rows) if rows else answer(404, {"detail": "Invalid page."})

    source = CONNECTOR.source("regions", ScriptedTransport(host(), script), route())
    assert len(await read_all(source)) == 130


@pytest.mark.parametrize("name", ["regions", "orders"])
async def test_pages_that_are_cut_in_another_way_than_is_set_are_not_taken_for_the_whole_list(
    name: str, host: Make, route: Make
) -> None:
    id_field = CONNECTOR.streams[name].id_field

    def script(request: Request) -> Response:
        begin, size = int(request.params.get("offset", 0)), int(request.params.get("limit", 100))
        return answer(200, [{id_field: n} for n in range(130)][begin : begin + size])

    with pytest.raises(BadAnswerError, match="the same page at every offset"):
        await read_all(CONNECTOR.source(name, ScriptedTransport(host(), script), route()))
    set_right = ScriptedTransport(host(options={"paging": "limit-offset"}), script)
    assert len(await read_all(CONNECTOR.source(name, set_right, route()))) == 130


async def test_a_wrong_path_names_its_setting(transport: Make, route: Make) -> None:
    to = transport(answer(404, b"<html>"))
    with pytest.raises(ConfigError, match=r"hosts\.shop\.paths\.sectors"):
        await CONNECTOR.source("sectors", to, route()).fetch(PageQuery(10))


def test_an_unknown_filter_of_a_look_up_list_is_refused(transport: Make, route: Make) -> None:
    with pytest.raises(ConfigError, match="'region' is no filter"):
        CONNECTOR.source("localities", transport(answer()), route(where={"region": "1"}))


# Searching


@pytest.mark.parametrize("is_envelope", [True, False])
@pytest.mark.parametrize(("count", "requests"), [(0, 1), (3, 1), (100, 2), (250, 3)])
async def test_products_are_searched_in_as_few_pages_as_will_do(
    host: Make, count: int, requests: int, *, is_envelope: bool
) -> None:
    rows = [{"id": n, "code": "AB"} for n in range(count)]
    to = ScriptedTransport(host(), pages(rows, is_envelope=is_envelope))
    assert await CONNECTOR.search("products", to)("AB") == rows
    assert len(to.requests) == (1 if is_envelope and count == 100 else requests)
    assert {(request.path, request.params["search"]) for request in to.requests} == {
        ("/external/product/", "AB")
    }


@pytest.mark.parametrize("count", [1, 100, 250])
async def test_a_search_that_has_no_pages_ends(host: Make, count: int) -> None:
    rows = [{"id": n} for n in range(count)]
    to = ScriptedTransport(host(), pages(rows, is_envelope=False, has_pages=False))
    assert await CONNECTOR.search("products", to)("x") == rows


@pytest.mark.parametrize("paging", ["page", "limit-offset"])
async def test_a_search_follows_pages_that_are_cut_shorter(host: Make, paging: str) -> None:
    rows = [{"id": n} for n in range(50)]

    def script(request: Request) -> Response:
        params = {name: int(value) for name, value in request.params.items() if name != "search"}
        size = min(20, params.get("limit") or params["page_size"])
        begin = params["offset"] if "offset" in params else (params["page"] - 1) * size
        has_next = "https://next" if begin + size < 50 else None
        return answer(200, {"count": 50, "next": has_next, "results": rows[begin : begin + size]})

    to = ScriptedTransport(host(options={"paging": paging}), script)
    assert await CONNECTOR.search("products", to)("x") == rows


@pytest.mark.parametrize("name", ["orders", "regions", "order-items", "nothing"])
def test_nothing_else_is_searched(transport: Make, name: str) -> None:
    with pytest.raises(ConfigError, match=r"can't be searched|no stream"):
        CONNECTOR.search(name, transport(answer()))


# Lines of orders


@pytest.fixture
def items_route(route: Make) -> Callable[..., Any]:
    return lambda **settings: route(
        **{"target": StreamName("new", "order-items"), "mode": "delete", **settings}
    )


@pytest.mark.parametrize(
    ("response", "verdict"),
    [
        (answer(204, b""), Verdict.WRITTEN),
        (answer(200, {"ok": True}), Verdict.WRITTEN),
        (answer(400, {"detail": "The order is closed."}), Verdict.REJECTED),
    ],
)
async def test_a_line_is_deleted_by_its_own_id(
    transport: Make, items_route: Make, item: Make, response: Response, verdict: Verdict
) -> None:
    to = transport(response)
    target = CONNECTOR.target("order-items", to, items_route())
    (result,) = await target.write([item({}, "12")])
    assert result.verdict is verdict
    (request,) = to.requests
    assert (request.method, request.path) == ("DELETE", "/external/external-order/order-item/12/")
    assert request.is_repeatable
    assert target.rules["update"].is_repeatable


async def test_a_deletion_at_a_wrong_path_ends_the_run(
    transport: Make, items_route: Make, item: Make
) -> None:
    target = CONNECTOR.target("order-items", transport(answer(404, b"<html>")), items_route())
    with pytest.raises(ConfigError, match="is not there"):
        await target.write([item({}, "12")])


def test_lines_are_named_otherwise_than_orders_are() -> None:
    """The document calls both ids `order_id`: taken for one another, they would delete what was not meant."""
    spec = CONNECTOR.streams["order-items"]
    assert (spec.id_field, *spec.writable_fields, *spec.modes) == ("id", "id", "delete")
    assert "delete" not in CONNECTOR.streams["orders"].modes


def test_lines_are_neither_written_nor_listed(transport: Make, route: Make, items_route: Make) -> None:
    to = transport(answer())
    with pytest.raises(ConfigError, match="takes delete, not update"):
        CONNECTOR.target("order-items", to, items_route(mode="update"))
    with pytest.raises(ConfigError, match="can't be listed"):
        CONNECTOR.target("order-items", to, items_route(natural_key="product")).list()
    with pytest.raises(ConfigError, match="can't be read"):
        CONNECTOR.source("order-items", to, route())
    with pytest.raises(ConfigError, match="can't be written"):
        CONNECTOR.target("regions", to, route())


# Bodies


def checked(kind: str, body: bytes) -> Any:
    spec = CONNECTOR.streams["orders"]
    form: Any = spec.create_body if kind == "create" else spec.update_body
    return msgspec.json.Decoder(form).decode(body)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("create", b'{"shop":2,"order_items":[{"product":1,"quantity":2}]}'),
        (
            "create",
            b'{"shop":"2","promo_code":null,"address":null,"order_items":[{"product":"7","quantity":"1"}]}',
        ),
        (
            "create",
            (
                b'{"shop":2,"rrn":"1","order_items":[{"product":1,"quantity":2,"order_status":"in_collection",'
                b'"loyalty_price":"88.50"}],"address":{"zip_code":"MD-2068","region_id":101,"sector":null}}'
            ),
        ),
        ("update", b"{}"),
        ("update", b'{"order_items":[{"order_id":12,"loyalty_price":1.5}],"address":{"zip_code":2068}}'),
    ],
)
def test_bodies_that_the_document_allows_are_good(kind: str, body: bytes) -> None:
    assert checked(kind, body) == orjson.loads(body)


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("create", b'{"order_items":[{"product":1,"quantity":2}]}', "required field `shop`"),
        ("create", b'{"shop":2}', "required field `order_items`"),
        ("create", b'{"shop":2,"order_items":[]}', r"length >= 1 - at `\$\.order_items`"),
        ("create", b'{"shop":2,"order_items":[{"product":1}]}', "required field `quantity`"),
        ("create", b'{"shop":2,"order_items":[{"quantity":1}]}', "required field `product`"),
        ("create", b'{"shop":2,"rrn":5,"order_items":[{"product":1,"quantity":2}]}', r"at `\$\.rrn`"),
        ("update", b'{"order_items":[{"order_status":"incollection"}]}', "Invalid enum value 'incollection'"),
        ("update", b'{"address":"Orhei"}', r"at `\$\.address`"),
    ],
)
def test_bodies_that_it_does_not_are_named_by_their_field(kind: str, body: bytes, said: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=said):
        checked(kind, body)


def test_all_documented_fields_of_an_order_may_be_checked() -> None:
    spec = CONNECTOR.streams["orders"]
    for form in (spec.create_body, spec.update_body):
        assert form is not None
        assert form.__annotations__.keys() | {"order_id"} == spec.writable_fields


async def test_what_is_no_list_is_named(transport: Make, route: Make) -> None:
    with pytest.raises(BadAnswerError, match=r"check hosts\.shop\.url and hosts\.shop\.paths\.stores"):
        await CONNECTOR.source("stores", transport(answer(200, {"ok": 1})), route()).fetch(PageQuery(10))
