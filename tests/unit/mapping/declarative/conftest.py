"""A table of fields put to one record."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from bulkmove.errors import RejectRecordError
from bulkmove.mapping.context import RouteContext
from bulkmove.mapping.declarative import compile_fields
from bulkmove.mapping.lookups.index import Index
from bulkmove.mapping.lookups.keys import FieldWatch
from bulkmove.mapping.lookups.resolver import Lookups
from bulkmove.mapping.resolve import ResolvedMapper
from bulkmove.protocols import MapContext
from bulkmove.settings import LookupSettings

Compile = Callable[..., ResolvedMapper]
MapOne = Callable[..., Any]
Refused = Callable[..., tuple[str, str]]

REGION = LookupSettings(name="region", missing="reject")
LOCALITY = replace(REGION, name="locality", within="region_id")
CODE = replace(REGION, name="by_code", key="code")
EAN = replace(REGION, name="by_ean", key="ean")
SIZE = replace(REGION, name="size", missing="null")
SETTINGS = {each.name: each for each in (REGION, LOCALITY, CODE, EAN, SIZE)}
ROWS: Mapping[str, list[dict[str, Any]]] = {
    "region": [{"id": 1, "name": "Cluj"}, {"id": 2, "name": "Iași"}],
    "locality": [{"id": 11, "name": "Sat", "region_id": 1}, {"id": 21, "name": "Sat", "region_id": 2}],
    "by_code": [{"id": 100, "code": "A-1"}],
    "by_ean": [{"id": 200, "ean": "594"}],
    "size": [{"id": 7, "name": "XL"}],
}


@dataclass(frozen=True, slots=True)
class Opened:
    """The look-ups above, and a context that asks them."""

    lookups: Lookups
    context: MapContext


def opened(*, collecting: bool = False) -> Opened:
    lookups = Lookups(collecting=collecting)
    for name, settings in SETTINGS.items():
        index = Index(settings, FieldWatch(settings, name))
        index.add(ROWS[name])
        lookups.add_whole(settings, index)
    by_name = lookups.of_route({name: name for name in SETTINGS})
    context = RouteContext(route="orders", options={}, tables={}, ids_of=lambda *_: (), lookups=by_name)
    return Opened(lookups, context)


@pytest.fixture
def table() -> Compile:
    """Compiles the TOML of a table of fields."""

    def compiled(text: str, *, skip_when: str | None = None) -> ResolvedMapper:
        return compile_fields(
            tomllib.loads(text),
            skip_when=skip_when,
            lookups=SETTINGS,
            route="orders",
            file=Path("migration.toml"),
        )

    return compiled


@pytest.fixture
def map_one(table: Compile) -> MapOne:
    """The body that a table makes of a record; None where it is skipped."""

    def call(text: str, record: dict[str, Any], *, skip_when: str | None = None) -> Any:
        return table(text, skip_when=skip_when).function(record, opened().context)

    return call


@pytest.fixture
def refused(map_one: MapOne) -> Refused:
    """Cause and message with which a table rejects a record."""

    def call(text: str, record: dict[str, Any]) -> tuple[str, str]:
        with pytest.raises(RejectRecordError) as raised:
            map_one(text, record)
        return raised.value.cause, str(raised.value)

    return call
