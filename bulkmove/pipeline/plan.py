"""What a configuration means: every name in it resolved and checked, before anything is opened or sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

import orjson

from bulkmove.connectors.discover import connector
from bulkmove.errors import ConfigError
from bulkmove.mapping.declarative import compile_fields
from bulkmove.mapping.lookups.decisions import Decisions, load_decisions
from bulkmove.mapping.reading import unread
from bulkmove.mapping.resolve import ResolvedMapper, fields_used_with, resolve_mapper
from bulkmove.mapping.tables import load_table
from bulkmove.pipeline.addresses import place_of
from bulkmove.pipeline.foreseeing import foresee
from bulkmove.pipeline.guards import check_mask
from bulkmove.pipeline.lookup_plan import OPTION_PREFIX, check_lookup, lookup_fingerprint, lookups_of
from bulkmove.pipeline.staging import check_files, file_fingerprint
from bulkmove.pipeline.undo_with import check_undo_with
from bulkmove.protocols import Connector, StreamSpec
from bulkmove.settings import HostSettings, MigrationSettings, Mode, RouteSettings, StreamName
from bulkmove.transport.hiding import hiding_of


@dataclass(frozen=True, slots=True)
class RoutePlan:
    """A route with all its names resolved. `tables`: the CSV files that its options name, by option.

    `lookups`: the look-ups that its mapper may ask, by the names that it asks by. `cautions`: what is doubtful in a
    mapping without code, a sentence each; `unread`: documented fields of the source that it doesn't read.
    """

    settings: RouteSettings
    source: StreamSpec
    target: StreamSpec
    mapper: ResolvedMapper
    tables: Mapping[str, Mapping[str, str]]
    fingerprint: Mapping[str, Any]
    lookups: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    cautions: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def natural_key(self) -> str:
        return self.settings.natural_key or self.target.natural_key or self.target.id_field


@dataclass(frozen=True, slots=True)
class MigrationPlan:
    """A migration with all its names resolved. `decisions`: what a person decided on values that no look-up resolves."""

    settings: MigrationSettings
    connectors: Mapping[str, Connector]
    routes: Mapping[str, RoutePlan]
    decisions: Decisions = field(default_factory=Decisions)


def plan_migration(settings: MigrationSettings, *, only: tuple[str, ...] = ()) -> MigrationPlan:
    """Resolve all routes, or those that `only` names. Raises ConfigError naming file, key and what to do."""
    for name in only:
        if name not in settings.routes:
            raise ConfigError(
                f"{_file(settings)}: there is no route {name!r}{_nearest(name, settings.routes)}"
            )
    hosts = check_names(settings)
    decisions = Decisions()
    if settings.lookups and settings.decisions is not None:
        decisions = load_decisions(settings.decisions, settings.lookups)
    routes = {
        name: _plan_route(settings, route, hosts, decisions)
        for name, route in settings.routes.items()
        if not only or name in only
    }
    return MigrationPlan(settings=settings, connectors=hosts, routes=routes, decisions=decisions)


def check_names(settings: MigrationSettings) -> Mapping[str, Connector]:
    """The connector of each host, once all that hosts, routes and look-ups name is there: paths, streams, filters, …"""
    hosts = {name: connector(host.api) for name, host in settings.hosts.items()}
    for name, host in settings.hosts.items():
        _check_host(settings, host, hosts[name])
    for route in settings.routes.values():
        _check_route(settings, route, hosts)
    check_files(settings, hosts, where=_file(settings))
    for lookup in settings.lookups.values():
        check_lookup(f"{_file(settings)}: lookups.{lookup.name}", lookup, hosts)
    return hosts


def _check_host(settings: MigrationSettings, host: HostSettings, api: Connector) -> None:
    where = f"{_file(settings)}: hosts.{host.name}"
    missing = [name for name in api.credentials if name not in host.credentials]
    unknown = [name for name in host.credentials if name not in api.credentials]
    if unknown:
        needs = f", and needs {' and '.join(missing)}" if missing else ""
        raise ConfigError(
            f"{where}.credentials.{unknown[0]}: api {host.api!r} takes {', '.join(api.credentials) or 'none'}{needs}"
        )
    if missing:
        raise ConfigError(f"{where}.credentials: api {host.api!r} needs {' and '.join(missing)}")
    for name in host.paths:
        if name not in api.paths:
            raise ConfigError(f"{where}.paths.{name}: there is no such path{_nearest(name, api.paths)}")
    for name, value in host.options.items():
        if name not in api.options:
            end = _nearest(name, api.options) or f"; api {host.api!r} takes none"
            raise ConfigError(f"{where}.options.{name}: there is no such option{end}")
        allowed = api.options[name]
        if allowed and value not in allowed:
            end = _nearest(str(value), allowed) if get_close_matches(str(value), allowed, n=1) else ""
            raise ConfigError(f"{where}.options.{name}: must be {' or '.join(allowed)}{end}")
    api.headers(host)


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
    if route.mode not in target.modes:
        takes = " or ".join(mode for mode in get_args(Mode) if mode in target.modes)
        raise ConfigError(f"{where}.mode: {route.target} takes {takes}, not {route.mode}")
    if route.fields_used is not None and not source.can_select_fields:
        raise ConfigError(f"{where}.fields_used: {route.source} always sends all its fields; leave this out")
    for name in route.where:
        if source.filters is not None and name not in source.filters:
            raise ConfigError(
                f"{where}.where.{name}: {route.source} has no such filter{_nearest(name, source.filters)}"
            )
    if route.undo_with is not None:
        check_undo_with(f"{where}.undo_with", route, target)


def _plan_route(
    settings: MigrationSettings, route: RouteSettings, hosts: Mapping[str, Connector], decisions: Decisions
) -> RoutePlan:
    where = f"{_file(settings)}: routes.{route.name}"
    ends = (hosts[route.source.host], hosts[route.target.host])
    source, target = ends[0].streams[route.source.stream], ends[1].streams[route.target.stream]
    mapper = _mapper(where, settings, route)
    check_mask(
        _file(settings),
        settings.mask,
        route,
        id_field=source.id_field,
        natural_key=route.natural_key or target.natural_key or target.id_field,
        readings=mapper.readings,
    )
    lookups = lookups_of(where, settings, route, mapper)
    cautions = foresee(where, route, mapper, source=source, target=target, hosts=ends)
    return RoutePlan(
        settings=replace(route, fields_used=_fields_used(settings, route, source, mapper)),
        source=source,
        target=target,
        mapper=mapper,
        tables=_tables(where, settings, route, mapper),
        fingerprint={
            **_fingerprint(settings, route, mapper, target),
            **lookup_fingerprint(settings, lookups, decisions),
            **file_fingerprint(settings, route, hosts),
            **({"mask": sorted(settings.mask)} if settings.mask else {}),
        },
        lookups=lookups,
        cautions=cautions,
        unread=unread(source.documented_fields, mapper.readings) if mapper.readings else (),
    )


def _fields_used(
    settings: MigrationSettings, route: RouteSettings, source: StreamSpec, mapper: ResolvedMapper
) -> tuple[str, ...] | None:
    """What the user says, else what the mapper knows of itself, where the source can leave out the rest.

    A derived stream's rows have names of their own.
    """
    if route.fields_used is not None or not source.can_select_fields or source.derive is not None:
        return route.fields_used
    try:
        return fields_used_with(mapper, route.options)
    except ConfigError as error:
        message = _without_secrets(str(error), settings)  # it may tell of the options
        raise ConfigError(f"{_file(settings)}: routes.{route.name}.mapper: {message}") from error


def _mapper(where: str, settings: MigrationSettings, route: RouteSettings) -> ResolvedMapper:
    if route.fields is not None:
        return compile_fields(
            route.fields,
            skip_when=route.skip_when,
            lookups=settings.lookups,
            route=route.name,
            file=settings.file or Path(settings.name),
        )
    try:
        mapper = resolve_mapper(route.mapper, settings.directory)
    except ConfigError as error:
        raise ConfigError(f"{where}.mapper: {error}") from error
    if mapper.check_options is not None:
        try:
            mapper.check_options(route.options)
        except ConfigError as error:
            raise ConfigError(f"{where}.options: {error}") from error
    return mapper


def _tables(
    where: str, settings: MigrationSettings, route: RouteSettings, mapper: ResolvedMapper
) -> dict[str, Mapping[str, str]]:
    """The CSV files that options name: those that the mapper says, and whatever else ends in .csv."""
    tables: dict[str, Mapping[str, str]] = {}
    for name, value in route.options.items():
        if isinstance(value, str) and value.startswith(OPTION_PREFIX):
            continue
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
        "source": place_of(settings, route.source),
        "target": place_of(settings, route.target),
        "mapper": mapper.name,
        "mapper file": mapper.digest,
        "fields_used": None if route.fields_used is None else list(route.fields_used),
        "where": dict(route.where),
        "mode": route.mode,
        "natural_key": route.natural_key or target.natural_key,
        "options": _without_secrets(orjson.loads(orjson.dumps(dict(route.options), default=str)), settings),
    }


def _without_secrets(value: Any, settings: MigrationSettings) -> Any:
    """A credential may stand among the options, too; the ledger keeps none."""
    secrets = {each.reveal() for host in settings.hosts.values() for each in host.credentials.values()}
    return _hidden(value, hiding_of(secrets)) if secrets else value


def _hidden(value: Any, hide: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, dict):
        return {hide(name): _hidden(inner, hide) for name, inner in value.items()}
    if isinstance(value, list):
        return [_hidden(inner, hide) for inner in value]
    return value


def changed_keys(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """The parts of a fingerprint that differ, those too that are gone (a look-up, a decision)."""
    # A mapping without code has no file of its own: it is the table `fields`.
    is_table = str(new.get("mapper")).endswith(".fields")
    names = {"mapper file": "fields"} if is_table else {}
    return [names.get(key, key) for key in {**new, **old} if old.get(key) != new.get(key)]


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
