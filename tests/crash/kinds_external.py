"""Writes to an external-order shop: arrays of creates, updates, and lines that are taken out of orders."""

from __future__ import annotations

from dataclasses import replace

import orjson

from bulkmove.demo.expected import ExternalOrders
from tests.crash.judging import Accounts, Must, Row, row_id
from tests.crash.mappers import is_broken
from tests.crash.stage import ORDERS, Lists, Scene, Stage, disk_scene, ids_by_key, made_by, orders_of, plain

SHOP = 2
_LIST = "external-orders"
ROUTE = """
[routes.orders]
source = "old.orders"
target = "new.orders"
mapper = "merchantpro-to-external-order"
batch_size = 4
options = { shop = 2, products = "ids.csv" }
"""
ROUTE_WITH_BAD = ROUTE.replace(
    '"merchantpro-to-external-order"', '"mappers.py:breaks_some"\ncheck_bodies = false'
)


def made(stage: Stage) -> Must:
    return made_by(ExternalOrders(SHOP, stage.ids), orders_of(stage))


def made_but_for_bad(stage: Stage) -> Must:
    good = [row for row in orders_of(stage) if not is_broken(str(row["id"]))]
    return made_by(ExternalOrders(SHOP, stage.ids), good)


def bad(stage: Stage) -> frozenset[str]:
    broken = frozenset(str(row["id"]) for row in orders_of(stage) if is_broken(str(row["id"])))
    if not broken:
        raise ValueError("no record is broken: take another seed")
    return broken


def _accounts(stage: Stage) -> Accounts:
    return Accounts(
        {"orders": len(orders_of(stage))},
        target_ids=lambda after: {"orders": ids_by_key(after, _LIST, "rrn")},
    )


CREATES = Scene("array creates", ROUTE, must=lambda stage: {_LIST: made(stage)}, accounts=_accounts)
CREATES_WITH_BAD = Scene(
    "array creates, bad records",
    ROUTE_WITH_BAD,
    must=lambda stage: {_LIST: made_but_for_bad(stage)},
    accounts=lambda stage: replace(_accounts(stage), rejected={"orders": bad(stage)}),
    code=3,
)


def _sorted_lines(row: Row) -> Row:
    """Lines are matched to those that are there, so that their order is not the source's."""
    shown = ExternalOrders(SHOP).shown(row)
    return {**shown, "order_items": sorted(shown["order_items"], key=_as_text)}


def _as_text(line: Row) -> bytes:
    return orjson.dumps(line, option=orjson.OPT_SORT_KEYS)


def _too_few_lines(stage: Stage) -> frozenset[str]:
    """Updates take no line away: an order that shall have fewer than its row has is rejected."""
    there = _rows_there(stage)
    return frozenset(
        str(row["id"])
        for row in orders_of(stage)
        if str(row["id"]) in there and len(there[str(row["id"])]["order_items"]) > len(row["line_items"])
    )


def _rows_there(stage: Stage) -> dict[str, Row]:
    return {str(row["rrn"]): row for row in stage.before[_LIST] if row["rrn"] is not None}


def _changed(stage: Stage, left_out: frozenset[str]) -> Lists:
    """The orders that were there, and new ones for the rest."""
    rules, there = ExternalOrders(SHOP, stage.ids), _rows_there(stage)
    wanted = {str(row["id"]): rules.expected(row) for row in orders_of(stage)}
    lines = {
        key: _sorted_lines(row) for key, row in wanted.items() if row is not None and key not in left_out
    }
    must = Must(
        made={key: row for key, row in lines.items() if key not in there},
        changed={row_id(there[key]): row for key, row in lines.items() if key in there},
        key_of=rules.key_of,
        shown=_sorted_lines,
    )
    return {_LIST: must}


_THERE = {"targets_existing": 4, "targets_matching": ORDERS - 2}
APPENDING = Scene(
    "updates that append lines",
    ROUTE.replace(" }", ', items_on_update = "append" }'),
    must=lambda stage: _changed(stage, _too_few_lines(stage)),
    accounts=lambda stage: Accounts(
        {"orders": len(orders_of(stage))}, rejected={"orders": _too_few_lines(stage)}
    ),
    settings=_THERE,
    code=3,
)
REPLACING = Scene(
    "updates that replace lines",
    ROUTE.replace(" }", ', items_on_update = "replace" }'),
    must=lambda stage: _changed(stage, frozenset()),
    accounts=lambda stage: Accounts({"orders": len(orders_of(stage))}),
    settings={**_THERE, "items_on_update": "replace"},
)


def _first_lines(stage: Stage) -> list[Row]:
    return [
        {"id": f"line-{row['order_items'][0]['order_id']}", "line": row["order_items"][0]["order_id"]}
        for row in stage.before[_LIST]
        if len(row["order_items"]) > 1
    ]


def _lines_gone(stage: Stage) -> Lists:
    changed = {
        row_id(row): plain(row) | {"order_items": row["order_items"][1:]}
        for row in stage.before[_LIST]
        if len(row["order_items"]) > 1
    }
    return {_LIST: Must(changed=changed, shown=plain, writes=1)}


DELETES_OF_LINES = replace(
    disk_scene(
        "deletes of order lines",
        "new.order-items",
        "delete",
        mapper="mappers.py:line",
        rows=_first_lines,
        must=_lines_gone,
    ),
    settings={"targets_existing": 20},
)
