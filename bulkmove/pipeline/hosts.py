"""One host of a migration by its name, looked at by hand: a stream of it is read, or a single call is made."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import NamedTuple

import anyio

from bulkmove.connectors.asking import nearest, paths_of
from bulkmove.connectors.calls import check_places, request_of
from bulkmove.connectors.discover import connector
from bulkmove.errors import ConfigError, single_error
from bulkmove.model import Operation, Record, Request, Response
from bulkmove.pipeline.opening import open_host, readers_of
from bulkmove.pipeline.whole import read_list
from bulkmove.protocols import Connector, StreamSpec
from bulkmove.settings import HostSettings, MigrationSettings, RouteSettings, StreamName
from bulkmove.transport import HostTransport

# Whoever makes one call by hand waits at the terminal, and can make it again.
LONGEST_CALL_S = 20.0
_LOOK_EVERY_S = 0.25
_WORTH_TELLING_S = 0.5

OnPause = Callable[[float, str], None]
Take = Callable[[Sequence[Record]], Awaitable[bool]]


def host_named(settings: MigrationSettings, name: str) -> tuple[HostSettings, Connector]:
    """A host and its connector. Raises ConfigError, with the nearest name, where there is no such host."""
    if name not in settings.hosts:
        where = settings.file or settings.name
        raise ConfigError(f"{where}: there is no host {name!r}{nearest(name, settings.hosts)}")
    host = settings.hosts[name]
    return host, connector(host.api)


@asynccontextmanager
async def opened(
    host: HostSettings, api: Connector, on_pause: OnPause | None = None
) -> AsyncIterator[HostTransport]:
    """A transport to the host; `on_pause` is told once of each longer pause that the host asks for."""
    with single_error():
        async with open_host(host, api) as transport, anyio.create_task_group() as tasks:
            if on_pause is not None:
                tasks.start_soon(_watch_pauses, transport, on_pause, name="watch for pauses")
            yield transport
            tasks.cancel_scope.cancel()


async def _watch_pauses(transport: HostTransport, on_pause: OnPause, every_s: float = _LOOK_EVERY_S) -> None:
    told_until = 0.0
    while True:
        await anyio.sleep(every_s)
        now, sample = anyio.current_time(), transport.sample()
        if sample.paused_s > _WORTH_TELLING_S and now + sample.paused_s > told_until + _LOOK_EVERY_S:
            told_until = now + sample.paused_s
            on_pause(sample.paused_s, sample.reason or "")


# Reading a stream


@dataclass(frozen=True, slots=True)
class Reading:
    """What is read of a stream: `where` are its filters; `fields` those of its rows that are wanted, None for all."""

    stream: StreamName
    where: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    fields: tuple[str, ...] | None = None
    limit: int | None = None


class ReadEnd(NamedTuple):
    """How a reading ended. `is_whole`: as a route would read it. `undated`: rows that have no date and were not read."""

    is_whole: bool
    undated: int = 0


async def read_stream(
    settings: MigrationSettings, reading: Reading, take: Take, *, on_pause: OnPause | None = None
) -> ReadEnd:
    """Read a stream of any host, derived ones too.

    `take` gets rows, each once, one call at a time, at most `reading.limit` of them; it answers whether it wants more.
    With a limit, pages are read one after the other, so that the first rows come first. Raises ConfigError for a
    stream or filter that is not there, and what `read_list` raises.
    """
    host, api = host_named(settings, reading.stream.host)
    spec = _readable(api, reading)
    async with opened(host, api, on_pause) as transport:
        source = api.source(spec.name, transport, _route(reading, spec))
        one_reader = reading.limit is not None
        readers = (lambda: 1) if one_reader else readers_of(transport)
        undated = 0
        with anyio.CancelScope() as scope:
            sink = _Enough(take, reading.limit, scope).sink
            undated = await read_list(source, sink, readers=readers, derive=spec.derive)
    return ReadEnd(is_whole=not (scope.cancel_called or undated), undated=undated)


class _Enough:
    """Hands rows on, one call at a time, and ends the reading when there are enough."""

    def __init__(self, take: Take, limit: int | None, scope: anyio.CancelScope) -> None:
        self._take = take
        self._left = limit
        self._scope = scope
        self._one_at_a_time = anyio.Lock()

    async def sink(self, records: Sequence[Record]) -> None:
        async with self._one_at_a_time:
            if self._left is not None:
                records = records[: self._left]
                self._left -= len(records)
            wants_more = await self._take(records) if records else True
            if self._left == 0 or not wants_more:
                self._scope.cancel()


def _readable(api: Connector, reading: Reading) -> StreamSpec:
    name, stream = reading.stream.stream, reading.stream
    readable = [spec.name for spec in api.streams.values() if spec.can_read]
    spec = api.streams.get(name)
    if spec is None:
        raise ConfigError(f"{stream}: {api.name} has no stream {name!r}{nearest(name, readable)}")
    if not spec.can_read:
        raise ConfigError(f"{stream} can't be read; {', '.join(readable) or 'no stream'} can")
    for key in reading.where:
        if spec.filters is not None and key not in spec.filters:
            end = nearest(key, spec.filters) if spec.filters else ", which takes no filters at all"
            raise ConfigError(f"{key!r} is no filter of {stream}{end}")
    return spec


def _route(reading: Reading, spec: StreamSpec) -> RouteSettings:
    """What a source asks of its route. Fields of derived rows are none of the rows that the host sends."""
    can_select = spec.can_select_fields and spec.derive is None and reading.fields is not None
    return RouteSettings(
        name="read",
        source=reading.stream,
        target=reading.stream,
        mapper="",
        where=reading.where,
        fields_used=reading.fields if can_select else None,
    )


# Making a call


class Call(NamedTuple):
    """A documented call of a host. `path_is`: documented, unconfirmed, or set by the user."""

    host: HostSettings
    api: Connector
    operation: Operation
    path: str
    path_is: str


def calls_of(settings: MigrationSettings, host_name: str) -> list[Call]:
    """All documented calls of a host. Raises ConfigError for a host that is not there, or that has none."""
    host, api = host_named(settings, host_name)
    if not api.operations:
        raise ConfigError(
            f"hosts.{host.name}: api {host.api!r} has no calls to make; its streams can be read"
        )
    paths = paths_of(host, api.paths)
    return [
        Call(host, api, operation, paths[operation.path], _path_is(host, api, operation.path))
        for operation in api.operations.values()
    ]


def call_named(settings: MigrationSettings, host_name: str, operation: str) -> Call:
    """One documented call. Raises ConfigError, with the nearest name, where there is none of that name."""
    calls = {call.operation.name: call for call in calls_of(settings, host_name)}
    if operation not in calls:
        end = nearest(operation, calls)
        raise ConfigError(f"hosts.{host_name} has no operation {operation!r}{end}")
    return calls[operation]


def request_for(call: Call, parameters: Mapping[str, str], body: bytes | None) -> Request:
    """The request of a call; its answer is not decoded. Raises what `request_of` raises, also for empty parameters.

    An empty id could name the whole list.
    """
    for parameter in call.operation.parameters:
        if parameter.is_required and parameters.get(parameter.name) == "":
            raise ConfigError(f"{call.operation.name}: {parameter.name} must not be empty")
    check_places(call.operation, parameters)
    headers = dict(call.api.headers(call.host))
    if body is not None:
        headers["Content-Type"] = "application/json"
    request = request_of(call.operation, call.path, parameters, body=body, headers=headers)
    return replace(request, decode=None)


async def answer_to(call: Call, request: Request, *, on_pause: OnPause | None = None) -> Response:
    """Make a call under the host's budget; the answer, 4xx too. A write that can't be repeated is sent at most once.

    Raises what Transport.send raises, HostUnavailableError after LONGEST_CALL_S.
    """
    host = replace(call.host, give_up_after_s=min(call.host.give_up_after_s, LONGEST_CALL_S))
    async with opened(host, call.api, on_pause) as transport:
        return await transport.send(request)


def _path_is(host: HostSettings, api: Connector, path: str) -> str:
    if path in host.paths:
        return "set by you"
    return "unconfirmed" if path in api.unconfirmed else "documented"
