"""Writes to a MerchantPro shop: orders made, changed, deleted, and marked as shipped and the like."""

from __future__ import annotations

from dataclasses import replace

from bulkmove.sandbox.words import SHIPPING_STATUSES
from tests.crash.judging import Found, Must, Row, World, row_id
from tests.crash.stage import Lists, Stage, disk_scene, orders_of, plain

_LIST = "orders"
_STEPS = ("shipped", "delivered")


def _changes(stage: Stage) -> list[Row]:
    """Two changes of each order, the second of which must stand."""
    ids = [row["id"] for row in orders_of(stage)][:6]
    return [
        {
            "id": f"{order_id} {turn}",
            "order": order_id,
            "customer_note": f"{turn} pentru {order_id}",
            "tags": [{"name": turn}],
        }
        for turn in ("întâi", "apoi")
        for order_id in ids
    ]


def _changed(stage: Stage) -> Lists:
    last = {str(row["order"]): row for row in _changes(stage)}
    changed = {
        str(row["id"]): _shown(row)
        | {"customer_note": last[str(row["id"])]["customer_note"], "tags": ["apoi"]}
        for row in stage.before[_LIST]
        if str(row["id"]) in last
    }
    return {_LIST: Must(changed=changed, shown=_shown)}


def _shown(row: Row) -> Row:
    """A tag is its name; when it was changed, the shop says by its own clock."""
    tags = row.get("tags") or []
    names = [tag["name"] for tag in tags] if isinstance(tags, list) else tags
    return plain(row, "date_modified") | {"tags": names}


CHANGES = disk_scene(
    "shop order changes",
    "old.orders",
    "update",
    mapper="mappers.py:change",
    rows=_changes,
    must=_changed,
)


def _steps(stage: Stage) -> list[Row]:
    """Each order is shipped, then delivered; of some an invoice is made.

    None of them is so already: a step in doubt is looked for in what the order shows.
    """
    ids = [row["id"] for row in orders_of(stage) if row["shipping_status"] not in _STEPS][:5]
    steps = [{"id": f"{i} {step}", "order": i, "handler": step} for step in _STEPS for i in ids]
    return steps + [
        {"id": f"{row['id']} invoice", "order": row["id"], "handler": "create_invoice"}
        for row in _without_invoice(stage)
    ]


def _without_invoice(stage: Stage) -> list[Row]:
    return [row for row in orders_of(stage) if not row.get("invoice")][:4]


def _processed(stage: Stage) -> Lists:
    stepped = {str(step["order"]) for step in _steps(stage) if step["handler"] in _STEPS}
    invoiced = {str(row["id"]) for row in _without_invoice(stage)}
    delivered = {
        "shipping_status": "delivered",
        "shipping_status_text": dict(SHIPPING_STATUSES)["delivered"],
        "date_shipped": True,
        "date_delivered": True,
    }
    changed = {
        row_id(row): _shown_processing(row)
        | (delivered if row_id(row) in stepped else {})
        | ({"invoice": True} if row_id(row) in invoiced else {})
        for row in stage.before[_LIST]
        if row_id(row) in stepped | invoiced
    }
    return {_LIST: Must(changed=changed, shown=_shown_processing)}


def _shown_processing(row: Row) -> Row:
    """What the shop notes by its own clock and numbers is there or not."""
    its_own = ("date_shipped", "date_delivered", "invoice")
    return _shown(row) | {name: bool(row.get(name)) for name in its_own}


def _calls_made(stage: Stage, after: World, found: Found) -> None:
    """A handler that is called twice may tell the customer twice: an order is written once for each of its steps."""
    before = {row_id(row): row["_writes"] for row in stage.before[_LIST]}
    for row in after[_LIST]:
        steps = sum(1 for step in _steps(stage) if str(step["order"]) == row_id(row))
        writes = row["_writes"] - before.get(row_id(row), 0)
        told = f"{_LIST} {row_id(row)}: {writes} handlers were called, not {steps}"
        if writes > steps:
            found.doubled.append(told)
        elif writes < steps:
            found.lost.append(told)


PROCESSING = replace(
    disk_scene(
        "processing",
        "old.processing",
        "update",
        mapper="mappers.py:step",
        rows=_steps,
        must=_processed,
    ),
    judge_more=_calls_made,
)


def _new_orders(_: Stage) -> list[Row]:
    return [
        {
            "id": f"n-{n}",
            "channel_ref_id": f"ref-{n}",
            "customer_note": f"nota {n}",
            "line_items": [{"product_id": 41 + n, "quantity": n + 1, "name": f"Șosete {n}"}],
        }
        for n in range(10)
    ]


def _orders_made(stage: Stage) -> Lists:
    must = Must(
        made={row["channel_ref_id"]: plain(row, "id") for row in _new_orders(stage)},
        key_of=lambda row: row.get("channel_ref_id"),
        shown=lambda row: {name: row[name] for name in ("channel_ref_id", "customer_note", "line_items")},
    )
    return {_LIST: must}


CREATES = disk_scene(
    "shop order creates",
    "old.orders",
    "create",
    mapper="mappers.py:without_id",
    rows=_new_orders,
    must=_orders_made,
)


def _some(stage: Stage) -> list[Row]:
    return [{"id": row["id"]} for row in orders_of(stage)][:-2]


DELETES = disk_scene(
    "deletes by address",
    "old.orders",
    "delete",
    rows=_some,
    must=lambda stage: {_LIST: Must(gone=frozenset(str(row["id"]) for row in _some(stage)))},
)
