from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bulkmove.connectors.external_order import CONNECTOR
from bulkmove.connectors.scripted import ScriptedTransport, answer
from bulkmove.errors import BadAnswerError, ConfigError
from bulkmove.model import Page, PageQuery, Response
from bulkmove.protocols import Source
from bulkmove.settings import Secret

Make = Callable[..., Any]


@pytest.fixture
def open_source(transport: Make, route: Make) -> Callable[..., tuple[Source, ScriptedTransport]]:
    def make(*answers: Response, host: dict[str, Any] | None = None, **settings: Any) -> Any:
        to = transport(*(answers or (answer(200, []),)), **(host or {}))
        return CONNECTOR.source("orders", to, route(**settings)), to

    return make


async def fetch(open_source: Make, body: Any, *, query: PageQuery | None = None, **settings: Any) -> Page:
    source, _ = open_source(body if isinstance(body, Response) else answer(200, body), **settings)
    page: Page = await source.fetch(query or PageQuery(2))
    return page


async def test_offsets_become_numbered_pages(open_source: Make) -> None:
    source, to = open_source()
    await source.fetch(PageQuery(100, offset=300))
    assert (to.requests[0].method, to.requests[0].path) == ("GET", "/external/external-order/")
    assert to.requests[0].params == {"ordering": "created_at", "page": "4", "page_size": "100"}
    with pytest.raises(ValueError, match="can't start at 250"):
        await source.fetch(PageQuery(100, offset=250))


def test_the_listing_is_read_in_passes_that_can_t_overlap(open_source: Make) -> None:
    listing = open_source()[0].listing
    assert (listing.reading, listing.page_limit, listing.can_overlap) == ("passes", 1000, False)


async def test_an_envelope_tells_total_and_what_follows(open_source: Make) -> None:
    page = await fetch(open_source, {"count": 3, "next": "x", "previous": None, "results": [{"order_id": 5}]})
    assert (page.records[0].id, page.total, page.has_next) == ("5", 3, True)
    last = await fetch(open_source, {"count": 3, "next": None, "previous": None, "results": []})
    assert last.has_next is False


async def test_a_bare_array_tells_neither(open_source: Make) -> None:
    source, _ = open_source(answer(200, [{"order_id": 5}]), answer(404, {"detail": "Invalid page."}))
    page = await source.fetch(PageQuery(2))
    assert (page.records[0].id, page.total, page.has_next) == ("5", None, None)


async def test_a_bare_array_longer_than_a_page_is_the_whole_list(open_source: Make) -> None:
    page = await fetch(open_source, [{"order_id": n} for n in range(3)])
    assert (len(page.records), page.total, page.has_next) == (3, 3, False)
    later = await fetch(open_source, [{"order_id": n} for n in range(3)], query=PageQuery(2, offset=2))
    assert (later.total, later.has_next) == (None, None)


@pytest.mark.parametrize(
    ("created_at", "key"),
    [
        (1741710342, 1741710342),
        (1741710342.9, 1741710342),
        ("1741710342", 1741710342),
        ("2025-03-11T16:25:42Z", 1741710342),
        ("2025-03-11T18:25:42.123456+02:00", 1741710342),
        (None, None),
        (True, None),
        ("soon", None),
    ],
)
async def test_created_at_is_read_in_all_its_forms(
    open_source: Make, created_at: Any, key: int | None
) -> None:
    page = await fetch(open_source, [{"order_id": 5, "created_at": created_at}])
    assert page.records[0].key == key


async def test_a_row_without_created_at_has_no_key(open_source: Make) -> None:
    page = await fetch(open_source, [{"order_id": 5}])
    assert (page.records[0].key, page.records[0].version) == (None, None)


async def test_a_page_past_the_end_is_empty(open_source: Make) -> None:
    past = answer(404, {"detail": "Pagină invalidă."})
    page = await fetch(open_source, past, query=PageQuery(100, offset=100))
    assert (list(page.records), page.has_next) == ([], False)


async def test_no_first_page_is_a_wrong_address(open_source: Make) -> None:
    with pytest.raises(ConfigError, match=r"hosts\.shop\.url"):
        await fetch(open_source, answer(404, {"detail": "Not found."}))


@pytest.mark.parametrize(
    "response",
    [answer(404, b"<html>"), answer(400, {"created_after": ["Enter a number."]}), answer(200, {"ok": 1})],
)
async def test_what_is_no_list_is_named(open_source: Make, response: Response) -> None:
    with pytest.raises(BadAnswerError, match="shop: GET /external/external-order/ answered"):
        await fetch(open_source, response, query=PageQuery(100, offset=100))


async def test_the_documented_filters_are_passed_on(open_source: Make) -> None:
    source, to = open_source(where={"created_after": "2025-03-11T16:25:42Z", "status": "new,done"})
    await source.fetch(PageQuery(100))
    assert (to.requests[0].params["created_after"], to.requests[0].params["status"]) == (
        "1741710342",
        "new,done",
    )


async def test_the_cursor_never_reaches_back_before_the_user_s_filter(open_source: Make) -> None:
    source, to = open_source(where={"created_after": "1741710342"})
    await source.fetch(PageQuery(100, after=5))
    await source.fetch(PageQuery(100, after=1741710400))
    assert [request.params["created_after"] for request in to.requests] == ["1741710342", "1741710400"]


async def test_a_filter_that_took_no_effect_is_an_error(open_source: Make) -> None:
    with pytest.raises(BadAnswerError, match="ignores the filter created_after"):
        await fetch(open_source, [{"order_id": 1, "created_at": 99}], where={"created_after": "100"})


@pytest.mark.parametrize("text", ["2025-03-11", "spring"])
def test_a_date_that_is_no_moment_is_refused(open_source: Make, text: str) -> None:
    with pytest.raises(ConfigError, match=r"where\.created_after"):
        open_source(where={"created_after": text})


def test_an_unknown_filter_is_refused(open_source: Make) -> None:
    with pytest.raises(ConfigError, match=r"'createdafter'.*'created_after'"):
        open_source(where={"createdafter": "1"})


async def test_the_target_s_own_list_has_no_filters(transport: Make, route: Make) -> None:
    to = transport(answer(200, []))
    target = CONNECTOR.target("orders", to, route(where={"shipping_status": "awaiting"}))
    await target.list().fetch(PageQuery(1000))
    assert to.requests[0].params == {"ordering": "created_at", "page": "1", "page_size": "1000"}


def test_the_token_travels_in_both_headers() -> None:
    signature = CONNECTOR.sign({"token": Secret("t")})
    assert signature.headers == {"API-Token": "t", "token": "t"}
    with pytest.raises(ConfigError, match=r"credentials\.token"):
        CONNECTOR.sign({})


def test_what_no_document_shows_is_listed_as_unconfirmed() -> None:
    assert CONNECTOR.paths.keys() - CONNECTOR.unconfirmed == {"orders"}
    assert CONNECTOR.unconfirmed < CONNECTOR.paths.keys()
    assert not CONNECTOR.is_passing(answer(400, {}))
    assert CONNECTOR.wait_from_body(answer(429, {})) is None
