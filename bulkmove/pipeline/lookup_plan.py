"""What the configuration says of look-ups: checked, matched with the routes that use them, and fingerprinted."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import orjson

from bulkmove.connectors.asking import nearest
from bulkmove.errors import ConfigError
from bulkmove.mapping.lookups.decisions import Decisions
from bulkmove.mapping.resolve import ResolvedMapper
from bulkmove.protocols import Connector, StreamSpec
from bulkmove.settings import LookupSettings, MigrationSettings, RouteSettings

# How an option of a route names a look-up: products = "lookups.product".
OPTION_PREFIX = "lookups."


def check_lookup(where: str, lookup: LookupSettings, hosts: Mapping[str, Connector]) -> None:
    """Raises ConfigError where its stream is not there, can't be read, or can't be asked in the way that is wanted."""
    if lookup.stream is None:
        return
    streams = hosts[lookup.stream.host].streams
    spec = streams.get(lookup.stream.stream)
    readable = [name for name, each in streams.items() if each.can_read]
    if spec is None:
        raise ConfigError(
            f"{where}.from: host {lookup.stream.host!r} ({hosts[lookup.stream.host].name}) has no stream"
            f" {lookup.stream.stream!r}{nearest(lookup.stream.stream, readable)}"
        )
    if not spec.can_read:
        raise ConfigError(f"{where}.from: {lookup.stream} can't be read{nearest(spec.name, readable)}")
    for name in lookup.where:
        if spec.filters is not None and name not in spec.filters:
            end = nearest(name, spec.filters) or "; it takes none"
            raise ConfigError(f"{where}.where.{name}: {lookup.stream} has no such filter{end}")
    if lookup.load == "on-demand":
        _check_on_demand(where, lookup, spec)


def _check_on_demand(where: str, lookup: LookupSettings, spec: StreamSpec) -> None:
    way = way_of_asking(lookup, spec)
    if way is None:
        if spec.filters and lookup.within is None:
            hint = f"; with `within` it could be asked by {' or '.join(sorted(spec.filters))}"
        else:
            hint = ""
        raise ConfigError(
            f"{where}.load: {lookup.stream} can't be asked for single values: it has no search"
            f'{"" if lookup.within is None else f" and no filter {lookup.within}"}{hint}; leave out load = "on-demand"'
        )
    if way == "search" and lookup.where:
        raise ConfigError(f'{where}.where: a search takes no filters; leave them out, or set load = "whole"')
    if way == "within" and lookup.within in lookup.where:
        raise ConfigError(
            f"{where}.where.{lookup.within}: `within` asks for one value after the other; leave this out"
        )


def way_of_asking(lookup: LookupSettings, spec: StreamSpec) -> Literal["within", "search"] | None:
    """By all rows of one outer value, which answers for all values within it, else by a search for the value itself."""
    if lookup.within is not None and spec.filters is not None and lookup.within in spec.filters:
        return "within"
    return "search" if spec.can_search else None


def lookups_of(
    where: str, settings: MigrationSettings, route: RouteSettings, mapper: ResolvedMapper
) -> dict[str, str]:
    """The look-ups that a route's mapper may ask, by the names that it asks by: their own, and options that name one.

    Raises ConfigError for a name that is none.
    """
    found = {name: name for name in settings.lookups if mapper.lookups is None}
    for name in mapper.lookups or ():
        _check_name(f"{where}.mapper", name, settings)
        found[name] = name
    for option, value in route.options.items():
        if isinstance(value, str) and value.startswith(OPTION_PREFIX):
            name = value.removeprefix(OPTION_PREFIX)
            _check_name(f"{where}.options.{option}", name, settings)
            found[option] = name
    return found


def _check_name(where: str, name: str, settings: MigrationSettings) -> None:
    if name not in settings.lookups:
        end = nearest(name, settings.lookups) or f"; write a [lookups.{name}]"
        raise ConfigError(f"{where}: there is no look-up {name!r}{end}")


def lookup_fingerprint(
    settings: MigrationSettings, names: Mapping[str, str], decisions: Decisions
) -> dict[str, Any]:
    """What has to stay the same of the look-ups that a route uses: what they say, their files, and what is decided.

    Raises ConfigError where a file can't be read.
    """
    parts: dict[str, Any] = {}
    for name in sorted(set(names.values())):
        lookup = settings.lookups[name]
        parts[f"lookups.{name}"] = {
            "from": _origin(settings, lookup),
            "key": lookup.key,
            "value": lookup.value,
            "within": lookup.within,
            "where": dict(lookup.where),
            "match": lookup.match,
            "missing": lookup.missing,
            "default": lookup.default,
        }
        if (digest := decisions.digest(name)) is not None:
            parts[f"decisions on lookups.{name}"] = digest
    return parts


def _origin(settings: MigrationSettings, lookup: LookupSettings) -> Any:
    if lookup.stream is not None:
        return f"{settings.hosts[lookup.stream.host].url} {lookup.stream.stream}"
    if lookup.file is not None:
        return f"{os.path.relpath(lookup.file, settings.directory)} {_digest(lookup.name, lookup.file)}"
    return orjson.loads(orjson.dumps(dict(lookup.inline or {}), default=str))


def _digest(name: str, file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise ConfigError(f"lookups.{name}.from: {file}: can't be read: {error.strerror}") from error
