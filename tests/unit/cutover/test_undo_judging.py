"""What is done with one row, by what it shows, what was written to it and what stood there before."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from bulkmove.connectors.external_order import CONNECTOR as EXTERNAL
from bulkmove.connectors.merchantpro import CONNECTOR as MERCHANTPRO
from bulkmove.connectors.robosize import CONNECTOR as ROBOSIZE
from bulkmove.connectors.scripted import ScriptedTransport, answer
from bulkmove.cutover.undo.judging import judge_row
from bulkmove.cutover.undo.ways import Ways
from bulkmove.ledger.undoing import Judged, PlannedRow
from bulkmove.load.checking import body_checker
from bulkmove.model import JsonObject
from bulkmove.protocols import Connector, Target
from bulkmove.settings import HostSettings, Mode, RouteSettings, StreamName

CONNECTORS: dict[str, Connector] = {"shop": MERCHANTPRO, "new": EXTERNAL, "sizing": ROBOSIZE}


def ways(host: str, stream: str, *, sets: JsonObject | None = None) -> Ways:
    spec = CONNECTORS[host].streams[stream]
    deletes = target(host, stream, "delete") if "delete" in spec.modes else None
    return Ways(
        spec, target(host, stream), deletes=deletes, sets=sets or {}, check=body_checker(spec, "update")
    )


def target(host: str, stream: str, mode: Mode = "upsert") -> Target:
    name = StreamName(host, stream)
    route = RouteSettings("r", StreamName("old", "orders"), name, "a mapper", mode=mode)
    settings = HostSettings(host, api=CONNECTORS[host].name, url="http://127.0.0.1:1")
    return CONNECTORS[host].target(stream, ScriptedTransport(settings, lambda _: answer()), route)


def planned(*, is_created: bool, key: str | None = None) -> PlannedRow:
    return PlannedRow("7", 1, is_created, key, None, None, None, None)


def judge(
    row: JsonObject | None,
    how: Ways,
    *,
    body: JsonObject | None = None,
    image: JsonObject | None = None,
    is_created: bool = False,
    key: str | None = None,
    edited_too: bool = False,
) -> Judged:
    plan = planned(is_created=is_created, key=key)
    return judge_row(plan, row, how, body=body, image=image, edited_too=edited_too)


def sent(judged: Judged) -> Any:
    return None if judged.send is None else orjson.loads(judged.send)


PRODUCTS = ways("sizing", "products")
WAS = {"id": "7", "store_id": "11", "name": "Rochie", "tags": [{"name": "vară"}], "status": "on"}
IS = {**WAS, "store_id": "22"}


def test_a_created_row_is_deleted_and_one_that_is_gone_needs_nothing() -> None:
    row, body = {"id": "7", "store_id": "1", "data": {"a": 1}}, {"store_id": "1", "data": {"a": 1}}
    orders = ways("sizing", "orders")
    assert judge(row, orders, body=body, is_created=True).step == "delete"
    assert judge(None, orders, body=body, is_created=True).step == "gone"


def test_a_changed_row_gets_the_fields_back_that_were_written_and_no_others() -> None:
    judged = judge({**IS, "status": "off"}, PRODUCTS, body={"store_id": "22"}, image=WAS)
    assert (judged.step, sent(judged)) == ("restore", {"store_id": "11"})


def test_what_is_as_it_was_before_is_not_sent() -> None:
    body = {"store_id": "22", "name": "Rochie"}
    assert sent(judge(IS, PRODUCTS, body=body, image=WAS)) == {"store_id": "11"}
    assert judge(WAS, PRODUCTS, body=body, image=WAS).step == "already"


def test_tags_come_as_objects_and_are_put_back_as_texts() -> None:
    judged = judge({**WAS, "tags": []}, PRODUCTS, body={"tags": []}, image=WAS)
    assert sent(judged) == {"tags": ["vară"]}


def test_a_field_that_never_comes_back_is_named_and_the_others_are_put_back() -> None:
    judged = judge(IS, PRODUCTS, body={"store_id": "22", "image_url": "u"}, image=WAS)
    assert (judged.step, judged.why) == ("restore", "image_url can't be put back")
    assert judge(IS, PRODUCTS, body={"image_url": "u"}, image=WAS).step == "no-form"


@pytest.mark.parametrize("edited_too", [False, True])
def test_an_edited_row_is_left_unless_it_is_meant_too(*, edited_too: bool) -> None:
    judged = judge(
        {**IS, "store_id": "33"}, PRODUCTS, body={"store_id": "22"}, image=WAS, edited_too=edited_too
    )
    assert judged.step == ("restore" if edited_too else "edited")
    if not edited_too:
        assert judged.why == "store_id changed since"


def test_without_the_row_as_it_was_or_what_was_written_nothing_is_done() -> None:
    assert judge(IS, PRODUCTS, body={"store_id": "22"}).step == "no-before"
    assert judge(IS, PRODUCTS, image=WAS).step == "cannot-tell"
    orders = ways("sizing", "orders")
    row = {"id": "7", "store_id": "1", "data": {}}
    assert judge(row, orders, is_created=True).step == "cannot-tell"
    assert judge(row, orders, is_created=True, edited_too=True).step == "delete"


def test_a_row_that_shows_no_field_of_what_was_written_tells_nothing() -> None:
    assert judge({"id": "7"}, ways("sizing", "orders"), body={"store_id": "1"}, is_created=True).step == (
        "cannot-tell"
    )


def test_a_row_with_another_key_is_anothers_even_where_edited_ones_are_meant() -> None:
    orders = ways("shop", "orders")
    body, row = {"channel_ref_id": "N-1"}, {"id": "7", "channel_ref_id": "X-9"}
    judged = judge(row, orders, body=body, is_created=True, key="N-1", edited_too=True)
    assert judged.step == "other-row"
    spelled = {"id": "7", "channel_ref_id": " n-1"}
    assert judge(spelled, orders, body=body, is_created=True, key="N-1", edited_too=True).step == "delete"


LINES = [
    {"order_id": 12, "product": 5, "quantity": 2, "order_status": "new", "loyalty_price": None, "shown": "x"},
    {"order_id": 13, "product": 6, "quantity": 1, "order_status": "done", "loyalty_price": None},
]
ORDER = {"order_id": 7, "rrn": "A", "shop": 2, "order_items": LINES, "address": None}
WRITTEN = {
    "rrn": "A",
    "shop": 2,
    "order_items": [
        {"product": 5, "quantity": 2, "order_status": "new"},
        {"product": 6, "quantity": 1, "order_status": "done"},
    ],
}


def test_undo_with_sets_a_table_on_each_line_and_leaves_the_rest_of_the_line() -> None:
    how = ways("new", "orders", sets={"order_items": {"order_status": "canceled"}})
    judged = judge(ORDER, how, body=WRITTEN, is_created=True)
    assert judged.step == "set"
    assert sent(judged) == {
        "order_items": [
            {"order_id": 12, "product": 5, "quantity": 2, "order_status": "canceled", "loyalty_price": None},
            {"order_id": 13, "product": 6, "quantity": 1, "order_status": "canceled", "loyalty_price": None},
        ]
    }
    done = {**ORDER, "order_items": [{**line, "order_status": "canceled"} for line in LINES]}
    assert judge(done, how, body=WRITTEN, is_created=True).step == "already"


def test_an_order_whose_lines_were_edited_is_left() -> None:
    how = ways("new", "orders", sets={"order_items": {"order_status": "canceled"}})
    edited = {**ORDER, "order_items": [{**LINES[0], "quantity": 3}, LINES[1]]}
    judged = judge(edited, how, body=WRITTEN, is_created=True)
    assert (judged.step, judged.why) == ("edited", "order_items changed since")
    assert judge(ORDER, ways("new", "orders"), body=WRITTEN, is_created=True).step == "no-way"
