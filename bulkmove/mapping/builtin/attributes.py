"""What a built-in mapper says of itself, as attributes of its function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

from bulkmove.model import JsonObject
from bulkmove.protocols import MapContext

CheckOptions = Callable[[Mapping[str, Any]], None]
FieldsOf = Callable[[Mapping[str, Any]], tuple[str, ...] | None]
_Function = Callable[[JsonObject, MapContext], JsonObject | None]


class BuiltinMapper(Protocol):
    """A mapper that can be asked before a run.

    `check_options` raises ConfigError for options that it can't work with. `no_place` names the documented
    fields of the source, dotted, that its bodies have no place for. `tables` are the options that name a
    look-up table; it asks no other look-ups (`lookups`). `fields_used` tells the fields of the source that it reads with
    these options (None: any). `is_pure`: it changes nothing and gives the same for the same,
    so that it may be called again for a record.
    """

    check_options: CheckOptions
    no_place: tuple[str, ...]
    tables: tuple[str, ...]
    lookups: tuple[str, ...]
    fields_used: FieldsOf | None
    is_pure: bool

    def __call__(self, record: JsonObject, context: MapContext) -> JsonObject | None: ...


def builtin_mapper(
    *,
    check_options: CheckOptions,
    no_place: tuple[str, ...] = (),
    tables: tuple[str, ...] = (),
    fields_used: FieldsOf | None = None,
) -> Callable[[_Function], BuiltinMapper]:
    """Puts the attributes on a function; it stays the plain function that it is."""

    def put(function: _Function) -> BuiltinMapper:
        mapper = cast("BuiltinMapper", function)
        mapper.check_options = check_options
        mapper.no_place = no_place
        mapper.tables = tables
        mapper.lookups = ()
        mapper.fields_used = fields_used
        mapper.is_pure = True
        return mapper

    return put
