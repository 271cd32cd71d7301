"""A user's mappers: copied beside a migration.toml, they are loaded as the user's own file."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

from bulkmove.errors import RejectRecordError
from bulkmove.mapping.builtin.external_order import order_to_external_order
from bulkmove.protocols import MapContext

ONE_IN = 6
FIELDS = ("id", "customer_note", "billing_name", "total_amount", "line_items")
TAGS = ("de vară", "de iarnă", "🧥")
NAMES = ("Rochie", "Sacou", "Palton", "Bluză")
Row = dict[str, Any]


def is_broken(source_id: str) -> bool:
    return zlib.crc32(source_id.encode()) % ONE_IN == 0


def breaks_some(record: Row, context: MapContext) -> Row | None:
    """The target takes whole numbers alone and answers 400; by the record, so that each is broken alone or never."""
    body = order_to_external_order(record, context)
    if body is not None and is_broken(str(record["id"])):
        body["order_items"][0]["quantity"] = "a pair"
    return body


def change(record: Row, _context: MapContext) -> Row:
    return {"id": record["order"], "customer_note": record["customer_note"], "tags": record["tags"]}


def note(record: Row, _context: MapContext) -> Row:
    return {"id": record["order"], "customer_note": record["customer_note"]}


def note_once_mended(record: Row, context: MapContext) -> Row:
    if Path("broken").exists():
        raise RejectRecordError("not yet")
    return note(record, context)


def step(record: Row, _context: MapContext) -> Row:
    return {"id": record["order"], "handler": record["handler"]}


def line(record: Row, _context: MapContext) -> Row:
    return {"id": record["line"]}


def without_id(record: Row, _context: MapContext) -> Row:
    return {name: value for name, value in record.items() if name != "id"}


def store_id(record: Row, _context: MapContext) -> Row:
    return {"store_id": str(record["id"])}


def every_third(record: Row, _context: MapContext) -> Row | None:
    return {"id": record["id"]} if int(record["id"]) % 3 == 0 else None


def tagged(record: Row, _context: MapContext) -> Row:
    return {"id": record["id"], "tags": [TAGS[int(record["id"]) % len(TAGS)]]}


def crossed(record: Row, _context: MapContext) -> Row:
    """Each name with each tag: fewest requests change one field of many products after the other."""
    number = int(record["id"])
    return {
        "id": record["id"],
        "tags": [TAGS[number % len(TAGS)]],
        "name": NAMES[number // len(TAGS) % len(NAMES)],
    }


def whole(record: Row, _context: MapContext) -> Row:
    return record


def some_fields(record: Row, _context: MapContext) -> Row:
    """The old host leaves fields out here and there, and a CSV file has one header for all."""
    return {name: record.get(name) for name in FIELDS}
