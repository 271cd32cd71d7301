"""A record is handed on unchanged: to a file, or out of one to a list of the same kind."""

from __future__ import annotations

from bulkmove.model import JsonObject
from bulkmove.protocols import MapContext


def as_it_is(record: JsonObject, context: MapContext) -> JsonObject:
    """The record with all its fields, its id among them."""
    del context
    return record
