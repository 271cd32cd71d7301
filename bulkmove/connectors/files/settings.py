"""What a host of files, and a route to or from it, can be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from bulkmove.connectors.asking import choice
from bulkmove.connectors.files.cells import can_be_column
from bulkmove.connectors.files.compression import COMPRESSIONS, Compression, check_compression
from bulkmove.connectors.files.names import FORMATS, Format, Place, Shape
from bulkmove.errors import ConfigError
from bulkmove.settings import HostSettings, RouteSettings

ID_FIELD = "id"
YES_OR_NO = ("no", "yes")

OPTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"format": FORMATS, "compression": COMPRESSIONS, "id_field": (), "columns": (), "overwrite": YES_OR_NO}
)


@dataclass(frozen=True, slots=True)
class Writing:
    """How a stream is written.

    `columns`: of a CSV file, None for those of its first rows. `overwrite`: a file that is there, or was begun by
    another run, may be replaced.
    """

    shape: Shape
    natural_key: str
    columns: tuple[str, ...] | None
    overwrite: bool


def place_of_stream(host: HostSettings, stream: str) -> Place:
    return Place(directory=Path(host.url), stream=stream, name=f"{host.name}.{stream}")


def id_field_of(host: HostSettings, route: RouteSettings) -> str:
    """The field that a row is known by. Raises ConfigError where it is no text."""
    value = _option(host, route, "id_field", ID_FIELD)
    if not isinstance(value, str) or not value:
        raise ConfigError(f"routes.{route.name}: option id_field must be the name of a field, in quotes")
    return value


def writing_of(host: HostSettings, route: RouteSettings) -> Writing:
    """Raises ConfigError for options that can't be worked with."""
    form = cast("Format", choice(host, route, name="format", allowed=FORMATS))
    compression = cast("Compression", choice(host, route, name="compression", allowed=COMPRESSIONS))
    check_compression(compression)
    return Writing(
        shape=Shape(form, compression),
        natural_key=route.natural_key or id_field_of(host, route),
        columns=_columns(host, route),
        overwrite=choice(host, route, name="overwrite", allowed=YES_OR_NO) == "yes",
    )


def _columns(host: HostSettings, route: RouteSettings) -> tuple[str, ...] | None:
    """A list of names, or text with commas between them."""
    value = _option(host, route, "columns", None)
    if value is None:
        return None
    names = [name.strip() for name in value.split(",")] if isinstance(value, str) else value
    is_list = (
        isinstance(names, list)
        and names
        and all(isinstance(name, str) and can_be_column(name) for name in names)
    )
    if not is_list or len(set(names)) < len(names):
        raise ConfigError(
            f'routes.{route.name}: option columns must name each column once, as "id,date_created"'
        )
    return tuple(names)


def _option(host: HostSettings, route: RouteSettings, name: str, default: Any) -> Any:
    return route.options.get(name, host.options.get(name, default))
