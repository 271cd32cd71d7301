"""What a migration uses of each host: streams that its routes read and write, and those that look-ups ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bulkmove.protocols import Connector
from bulkmove.settings import LookupSettings, MigrationSettings, RouteSettings, StreamName


@dataclass(slots=True)
class StreamUse:
    """One stream, and what a migration wants of it.

    `reads`: the ways in which it is listed, each by filters of its own. `writes`: the routes that write it.
    """

    stream: str
    reads: list[RouteSettings] = field(default_factory=list)
    writes: list[RouteSettings] = field(default_factory=list)
    lookups: list[LookupSettings] = field(default_factory=list)


def uses_of(settings: MigrationSettings, host: str, connector: Connector) -> list[StreamUse]:
    """The streams of a host that are in use. Of a host that nothing uses: its first stream that can be read."""
    uses: dict[str, StreamUse] = {}

    def use_of(name: StreamName) -> StreamUse:
        return uses.setdefault(name.stream, StreamUse(name.stream))

    for route in settings.routes.values():
        if route.source.host == host:
            _add(use_of(route.source).reads, route)
        if route.target.host == host:
            use_of(route.target).writes.append(route)
    for lookup, stream in _asked(settings, host):
        use_of(stream).lookups.append(lookup)
        _add(use_of(stream).reads, reading_of(lookup.name, stream, lookup.where))
    if not uses:
        for spec in connector.streams.values():
            if spec.can_read:
                stream = StreamName(host, spec.name)
                return [StreamUse(spec.name, reads=[reading_of("doctor", stream)])]
    return list(uses.values())


def is_used(settings: MigrationSettings, host: str) -> bool:
    routes = settings.routes.values()
    return any(host in (route.source.host, route.target.host) for route in routes) or any(
        _asked(settings, host)
    )


def reading_of(name: str, stream: StreamName, where: Mapping[str, str] | None = None) -> RouteSettings:
    """A stream asked for by itself, as a route that only reads."""
    return RouteSettings(name=name, source=stream, target=stream, mapper="", where=where or {})


def _asked(settings: MigrationSettings, host: str) -> Iterator[tuple[LookupSettings, StreamName]]:
    for lookup in settings.lookups.values():
        if lookup.stream is not None and lookup.stream.host == host:
            yield lookup, lookup.stream


def _add(reads: list[RouteSettings], route: RouteSettings) -> None:
    """Two readings with the same filters are one."""
    if not any(dict(known.where) == dict(route.where) for known in reads):
        reads.append(route)
