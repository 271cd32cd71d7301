"""Mappers of simulated migrations that no built-in one stands for."""

from __future__ import annotations

from bulkmove.model import JsonObject
from bulkmove.protocols import MapContext

CARRIED = ("line_items", "shipping_status", "payment_status")


def only_its_key(record: JsonObject, context: MapContext) -> JsonObject:
    """By which a row of Robosize is found, to be deleted."""
    del context
    return {"store_id": str(record["id"])}


def the_same_order(record: JsonObject, context: MapContext) -> JsonObject:
    """For another shop of the same make."""
    del context
    return {"channel_ref_id": str(record["id"]), **{name: record[name] for name in CARRIED}}
