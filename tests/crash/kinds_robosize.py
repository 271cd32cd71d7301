"""Writes to Robosize: single creates, changes and deletions of orders, and changes of many products in one request."""

from __future__ import annotations

from collections.abc import Callable

from bulkmove.demo.expected import RobosizeOrders
from tests.crash.judging import Accounts, Must, Row, row_id
from tests.crash.mappers import NAMES, TAGS
from tests.crash.stage import ORDERS, Lists, Scene, Stage, disk_scene, ids_by_key, orders_of, plain

_ORDERS, _PRODUCTS = "robosize-orders", "robosize-products"
FITTING = """
[routes.fitting]
source = "old.orders"
target = "sizing.orders"
mapper = "merchantpro-to-robosize-order"
"""
_SELF_ROUTE = """
[routes.products]
source = "sizing.products"
target = "sizing.products"
"""
RELINK = (
    _SELF_ROUTE + 'mapper = "robosize-relink"\noptions = { ids = "ids.csv", set = { tags = ["mutat"] } }\n'
)


def fitted(stage: Stage) -> Must:
    rules = RobosizeOrders()
    there = {str(row["store_id"]): row for row in stage.before[_ORDERS]}
    wanted = {str(row["id"]): {**rules.expected(row), "recommendations": []} for row in orders_of(stage)}
    return Must(
        made={key: row for key, row in wanted.items() if key not in there},
        # The device belongs to the creation alone.
        changed={row_id(there[key]): plain(row, "device_id") for key, row in wanted.items() if key in there},
        key_of=rules.key_of,
        shown=lambda row: rules.shown(row) | {"recommendations": row["recommendations"]},
    )


def _fitting_accounts(stage: Stage) -> Accounts:
    return Accounts(
        {"fitting": len(orders_of(stage))},
        target_ids=lambda after: {"fitting": ids_by_key(after, _ORDERS, "store_id")},
    )


CREATES = Scene("single creates", FITTING, lambda stage: {_ORDERS: fitted(stage)}, _fitting_accounts)
CHANGES_AND_CREATES = Scene(
    "changes and creates",
    FITTING,
    lambda stage: {_ORDERS: fitted(stage)},
    _fitting_accounts,
    settings={"targets_existing": 4, "targets_matching": ORDERS // 2},
)


def _fitting_gone(stage: Stage) -> Lists:
    mine = {str(row["id"]) for row in orders_of(stage)}
    gone = frozenset(row_id(row) for row in stage.before[_ORDERS] if str(row["store_id"]) in mine)
    return {_ORDERS: Must(gone=gone)}


DELETES_BY_KEY = Scene(
    "deletes by key",
    FITTING.replace('"merchantpro-to-robosize-order"', '"mappers.py:store_id"\nmode = "delete"'),
    _fitting_gone,
    accounts=lambda stage: Accounts({"fitting": len(orders_of(stage))}),
    settings={"targets_existing": 4, "targets_matching": ORDERS},
)


def _products_scene(name: str, routes: str, must: Callable[[Stage], Must]) -> Scene:
    return Scene(
        name,
        routes,
        must=lambda stage: {_PRODUCTS: must(stage)},
        accounts=lambda stage: Accounts({"products": len(stage.before[_PRODUCTS])}),
    )


def relinked(stage: Stage) -> Must:
    changed = {
        str(row["id"]): plain(row)
        | {"store_id": str(stage.ids[row["store_id"]]), "tags": [{"name": "mutat"}]}
        for row in stage.before[_PRODUCTS]
        if row["store_id"] in stage.ids
    }
    return Must(changed=changed, shown=plain)


def _tagged(stage: Stage) -> Must:
    changed = {
        str(row["id"]): plain(row) | {"tags": [{"name": TAGS[int(row["id"]) % len(TAGS)]}]}
        for row in stage.before[_PRODUCTS]
    }
    return Must(changed=changed, shown=plain)


def _crossed(stage: Stage) -> Must:
    changed = {
        str(row["id"]): plain(row)
        | {
            "tags": [{"name": TAGS[int(row["id"]) % len(TAGS)]}],
            "name": NAMES[int(row["id"]) // len(TAGS) % len(NAMES)],
        }
        for row in stage.before[_PRODUCTS]
    }
    return Must(changed=changed, shown=plain)


def _every_third_gone(stage: Stage) -> Must:
    return Must(gone=frozenset(row_id(row) for row in stage.before[_PRODUCTS] if int(row["id"]) % 3 == 0))


RELINKED = _products_scene("products linked anew", RELINK, relinked)
# One request carries many of these.
JOINED = _products_scene(
    "joined changes", _SELF_ROUTE + 'mapper = "mappers.py:tagged"\nbatch_size = 4\n', _tagged
)
# Each change goes in two requests.
DIVIDED = _products_scene(
    "changes divided by field", _SELF_ROUTE + 'mapper = "mappers.py:crossed"\n', _crossed
)
DELETES_FROM_ITS_OWN_LIST = _products_scene(
    "deletes from its own list",
    _SELF_ROUTE + 'mapper = "mappers.py:every_third"\nmode = "delete"\n',
    _every_third_gone,
)


def _product_rows(_: Stage) -> list[Row]:
    return [
        {
            "id": f"p-{n}",
            "name": f"Rochie {n}",
            "store_id": f"nou-{n}",
            "tags": ["de vară"],
            "image_url": f"https://x.example/{n}",
            "type": "top",
        }
        for n in range(10)
    ]


def _products_made(stage: Stage) -> Lists:
    shown = ("name", "store_id", "tags", "image_url", "type")
    made = {
        row["store_id"]: {**plain(row, "id"), "tags": [{"name": tag} for tag in row["tags"]]}
        for row in _product_rows(stage)
    }
    must = Must(
        made=made,
        key_of=lambda row: str(row["store_id"]),
        shown=lambda row: {name: row[name] for name in shown if name in row},
    )
    return {_PRODUCTS: must}


PRODUCT_CREATES = disk_scene(
    "product creates",
    "sizing.products",
    "create",
    mapper="mappers.py:without_id",
    rows=_product_rows,
    must=_products_made,
)
