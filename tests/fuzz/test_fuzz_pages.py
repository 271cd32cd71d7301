"""Pages of lists, whatever a host sends as one: records, or an error of ours that names the host."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkmove.exact import name_of_content
from bulkmove.model import PageQuery, Record
from tests.fuzz.conftest import Run
from tests.fuzz.odd_hosts import (
    CANARY,
    CONNECTORS,
    ORDER,
    answering,
    check_message,
    check_page,
    host_of,
    route_of,
    told,
)
from tests.fuzz.odd_json import ODD, bytes_of

NEXT = f"https://shop.example/?api_key={CANARY}&page=2"
LINES = [
    {"order_item_id": 1, "order_status": "new", "quantity": 1000, "product": 104392},
    {"order_item_id": 2, "order_status": "new", "quantity": 1000, "product": 104393},
]
EXTERNAL = {"order_id": 7, "rrn": "A-1", "created_at": 1706738400, "shop": 2, "order_items": LINES}


def merchantpro(*rows: Any) -> dict[str, Any]:
    count = {"total": 2, "current": 2, "start": 0, "limit": 100}
    return {
        "data": list(rows),
        "meta": {"count": count, "links": {"prev": None, "current": "/x", "next": NEXT}},
    }


def drf(*rows: Any) -> dict[str, Any]:
    return {"count": 2, "next": NEXT, "previous": None, "results": list(rows)}


SMALL_ORDER = {
    "id": "95750870.3",
    "date_created": "2024-01-31T22:00:00+02:00",
    "date_modified": "2024-02-01T08:00:00+02:00",
}
PRODUCT = {
    "id": 50001,
    "store_id": "104",
    "name": "x",
    "tags": [{"name": "summer"}],
    "size_chart": {"S": [1, 2]},
}
LISTS: dict[tuple[str, str], Any] = {
    ("merchantpro", "orders"): merchantpro(SMALL_ORDER, SMALL_ORDER),
    ("merchantpro", "products"): merchantpro({"id": 1, "sku": "a"}, {"id": 2, "sku": "b"}),
    ("external-order", "orders"): drf(EXTERNAL, {**EXTERNAL, "created_at": "2024-01-31T22:00:00"}),
    ("external-order", "localities"): [{"id": 1, "name": "Chișinău"}, {"id": 2, "name": "Bălți"}],
    ("robosize", "orders"): drf({"id": "1", "store_id": "104", "data": {}, "recommendations": []}),
    ("robosize", "products"): drf(PRODUCT, PRODUCT),
}
DIALECTS = [{}, {"spelling": "run-together", "paging": "limit-offset"}]


@pytest.mark.parametrize(("api", "stream"), LISTS, ids=map("-".join, LISTS))
@given(data=st.data())
def test_a_page_is_records_or_an_error_of_ours(api: str, stream: str, data: st.DataObject, run: Run) -> None:
    bodies = [data.draw(bytes_of(LISTS[api, stream])) for _ in range(2)]
    options = data.draw(st.sampled_from(DIALECTS)) if api == "external-order" else {}
    transport = answering(host_of(api, **options), bodies)
    source = CONNECTORS[api].source(stream, transport, route_of(stream))
    page = told(lambda: run(source.fetch(PageQuery(100))))
    if page is not None:
        check_page(page)
        for record in page.records:
            name_of_content(record.data)
            if record.key is not None and source.listing.reading == "keyset":
                query = PageQuery(100, after=record.key - 1, before=record.key + 1)
                told(lambda: run(source.fetch(query)))  # noqa: B023  # run at once


@pytest.mark.parametrize(("api", "stream"), LISTS, ids=map("-".join, LISTS))
@given(data=st.data(), status=st.sampled_from([300, 400, 404, 405, 409, 410, 413, 418, 422, 451]))
def test_a_list_that_is_refused_is_an_error_of_ours(
    api: str, stream: str, data: st.DataObject, status: int, run: Run
) -> None:
    error = {
        "error": {"name": "undefined_filter", "message": "no", "details": {"reset_time": 1}},
        "detail": "no",
    }
    body = data.draw(bytes_of(error))
    source = CONNECTORS[api].source(stream, answering(host_of(api), [body], status=status), route_of(stream))
    told(lambda: run(source.fetch(PageQuery(100, offset=data.draw(st.sampled_from([0, 100]))))))


@pytest.mark.parametrize("api", CONNECTORS)
@given(data=st.data())
def test_what_a_host_is_examined_by_may_be_anything(api: str, data: st.DataObject, run: Run) -> None:
    documents = [LISTS[pair] for pair in LISTS if pair[0] == api]
    bodies = [data.draw(bytes_of(data.draw(st.sampled_from(documents)))) for _ in range(9)]
    status = data.draw(st.sampled_from([200, 200, 200, 201, 400, 404, 422]))
    transport = answering(host_of(api), bodies, status=status)
    for finding in told(lambda: run(CONNECTORS[api].examine(transport))) or ():
        check_message(finding.text)
        check_message(finding.question)


@given(lines=ODD | st.lists(ODD, max_size=3))
def test_products_are_derived_of_any_order(lines: Any) -> None:
    derive = CONNECTORS["merchantpro"].streams["ordered-products"].derive
    assert derive is not None
    whole = {**ORDER, "line_items": lines}
    for record in derive(Record("1", None, None, whole)):
        assert record.id
        assert isinstance(record.data, dict)


@pytest.mark.parametrize("is_found", [True, False])
@given(data=st.data())
def test_a_search_ends_whatever_it_finds(is_found: bool, data: st.DataObject, run: Run) -> None:  # noqa: FBT001  # a parameter
    rows = LISTS["external-order", "localities"] if is_found else drf(*LISTS["external-order", "localities"])
    transport = answering(host_of("external-order"), [data.draw(bytes_of(rows)) for _ in range(3)] + [b"[]"])
    search = CONNECTORS["external-order"].search("products", transport)

    async def find() -> None:
        await search("shirt")

    told(lambda: run(find()))
    assert len(transport.requests) < 10
