"""Where the new id of a record comes from: a table, or what the record became on another route."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bulkmove.errors import ConfigError
from bulkmove.mapping.builtin.options import as_text, text_option
from bulkmove.protocols import MapContext

IDS_OPTIONS = ("ids", "ids_from")

NewId = Callable[[MapContext, str], str | None]


def ids_source(options: Mapping[str, Any]) -> NewId | None:
    """`options.ids` is the table "ids", `options.ids_from` a route; None where neither is set, ConfigError for both."""
    if "ids" in options and "ids_from" in options:
        raise ConfigError("options.ids and options.ids_from: set one of them, not both")
    if "ids" in options:
        return _by_table
    if "ids_from" not in options:
        return None
    route = text_option(options, "ids_from")
    if not route:
        raise ConfigError("options.ids_from: must name a route that stands in `after`")

    def by_route(context: MapContext, old: str) -> str | None:
        return context.target_id(route, old)

    return by_route


def _by_table(context: MapContext, old: str) -> str | None:
    return as_text(context.lookup("ids", old))
