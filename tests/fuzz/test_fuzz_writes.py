"""Answers to writes, whatever a host says: a result for each item that was sent, or an error of ours."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkmove.connectors.drf import describe
from bulkmove.errors import ConfigError
from bulkmove.exact import decode_json, encode_json
from bulkmove.load.matching import field_hashes, row_holds, shows_any
from bulkmove.model import PageQuery, Response, WriteItem
from bulkmove.settings import HostSettings
from tests.fuzz.conftest import Run
from tests.fuzz.odd_hosts import (
    CONNECTORS,
    answering,
    check_message,
    check_results,
    host_of,
    route_of,
    told,
)
from tests.fuzz.odd_json import ODD, bytes_of, written

LINE = {"order_status": "new", "quantity": 1, "product": 104392}
BODY: dict[str, Any] = {
    "rrn": "A-1",
    "store_id": "104",
    "channel_ref_id": "A-1",
    "data": {},
    "name": "x",
    "order_items": [LINE],
}
ANSWERS: tuple[Any, ...] = (
    [{"order_id": 7, "rrn": "A-1"}, {"order_id": 8, "rrn": "A-2"}, {"order_id": 9, "rrn": "A-3"}],
    {"count": 1, "next": "/?page=2", "previous": None, "results": [{"order_id": 7, "rrn": "A-1"}]},
    {"id": 7, "store_id": "104", "data": {}, "recommendations": []},
    {"order_id": 7, "rrn": "A-1", "order_items": [{"order_item_id": 1, **LINE}]},
    {"created": 1, "id": "7"},
    {"message": "updated"},
    {"ok": True},
    [{}, {"rrn": ["This field must be unique."]}, {}],
    {"1": {"rrn": ["This field must be unique."]}},
    {"error": {"name": "invalid", "message": "no", "details": {"reset_time": 1_700_000_060}}},
    {"detail": "Not found."},
    [{"order_id": 7, "status": 201}, {"status": 400, "errors": {"rrn": ["no"]}}, {"status": 500}],
)
WRITES = [
    ("merchantpro", "orders", "create"),
    ("merchantpro", "orders", "update"),
    ("merchantpro", "orders", "delete"),
    ("merchantpro", "processing", "update"),
    ("external-order", "orders", "create"),
    ("external-order", "orders", "update"),
    ("external-order", "order-items", "delete"),
    ("robosize", "orders", "create"),
    ("robosize", "orders", "update"),
    ("robosize", "orders", "delete"),
    ("robosize", "products", "create"),
    ("robosize", "products", "update"),
    ("robosize", "products", "delete"),
]
UPDATED = [(api, stream) for api, stream, mode in WRITES if mode == "update"]
SETTLING = (200, 200, 201, 202, 204, 207, 400, 404, 405, 409, 410, 413, 415, 418, 422)


def items_of(target: Any, mode: str, data: st.DataObject) -> list[WriteItem]:
    rule = target.rules["create" if mode == "create" else "update"]
    length = 1 if rule.shape == "single" else data.draw(st.integers(1, 3))
    ids = [None if mode == "create" else f"{7 + n}" for n in range(length)]
    body = {"handler": "shipped"} if "handler" in mode else {} if mode == "delete" else BODY
    bodies = [
        body if rule.shape == "joined" else {**body, "rrn": f"A-{n}"} if body else {} for n in range(length)
    ]
    return [WriteItem(id_, each, orjson.dumps(each)) for id_, each in zip(ids, bodies, strict=True)]


@pytest.mark.parametrize(("api", "stream", "mode"), WRITES, ids=map("-".join, WRITES))
@given(data=st.data())
def test_an_answer_to_a_write_is_a_result_an_item(
    api: str, stream: str, mode: str, data: st.DataObject, run: Run
) -> None:
    status = data.draw(st.sampled_from(SETTLING))
    options = data.draw(st.sampled_from([{}, {"spelling": "run-together"}, {"items_on_update": "replace"}]))
    bodies = [data.draw(bytes_of(data.draw(st.sampled_from(ANSWERS)))) for _ in range(2)]
    host = host_of(api, **options) if api == "external-order" else host_of(api)
    transport = answering(host, [b""] if status == 204 else bodies, status=status)
    target = CONNECTORS[api].target(stream, transport, route_of(stream, mode=mode))
    items = items_of(target, "handler" if stream == "processing" else mode, data)
    results = told(lambda: run(target.write(items)))
    if results is not None:
        check_results(results, items)


@pytest.mark.parametrize(("api", "stream"), UPDATED, ids=map("-".join, UPDATED))
@given(
    row=st.dictionaries(st.sampled_from([*BODY, "id", "order_id", "line_items", "tags", "device_id"]), ODD)
)
def test_any_row_can_be_compared_with_what_was_written(
    api: str, stream: str, row: dict[str, Any], run: Run
) -> None:
    """Rows are read back as they come; what can't be compared is equal to nothing."""
    target = CONNECTORS[api].target(
        stream,
        answering(host_of(api), [written({"data": [row], "results": [row]}).encode()]),
        route_of(stream, mode="update"),
    )
    page = told(lambda: run(target.list().fetch(PageQuery(10))))
    for record in page.records if page is not None else ():
        field_hashes(target, record.data)
        row_holds(target, BODY, record.data)
        shows_any(target, BODY, record.data)


def answered(status: int, body: bytes, *, date: float | None) -> Response:
    return Response(status, {}, body, None, 1_700_000_000.0, date)


@pytest.mark.parametrize("api", CONNECTORS)
@given(data=st.data(), date=st.none() | st.floats(-1e12, 1e12))
def test_a_wait_that_a_429_names_is_seconds_or_nothing(
    api: str, data: st.DataObject, date: float | None
) -> None:
    said = {"error": {"name": "rate_limit", "message": "slow", "details": {"reset_time": 1_700_000_060}}}
    wait_s = CONNECTORS[api].wait_from_body(answered(429, data.draw(bytes_of(said)), date=date))
    assert wait_s is None or 0 < wait_s <= 86_400


@pytest.mark.parametrize("api", CONNECTORS)
@given(data=st.data(), status=st.sampled_from([400, 405, 500]))
def test_whether_a_failure_passes_is_yes_or_no(api: str, data: st.DataObject, status: int) -> None:
    said = {"error": {"name": "x", "message": "Operation could not be completed", "details": None}}
    response = answered(status, data.draw(bytes_of(said)), date=None)
    assert CONNECTORS[api].is_passing(response) in {True, False}


@given(error=ODD, body=st.dictionaries(st.text(max_size=5), ODD, max_size=4))
def test_a_hosts_error_is_told_in_few_words_that_can_be_kept(error: Any, body: dict[str, Any]) -> None:
    try:
        said = decode_json(written(error).encode("utf-8", "surrogatepass"))
        sent = decode_json(written(body).encode("utf-8", "surrogatepass"))
        item = WriteItem(None, sent, encode_json(sent))
    except (ValueError, TypeError):  # a body that could not be sent
        return
    text = describe(said, item)
    assert len(text) <= 300
    if text:
        check_message(text)


@pytest.mark.parametrize("api", CONNECTORS)
@given(value=ODD)
def test_an_odd_option_of_a_host_is_a_configuration_error(api: str, value: Any, run: Run) -> None:
    try:
        option = decode_json(written(value).encode("utf-8", "surrogatepass"))
    except ValueError:
        return

    def use(host: HostSettings) -> None:
        transport = answering(host, [b'{"data": [], "results": []}'])
        CONNECTORS[api].headers(host)
        CONNECTORS[api].target("orders", transport, route_of("orders"))
        run(CONNECTORS[api].source("orders", transport, route_of("orders")).fetch(PageQuery(10)))

    for name in CONNECTORS[api].options:
        with suppress(ConfigError):
            use(host_of(api, **{name: option}))
