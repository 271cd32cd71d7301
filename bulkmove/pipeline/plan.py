"""What a configuration means: every name in it resolved and checked, before anything is opened or sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import orjson

from bulkmove.connectors.discover import connector
from bulkmove.errors import ConfigError
from bulkmove.mapping.declarative import compile_fields
from bulkmove.mapping.resolve import ResolvedMapper, resolve_mapper
from bulkmove.mapping.tables import load_table
from bulkmove.protocols import Connector, StreamSpec
from bulkmove.settings import HostSettings, MigrationSettings, RouteSettings, StreamName


@dataclass(frozen=True, slots=True)
class RoutePlan:
    """A route with all its names resolved. `tables`: the CSV files that its options name, by option."""

    settings: RouteSettings
    source: StreamSpec
    target: StreamSpec
    mapper: ResolvedMapper
    tables: Mapping[str, Mapping[str, str]]
    fingerprint: Mapping[str, Any]

    @property
    def natural_key(self) -> str:
        return self.settings.natural_key or self.target.natural_key or self.target.id_field


@dataclass(frozen=True, slots=True)
class MigrationPlan:
    settings: MigrationSettings
    connectors: Mapping[str, Connector]
    routes: Mapping[str, RoutePlan]


def plan_migration(settings: MigrationSettings, *, only: tuple[str, ...] = ()) -> MigrationPlan:
    """Resolve all routes, or those that `only` names. Raises ConfigError naming file, key and what to do."""
    for name in only:
        if name not in settings.routes:
            raise ConfigError(
                f"{_file(settings)}: there is no route {name!r}{_nearest(name, settings.routes)}"
            )
    hosts = check_names(settings)
    routes = {
        name: _plan_route(settings, route, hosts)
        for name, route in settings.routes.items()
        if not only or name in only
    }
    return MigrationPlan(settings=settings, connectors=hosts, routes=routes)


def check_names(settings: MigrationSettings) -> Mapping[str, Connector]:
    """The connector of each host, once all that hosts and routes name is there: credentials, paths, streams, filters."""
    hosts = {name: connector(host.api) for name, host in settings.hosts.items()}
    for name, host in settings.hosts.items():
        _check_host(settings, host, hosts[name])
    for route in settings.routes.values():
        _check_route(settings, route, hosts)
    return hosts


def _check_host(settings: MigrationSettings, host: HostSettings, api: Connector) -> None:
    where = f"{_file(settings)}: hosts.{host.name}"
    missing = [name for name in api.credentials if name not in host.credentials]
    if missing:
        raise ConfigError(f"{where}.credentials: api {host.api!r} needs {' and '.join(missing)}")
    for name in host.credentials:
        if name not in api.credentials:
            raise ConfigError(
                f"{where}.credentials.{name}: api {host.api!r} takes {', '.join(api.credentials)}"
            )
    for name in host.paths:
        if name not in api.paths:
            raise ConfigError(f"{where}.paths.{name}: there is no such path{_nearest(name, api.paths)}")


def _check_route(settings: MigrationSettings, route: RouteSettings, hosts: Mapping[str, Connector]) -> None:
    where = f"{_file(settings)}: routes.{route.name}"
    source = _stream(where, "source", route.source, hosts)
    target = _stream(where, "target", route.target, hosts)
    if not source.can_read:
        raise ConfigError(f"{where}.source: {route.source} can't be read")
    if not target.can_write:
        writable = [spec.name for spec in hosts[route.target.host].streams.values() if spec.can_write]
        others = f"; on this host {', '.join(writable)} can" if writable else ""
        raise ConfigError(f"{where}.target: {route.target} can't be written{others}")
    if route.fields_used is not None and not source.can_select_fields:
        raise ConfigError(f"{where}.fields_used: {route.source} always sends all its fields; leave this out")
    for name in route.where:
        if source.filters is not None and name not in source.filters:
            raise ConfigError(
                f"{where}.where.{name}: {route.source} has no such filter{_nearest(name, source.filters)}"
            )


def _plan_route(
    settings: MigrationSettings, route: RouteSettings, hosts: Mapping[str, Connector]
) -> RoutePlan:
    where = f"{_file(settings)}: routes.{route.name}"
    source = hosts[route.source.host].streams[route.source.stream]
    target = hosts[route.target.host].streams[route.target.stream]
    mapper = _mapper(where, settings, route)
    if mapper.check_options is not None:
        try:
            mapper.check_options(route.options)
        except ConfigError as error:
            raise ConfigError(f"{where}.options: {error}") from error
    return RoutePlan(
        settings=route,
        source=source,
        target=target,
        mapper=mapper,
        tables=_tables(where, settings, route, mapper),
        fingerprint=_fingerprint(settings, route, mapper, target),
    )


def _mapper(where: str, settings: MigrationSettings, route: RouteSettings) -> ResolvedMapper:
    try:
        if route.fields is not None:
            return compile_fields(route.fields, skip_when=route.skip_when, lookups=settings.lookups)
        return resolve_mapper(route.mapper, settings.directory)
    except ConfigError as error:
        raise ConfigError(f"{where}.{'mapper' if route.fields is None else 'fields'}: {error}") from error


def _tables(
    where: str, settings: MigrationSettings, route: RouteSettings, mapper: ResolvedMapper
) -> dict[str, Mapping[str, str]]:
    """The CSV files that options name: those that the mapper says, and whatever else ends in .csv."""
    tables: dict[str, Mapping[str, str]] = {}
    for name, value in route.options.items():
        if isinstance(value, str) and (name in mapper.tables or value.endswith(".csv")):
            try:
                tables[name] = load_table(settings.directory / value)
            except ConfigError as error:
                raise ConfigError(f"{where}.options.{name}: {error}") from error
    return tables


def _stream(where: str, key: str, name: StreamName, hosts: Mapping[str, Connector]) -> StreamSpec:
    streams = hosts[name.host].streams
    if name.stream not in streams:
        raise ConfigError(
            f"{where}.{key}: host {name.host!r} ({hosts[name.host].name}) has no stream {name.stream!r}"
            f"{_nearest(name.stream, streams)}"
        )
    return streams[name.stream]


def _fingerprint(
    settings: MigrationSettings, route: RouteSettings, mapper: ResolvedMapper, target: StreamSpec
) -> dict[str, Any]:
    """What must stay the same from run to run, so that one ledger tells of one migration."""
    return {
        "source": f"{settings.hosts[route.source.host].url} {route.source.stream}",
        "target": f"{settings.hosts[route.target.host].url} {route.target.stream}",
        "mapper": mapper.name,
        "mapper file": mapper.digest,
        "fields_used": None if route.fields_used is None else list(route.fields_used),
        "where": dict(route.where),
        "mode": route.mode,
        "natural_key": route.natural_key or target.natural_key,
        "options": orjson.loads(orjson.dumps(dict(route.options), default=str)),
    }


def changed_keys(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """The parts of a fingerprint that differ."""
    return [key for key in new if old.get(key) != new[key]]


def _file(settings: MigrationSettings) -> str:
    return str(settings.file) if settings.file is not None else settings.name


def _nearest(name: str, known: Iterable[str]) -> str:
    names = list(known)
    close = get_close_matches(name, names, n=1)
    return (
        f"; did you mean {close[0]!r}?"
        if close
        else f"; there are {', '.join(sorted(names))}"
        if names
        else ""
    )
