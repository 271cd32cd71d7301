from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bulkmove.connectors.merchantpro import CONNECTOR
from bulkmove.connectors.merchantpro.names import FILTERS
from bulkmove.connectors.scripted import ScriptedTransport, answer
from bulkmove.errors import BadAnswerError, ConfigError, RequestFailedError
from bulkmove.model import Page, PageQuery, Response
from bulkmove.protocols import Source
from bulkmove.settings import RouteSettings, Secret

Make = Callable[..., Any]
ROW = {"id": 1, "date_created": "2020-03-26T15:47:08+02:00", "date_modified": "2020-03-27T00:00:00+02:00"}


@pytest.fixture
def open_source(transport: Make, route: Make) -> Callable[..., tuple[Source, ScriptedTransport]]:
    def make(*answers: Response, host: dict[str, Any] | None = None, **settings: Any) -> Any:
        to = transport(*(answers or (answer(),)), **(host or {}))
        return CONNECTOR.source("orders", to, route(**settings)), to

    return make


async def fetch(open_source: Make, response: Response, **settings: Any) -> Page:
    source, _ = open_source(response, **settings)
    page: Page = await source.fetch(PageQuery(100))
    return page


def page_of(*ids: Any) -> bytes:
    return b'{"data":[' + b",".join(b'{"id":' + i + b"}" for i in ids) + b"]}"


async def test_a_page_is_asked_for_along_the_date_with_its_lines(
    open_source: Make, merchantpro_page: Make
) -> None:
    source, to = open_source(merchantpro_page())
    await source.fetch(PageQuery(50, offset=7, after=1585230427, before=1585316828))
    (request,) = to.requests
    assert (request.method, request.path) == ("GET", "/api/v2/orders")
    assert request.params == {
        "sort": "date_created",
        "include": "line_items,tags",
        "start": "7",
        "limit": "50",
        "created_after": "2020-03-26T13:47:07Z",
        "created_before": "2020-03-27T13:47:08Z",
    }
    assert request.is_repeatable


async def test_an_open_page_asks_for_no_dates(open_source: Make, merchantpro_page: Make) -> None:
    source, to = open_source(merchantpro_page())
    await source.fetch(PageQuery(100))
    assert not {"created_after", "created_before", "fields"} & to.requests[0].params.keys()


async def test_fields_that_the_reading_needs_are_always_asked_for(
    open_source: Make, merchantpro_page: Make
) -> None:
    source, to = open_source(merchantpro_page(), fields_used=("total_amount", "line_items[].quantity", "id"))
    await source.fetch(PageQuery(100))
    assert to.requests[0].params["fields"] == "id,date_created,date_modified,total_amount,line_items"
    assert to.requests[0].params["include"] == "line_items"


async def test_tags_are_included_where_fields_ask_for_them(open_source: Make, merchantpro_page: Make) -> None:
    source, to = open_source(merchantpro_page(), fields_used=("tags[].name",))
    await source.fetch(PageQuery(100))
    assert to.requests[0].params["include"] == "line_items,tags"


@pytest.mark.parametrize("name", sorted(FILTERS - {"created_after", "created_before"}))
async def test_each_documented_filter_is_passed_on(
    open_source: Make, merchantpro_page: Make, name: str
) -> None:
    value = "awaiting" if name in {"payment_status", "shipping_status"} else "x,y"
    source, to = open_source(merchantpro_page(), where={name: value})
    await source.fetch(PageQuery(100))
    assert to.requests[0].params[name] == value


def test_a_status_that_is_not_documented_is_named_with_its_nearest_spelling(open_source: Make) -> None:
    """A host would answer with an empty list, which looks like success."""
    with pytest.raises(
        ConfigError, match=r"where\.shipping_status = 'shiped' is none.*did you mean 'shipped'"
    ):
        open_source(where={"shipping_status": "shiped"})
    with pytest.raises(
        ConfigError, match=r"where\.payment_status = 'x' is none; there are awaiting, .*refunded"
    ):
        open_source(where={"payment_status": "paid,x"})


def test_an_unknown_filter_is_named_with_its_nearest_spelling(open_source: Make) -> None:
    with pytest.raises(ConfigError, match=r"routes\.orders\.where: 'shiping_status'.*'shipping_status'"):
        open_source(where={"shiping_status": "awaiting"})


def test_the_user_s_dates_bound_the_list(open_source: Make) -> None:
    source, _ = open_source(
        where={"created_after": "2024-01-01T00:00:00+02:00", "created_before": "2024-01-31T12:00:00.5Z"}
    )
    assert (source.listing.first_key, source.listing.last_key) == (1704060000, 1706702400)


async def test_the_user_s_dates_are_not_sent_twice(open_source: Make, merchantpro_page: Make) -> None:
    source, to = open_source(merchantpro_page(), where={"created_after": "2024-01-01T00:00:00+02:00"})
    await source.fetch(PageQuery(100, after=1704070000))
    assert to.requests[0].params["created_after"] == "2024-01-01T00:46:40Z"


def test_a_date_without_a_zone_is_one_of_the_host_s(open_source: Make) -> None:
    source, _ = open_source(host={"timezone": "Europe/Bucharest"}, where={"created_after": "2024-07-01"})
    assert source.listing.first_key == 1719781200


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ({"created_after": "2024-07-01"}, r"names no time zone.*hosts\.shop\.timezone"),
        ({"created_before": "yesterday"}, "no ISO 8601 date"),
        (
            {"created_after": "2024-02-01T00:00Z", "created_before": "2024-01-01T00:00Z"},
            "later than created_before",
        ),
    ],
)
def test_dates_that_can_t_bound_a_list_are_refused(
    open_source: Make, where: dict[str, str], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        open_source(where=where)


def test_an_unknown_time_zone_is_refused(open_source: Make) -> None:
    with pytest.raises(ConfigError, match=r"hosts\.shop\.timezone"):
        open_source(host={"timezone": "Europe/Bukarest"})


@pytest.mark.parametrize(
    ("written", "known_as"),
    [
        (b"95", "95"),
        (b'"95750870.3"', "95750870.3"),
        (b"95750870.3", "95750870.3"),
        (b'"0095"', "0095"),
        (b"18446744073709551616", "18446744073709551616"),
        (b"123456789012345678", "123456789012345678"),
        (b"null", None),
        (b"true", None),
        (b'""', None),
        (b"[1]", None),
    ],
)
async def test_an_id_is_opaque_text(open_source: Make, written: bytes, known_as: str | None) -> None:
    page = await fetch(open_source, answer(200, page_of(written)))
    assert page.records[0].id == known_as


@pytest.mark.parametrize(
    ("date", "key"),
    [
        ("2020-03-26T15:47:08+02:00", 1585230428),
        ("2020-03-26T13:47:08Z", 1585230428),
        ("2020-03-26T13:47:08.999Z", 1585230428),
        (None, None),
        ("", None),
        ("0000-00-00 00:00:00", None),
        (1585230428, None),
    ],
)
async def test_the_key_is_the_second_of_the_creation(open_source: Make, date: Any, key: int | None) -> None:
    page = await fetch(open_source, answer(200, {"data": [{"id": 1, "date_created": date}]}))
    assert page.records[0].key == key


async def test_a_record_s_date_without_a_zone_is_read_in_the_host_s(open_source: Make) -> None:
    response = answer(200, {"data": [{"id": 1, "date_created": "2020-03-26 15:47:08"}]})
    page = await fetch(open_source, response, host={"timezone": "Europe/Bucharest"})
    assert page.records[0].key == 1585230428


async def test_a_record_s_date_without_a_zone_is_an_error_where_the_host_has_none(open_source: Make) -> None:
    with pytest.raises(ConfigError, match=r"hosts\.shop\.timezone"):
        await fetch(open_source, answer(200, {"data": [{"id": 1, "date_created": "2020-03-26 15:47:08"}]}))


async def test_a_page_tells_version_total_and_what_follows(open_source: Make, merchantpro_page: Make) -> None:
    page = await fetch(open_source, merchantpro_page(ROW, total=12, next_link="/api/v2/orders?start=1"))
    assert (page.records[0].version, page.total, page.has_next, page.date) == (
        ROW["date_modified"],
        12,
        True,
        5.0,
    )
    last = await fetch(open_source, merchantpro_page(ROW))
    assert last.has_next is False


async def test_a_list_without_meta_tells_neither_total_nor_what_follows(open_source: Make) -> None:
    page = await fetch(open_source, answer(200, {"data": [ROW]}))
    assert (page.total, page.has_next) == (None, None)


@pytest.mark.parametrize("body", [{"ok": True}, [], {"data": None}, "text", None])
async def test_another_envelope_is_named(open_source: Make, body: Any) -> None:
    with pytest.raises(BadAnswerError, match=r"shop: GET /api/v2/orders .*hosts\.shop\.url"):
        await fetch(open_source, answer(200, body))


@pytest.mark.parametrize("body", [b"<html>", b'{"data":[', b""])
async def test_cut_or_foreign_bodies_are_no_answer(open_source: Make, body: bytes) -> None:
    with pytest.raises(RequestFailedError):
        await fetch(open_source, answer(200, body))


async def test_a_row_that_is_no_object_costs_only_itself(open_source: Make) -> None:
    page = await fetch(open_source, answer(200, {"data": [None, ROW]}))
    assert [record.id for record in page.records] == [None, "1"]


async def test_values_come_as_they_were_written(open_source: Make) -> None:
    body = (
        b'{"data":[{"id":1,"a":0.1,"b":365.39,"c":2.39,"d":9007199254740993,"e":"\xc8\x99\xc8\x9b \xf0\x9f\x91\x97",'
        b'"f":1.0,"g":58.340000000000003}]}'
    )
    data = (await fetch(open_source, answer(200, body))).records[0].data
    assert [repr(data[name]) for name in "abcdefg"] == [
        "0.1", "365.39", "2.39", "9007199254740993", "'șț 👗'", "1.0", "58.34",
    ]  # fmt: skip


async def test_a_wrong_address_names_the_setting(open_source: Make) -> None:
    with pytest.raises(ConfigError, match=r"hosts\.shop\.url and hosts\.shop\.paths"):
        await fetch(open_source, answer(404, b"<html>"))


async def test_a_filter_that_the_host_refuses_is_named(open_source: Make) -> None:
    failure = {
        "error": {"name": "undefined_filter", "message": "Undefined filter", "details": {"filter": "tag_ids"}}
    }
    with pytest.raises(ConfigError, match="filter tag_ids "):
        await fetch(open_source, answer(400, failure), where={"tag_ids": "1", "ids": "2"})


async def test_another_refusal_says_what_the_host_said(open_source: Make) -> None:
    failure = {"error": {"name": "bad_value", "message": "No such status"}}
    with pytest.raises(BadAnswerError, match="answered 400: bad_value No such status"):
        await fetch(open_source, answer(400, failure))


async def test_a_path_can_be_set(open_source: Make, merchantpro_page: Make) -> None:
    source, to = open_source(merchantpro_page(), host={"paths": {"orders": "/shop/orders"}})
    await source.fetch(PageQuery(100))
    assert to.requests[0].path == "/shop/orders"


def test_an_unknown_path_is_refused(open_source: Make) -> None:
    with pytest.raises(ConfigError, match=r"'ordres' is no path of some; did you mean 'orders'"):
        open_source(host={"paths": {"ordres": "/x"}})


def test_the_listing_is_a_keyset_of_a_hundred(open_source: Make) -> None:
    listing = open_source()[0].listing
    assert (listing.reading, listing.page_limit, listing.can_overlap) == ("keyset", 100, True)
    assert (listing.first_key, listing.last_key) == (None, None)


@pytest.mark.parametrize(
    ("reset", "date", "wait"),
    [
        (1030, 1000.0, 30.0),
        ("1030", 1000.0, 30.0),
        (1030.5, None, 30.5),
        (900, 1000.0, None),
        (1e12, 1000.0, None),
        ("soon", 1000.0, None),
        (True, 0.0, None),
        (None, 1000.0, None),
    ],
)
def test_the_wait_is_read_from_the_body_by_the_host_s_clock(
    reset: Any, date: float | None, wait: float | None
) -> None:
    response = answer(429, {"error": {"details": {"reset_time": reset}}}, date=date)
    assert CONNECTOR.wait_from_body(response) == wait


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"error":"busy"}', b'{"error":{"details":[]}}'])
def test_a_body_without_a_wait_names_none(body: bytes) -> None:
    assert CONNECTOR.wait_from_body(answer(429, body)) is None


@pytest.mark.parametrize(
    ("status", "passes"), [(400, True), (405, True), (500, True), (404, False), (422, False)]
)
def test_the_failure_that_passes_by_itself_is_known(status: int, *, passes: bool) -> None:
    body = {"error": {"name": "x", "message": "Operation could not be completed"}}
    assert CONNECTOR.is_passing(answer(status, body)) is passes
    assert CONNECTOR.is_passing(answer(status, {"error": {"message": "No"}})) is False


def test_the_published_windows_hold_at_once() -> None:
    assert [str(window) for window in CONNECTOR.windows] == ["4/s", "80/min", "3600/h", "60000/day"]


def test_key_and_secret_are_http_basic() -> None:
    signature = CONNECTOR.sign({"key": Secret("k"), "secret": Secret("s:ș")})
    assert signature.headers == {"Authorization": "Basic azpzOsiZ"}
    assert not signature.params


@pytest.mark.parametrize(
    "credentials", [{}, {"key": Secret("k")}, {"key": Secret("a:b"), "secret": Secret("s")}]
)
def test_credentials_that_can_t_sign_are_refused(credentials: dict[str, Secret]) -> None:
    with pytest.raises(ConfigError, match=r"credentials\.(key|secret)") as refused:
        CONNECTOR.sign(credentials)
    assert "a:b" not in str(refused.value)


@pytest.mark.parametrize("stream", ["products", "ordered-products"])
def test_products_can_t_be_written(transport: Make, route: Callable[..., RouteSettings], stream: str) -> None:
    with pytest.raises(ConfigError, match="can be read, not written"):
        CONNECTOR.target(stream, transport(answer()), route())


def test_what_is_done_to_orders_can_t_be_read(transport: Make, route: Callable[..., RouteSettings]) -> None:
    with pytest.raises(ConfigError, match="can be written, not read"):
        CONNECTOR.source("processing", transport(answer()), route())


def test_an_unknown_stream_is_named(transport: Make, route: Make) -> None:
    with pytest.raises(ConfigError, match="no stream 'order'; did you mean 'orders'"):
        CONNECTOR.source("order", transport(answer()), route())
