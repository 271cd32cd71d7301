"""Sandboxes that stand in for the hosts of a migration, a process each, with limits and latency like theirs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

from bulkmove.errors import ConfigError
from bulkmove.sandbox.conditions import APIS, Latency, RateWindow
from bulkmove.sandbox.process import SandboxRecord, sandbox_process
from bulkmove.sandbox.settings import SandboxSettings
from bulkmove.settings import HostSettings, MigrationSettings, RouteSettings, Secret, StreamName

_FILES = "files"
_FEWEST_PRODUCTS = 200


@dataclass(frozen=True, slots=True)
class Shape:
    """What a host lets through, and how long its answers take."""

    rates: tuple[RateWindow, ...] = ()
    latency: Latency = field(default_factory=Latency)


@dataclass(frozen=True, slots=True)
class ShapedHosts:
    """Settings whose hosts are the sandboxes. `empty`: takes away what was written to a host, but for rows that it began with."""

    settings: MigrationSettings
    empty: Mapping[str, Callable[[], Awaitable[None]]]


@asynccontextmanager
async def shaped_hosts(
    settings: MigrationSettings, *, records: int, shapes: Mapping[str, Shape]
) -> AsyncIterator[ShapedHosts]:
    """A sandbox for each host that the settings use, whose sources hold so many records; each ends with the context.

    Credentials, addresses, paths and dialects of the real hosts are left out. Raises ConfigError for an API that no
    sandbox emulates, and for a source that is made of files.
    """
    streams = _streams(settings)
    _check(settings, streams)
    hosts = dict(settings.hosts)
    empty: dict[str, Callable[[], Awaitable[None]]] = {}
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="bulkmove-bench-files-")))
        for name in sorted({stream.host for stream in streams}):
            host = settings.hosts[name]
            if host.api == _FILES:
                hosts[name] = replace(host, url=str(folder / name), live=False)
                (folder / name).mkdir()
                continue
            made = _sandbox(settings, host, records=records, shape=shapes.get(name, Shape()))
            process = await stack.enter_async_context(sandbox_process(made))
            record = await stack.enter_async_context(SandboxRecord(process.url))
            hosts[name] = _moved(host, process.url, made)
            if not (made.targets_existing or made.targets_matching):
                empty[name] = record.reset
        routes = {name: _route(route) for name, route in settings.routes.items()}
        moved = replace(settings, hosts=MappingProxyType(hosts), routes=MappingProxyType(routes), canary=0)
        yield ShapedHosts(moved, empty)


def _streams(settings: MigrationSettings) -> list[StreamName]:
    streams = [stream for route in settings.routes.values() for stream in (route.source, route.target)]
    return [*streams, *(each.stream for each in settings.lookups.values() if each.stream is not None)]


def _check(settings: MigrationSettings, streams: list[StreamName]) -> None:
    where = settings.file or settings.name
    for stream in streams:
        api = settings.hosts[stream.host].api
        if api not in (*APIS, _FILES):
            raise ConfigError(
                f"{where}: hosts.{stream.host}: no sandbox stands in for api {api!r}; choose other routes with --route"
            )
    for route in settings.routes.values():
        if settings.hosts[route.source.host].api == _FILES:
            raise ConfigError(
                f"{where}: routes.{route.name}.source: is a file, which no limit holds up; choose other routes with --route"
            )


def _route(route: RouteSettings) -> RouteSettings:
    """Rows of a sandbox are none that the user's filters name, and nobody looks at the first ones."""
    return replace(route, where=MappingProxyType({}), canary=0)


def _sandbox(
    settings: MigrationSettings, host: HostSettings, *, records: int, shape: Shape
) -> SandboxSettings:
    """With the records where routes read them, and rows to change where routes only change rows."""
    reads = {r.source.stream for r in settings.routes.values() if r.source.host == host.name}
    changes = [
        r
        for r in settings.routes.values()
        if r.target.host == host.name and r.mode in {"update", "delete"} and r.source != r.target
    ]
    is_shop = host.api == "merchantpro"
    matching = records if changes and not is_shop else 0
    return SandboxSettings(
        orders=records if matching or (is_shop and (reads or changes)) else 0,
        products=max(_FEWEST_PRODUCTS, records if "products" in reads else 0),
        targets_existing=records if "orders" in reads and not is_shop else 0,
        targets_matching=matching,
        rates=shape.rates,
        latency=shape.latency,
    )


def _moved(host: HostSettings, url: str, made: SandboxSettings) -> HostSettings:
    secrets = {
        "merchantpro": {"key": made.merchantpro_key, "secret": made.merchantpro_secret},
        "external-order": {"token": made.external_token},
        "robosize": {"api_key": made.robosize_api_key},
    }[host.api]
    return replace(
        host,
        url=url,
        credentials=MappingProxyType({name: Secret(value) for name, value in secrets.items()}),
        live=False,
        ca_file=None,
        rate_at=(),
        paths=MappingProxyType({}),
        options=MappingProxyType({}),
    )
