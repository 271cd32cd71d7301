"""What has to hold between routes that share a file: one writes it, and whoever reads it comes after."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from bulkmove.errors import ConfigError
from bulkmove.protocols import Connector
from bulkmove.settings import MigrationSettings, RouteSettings, StreamName


def check_files(settings: MigrationSettings, hosts: Mapping[str, Connector], *, where: str) -> None:
    """Raises ConfigError, `where` being what its message begins with."""
    for name, host in settings.hosts.items():
        if hosts[name].is_local and host.windows is not None:
            raise ConfigError(
                f"{where}: hosts.{name}.rate: no requests are sent to a directory; leave this out"
            )
    writers: dict[tuple[str, str], RouteSettings] = {}
    for route in settings.routes.values():
        file = _file(route.target, settings, hosts)
        if file is None:
            continue
        if file in writers:
            raise ConfigError(
                f"{where}: routes.{route.name}.target: {route.target} is written by route {writers[file].name} too;"
                " a file is one route's: give each a stream of its own"
            )
        writers[file] = route
    for route in settings.routes.values():
        file = _file(route.source, settings, hosts)
        writer = None if file is None else writers.get(file)
        if writer is not None:
            _check_order(settings, route, writer, where=where)


def file_fingerprint(
    settings: MigrationSettings, route: RouteSettings, hosts: Mapping[str, Connector]
) -> dict[str, Any]:
    """What a fingerprint holds of the files that a route reads and writes: how rows stand in them."""
    local = [name.host for name in (route.source, route.target) if hosts[name.host].is_local]
    if not local:
        return {}
    options = [
        {key: value for key, value in settings.hosts[name].options.items() if key != "overwrite"}
        for name in local
    ]
    return {"file options": options}


def written_by(
    route: RouteSettings, settings: MigrationSettings, hosts: Mapping[str, Connector]
) -> str | None:
    """The route that writes the file which another reads; None where none does, or its source is no file."""
    file = _file(route.source, settings, hosts)
    if file is None:
        return None
    targets = {each.name: _file(each.target, settings, hosts) for each in settings.routes.values()}
    return next((name for name, target in targets.items() if target == file), None)


def _check_order(
    settings: MigrationSettings, reader: RouteSettings, writer: RouteSettings, *, where: str
) -> None:
    if reader.name == writer.name:
        raise ConfigError(
            f"{where}: routes.{reader.name}.target: {reader.target} is its source too; a file is written anew, never"
            " changed: give the target another name"
        )
    before: set[str] = set()
    left = list(reader.after)
    while left:
        name = left.pop()
        if name not in before and name in settings.routes:
            before.add(name)
            left += settings.routes[name].after
    if writer.name not in before:
        raise ConfigError(
            f"{where}: routes.{reader.name}.after: {reader.source} is written by route {writer.name}; "
            f'add after = ["{writer.name}"]'
        )


def _file(
    name: StreamName, settings: MigrationSettings, hosts: Mapping[str, Connector]
) -> tuple[str, str] | None:
    if not hosts[name.host].is_local:
        return None
    return os.path.realpath(settings.hosts[name.host].url), name.stream
