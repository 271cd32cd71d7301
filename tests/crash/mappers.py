"""A user's mapper that breaks some bodies: copied beside a migration.toml, it is loaded as the user's own file."""

from __future__ import annotations

import zlib
from typing import Any

from bulkmove.mapping.builtin.external_order import order_to_external_order
from bulkmove.protocols import MapContext

ONE_IN = 37


def is_broken(source_id: str) -> bool:
    return zlib.crc32(source_id.encode()) % ONE_IN == 0


def breaks_one_in_37(record: dict[str, Any], context: MapContext) -> dict[str, Any] | None:
    """The target takes whole numbers alone and answers 400; by the record, so that each is broken alone or never."""
    body = order_to_external_order(record, context)
    if body is not None and is_broken(str(record["id"])):
        body["order_items"][0]["quantity"] = "a pair"
    return body
