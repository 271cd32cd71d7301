"""What a look at a MerchantPro shop tells, of shops that speak as documented and of others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bulkmove.connectors.merchantpro import CONNECTOR
from bulkmove.connectors.scripted import ScriptedTransport, answer
from bulkmove.errors import CredentialsError
from bulkmove.model import Finding, Request, Response

Make = Callable[..., Any]
Look = Callable[..., Any]
UNDEFINED = answer(400, {"error": {"name": "undefined_filter", "message": "Undefined filter"}})
NOW = 1_700_000_000.0


def page(*rows: Any, total: int | None = None, limit: int | None = 100) -> Response:
    count = {"total": len(rows) if total is None else total, "current": len(rows), "start": 0, "limit": limit}
    return answer(200, {"data": list(rows), "meta": {"count": count, "links": {"next": None}}}, date=NOW)


def orders(count: int, **more: Any) -> list[dict[str, Any]]:
    return [
        {"id": n, "date_created": f"2024-01-01T00:{n // 60:02}:{n % 60:02}Z", **more} for n in range(count)
    ]


@pytest.fixture
def look(host: Make) -> Look:
    """The findings by their question; each keyword is what the shop answers to one of the questions."""

    async def make(
        *,
        first: Any = None,
        unknown: Any = UNDEFINED,
        future: Any = None,
        products: Any = None,
        **settings: Any,
    ) -> tuple[dict[str, Finding], list[Request]]:
        def script(request: Request) -> Response:
            if request.path == "/api/v2/products":
                given = products or page({"id": 41}, total=800)
            elif "created_after" in request.params:
                given = future or page()
            elif "fields" in request.params:
                given = first or page(*orders(100), total=320)
            else:
                given = unknown
            if isinstance(given, Exception):
                raise given
            assert isinstance(given, Response)
            return given

        to = ScriptedTransport(host(**settings), script)
        found = {finding.question: finding for finding in await CONNECTOR.examine(to)}
        return found, to.requests

    return make


async def test_a_shop_that_speaks_as_documented_is_found_good(look: Look) -> None:
    found, requests = await look()
    assert {word: finding.verdict for word, finding in found.items()} == dict.fromkeys(
        ("longest page", "fields", "dates", "sort", "unknown filter", "created_after", "products"), "good"
    )
    assert len(requests) <= 6
    assert {request.method for request in requests} == {"GET"}
    assert "100 of 320" in found["longest page"].text
    assert "800" in found["products"].text


async def test_the_future_is_asked_for_by_the_host_s_clock(look: Look) -> None:
    _, requests = await look()
    assert [r.params["created_after"] for r in requests if "created_after" in r.params] == [
        "2023-11-15T22:13:20Z"
    ]


@pytest.mark.parametrize("given", [answer(404, b"<html>"), answer(200, b"<html>"), answer(200, {"ok": True})])
async def test_another_address_is_one_finding(look: Look, given: Response) -> None:
    found, requests = await look(first=given)
    assert found.keys() == {"list of orders"}
    assert found["list of orders"].verdict == "bad"
    assert found["list of orders"].setting == 'paths.orders = "…"'
    assert len(requests) == 1


@pytest.mark.parametrize(
    ("first", "verdict", "said"),
    [
        (page(*orders(250), total=300), "note", "250 orders came at once"),
        (page(*orders(50), total=300), "note", "short pages"),
        (page(*orders(7)), "good", "as the host says"),
        (page(*orders(7), limit=250), "assumed", "the shop has 7"),
    ],
)
async def test_the_longest_page_is_told(look: Look, first: Response, verdict: str, said: str) -> None:
    found, _ = await look(first=first)
    assert found["longest page"].verdict == verdict
    assert said in found["longest page"].text


@pytest.mark.parametrize("zone", [None, "Europe/Bucharest"])
async def test_dates_without_a_zone_need_the_setting(look: Look, zone: str | None) -> None:
    found, _ = await look(first=page({"id": 1, "date_created": "2024-01-01 10:00:00"}), timezone=zone)
    finding = found["dates"]
    if zone is None:
        assert (finding.verdict, finding.setting) == ("bad", 'timezone = "Europe/Bucharest"')
    else:
        assert (finding.verdict, finding.setting) == ("good", None)


@pytest.mark.parametrize(
    ("rows", "dates", "sort"),
    [
        (orders(9)[::-1], "good", "bad"),
        ([*orders(9), {"id": 77, "date_created": None}], "good", "good"),
        ([{"id": 1, "date_created": "yesterday"}], "bad", "assumed"),
        (orders(1), "good", "assumed"),
        ([*orders(1), *orders(1)], "good", "assumed"),
        ([{"id": 1}], "assumed", "assumed"),
        ([], "assumed", "assumed"),
    ],
)
async def test_dates_and_the_order_of_the_list_are_looked_at(
    look: Look, rows: Any, dates: str, sort: str
) -> None:
    found, _ = await look(first=page(*rows))
    assert (found["dates"].verdict, found["sort"].verdict) == (dates, sort)


async def test_fields_that_come_unasked_are_told(look: Look) -> None:
    found, _ = await look(first=page(*orders(3, currency="RON")))
    assert (found["fields"].verdict, "currency" in found["fields"].text) == ("note", True)


@pytest.mark.parametrize(
    ("given", "verdict", "said"),
    [
        (page(*orders(1)), "note", "passed over"),
        (answer(400, {"error": {"name": "other"}}), "good", "refused with 400 other"),
        (answer(400, b"<html>"), "good", "refused with 400"),
        (UNDEFINED, "good", "refused as undefined_filter"),
    ],
)
async def test_what_becomes_of_an_unknown_filter_is_told(
    look: Look, given: Response, verdict: str, said: str
) -> None:
    found, _ = await look(unknown=given)
    assert found["unknown filter"].verdict == verdict
    assert said in found["unknown filter"].text


async def test_a_date_filter_without_effect_is_bad(look: Look) -> None:
    assert (await look(future=page(*orders(1))))[0]["created_after"].verdict == "bad"
    assert (await look(future=UNDEFINED))[0]["created_after"].verdict == "bad"
    assert (await look(first=page(), future=page()))[0]["created_after"].verdict == "assumed"


@pytest.mark.parametrize(
    "given", [answer(404, b"<html>"), answer(200, b"<html>"), CredentialsError("may not"), answer(400, {})]
)
async def test_products_that_do_not_answer_are_no_fault(look: Look, given: Any) -> None:
    found, _ = await look(products=given)
    assert found["products"].verdict == "note"
    assert "ordered-products" in found["products"].text


async def test_credentials_that_are_refused_end_the_look(look: Look) -> None:
    with pytest.raises(CredentialsError):
        await look(first=CredentialsError("no"))
