"""From a plan to what runs: transports to its hosts, and its routes with all that they work with."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial

from bulkmove.events import Note
from bulkmove.ledger.canaries import KeptCanary
from bulkmove.load.checking import body_checker
from bulkmove.load.matching import Rules
from bulkmove.load.rehearsal import RehearsedTarget
from bulkmove.mapping.context import RouteContext
from bulkmove.pipeline.addresses import address_of
from bulkmove.pipeline.budget import ErrorBudget
from bulkmove.pipeline.canaries import Canary
from bulkmove.pipeline.job import ReadsTogether, RouteJob, Run, TargetList, Use, witness_in
from bulkmove.pipeline.masking import mask_of, masked, noting_in
from bulkmove.pipeline.plan import MigrationPlan, RoutePlan
from bulkmove.pipeline.rehearsing import source_in_rehearsal
from bulkmove.protocols import Connector, LooksFirst, Source, StagedTarget, Target, Transport
from bulkmove.settings import HostSettings, RouteSettings, Window
from bulkmove.transport import HostTransport, OpenClient, Timing, open_client, open_transport
from bulkmove.transport.hiding import hiding_of
from bulkmove.transport.knee import START_PER_S, Knee
from bulkmove.transport.local import open_local

OpenHost = Callable[[HostSettings, Connector], AbstractAsyncContextManager[HostTransport]]

# Where neither the user nor the connector knows a limit: what a run begins with, and what a forecast reckons with.
DEFAULT_WINDOWS = (Window(int(START_PER_S), 1.0),)

# Twice as many as the rate lets in at once keep the host busy when some wait for slow answers.
ASKED_PER_SLOT = 2
FEWEST_READERS = 3
MAX_READERS_UNLIMITED = 6


@asynccontextmanager
async def open_hosts(plan: MigrationPlan, open_host: OpenHost) -> AsyncIterator[dict[str, HostTransport]]:
    """A transport for each host that a route uses, or a look-up of it."""
    used = {stream.host for r in plan.routes.values() for stream in (r.settings.source, r.settings.target)}
    for route in plan.routes.values():
        streams = (plan.settings.lookups[name].stream for name in route.lookups.values())
        used |= {stream.host for stream in streams if stream is not None}
    transports: dict[str, HostTransport] = {}
    async with AsyncExitStack() as stack:
        for name in sorted(used):
            transports[name] = await stack.enter_async_context(
                open_host(plan.settings.hosts[name], plan.connectors[name])
            )
        yield transports


def open_host(
    host: HostSettings,
    connector: Connector,
    *,
    connect: OpenClient = open_client,
    timing: Timing | None = None,
) -> AbstractAsyncContextManager[HostTransport]:
    """A transport to one host, with the user's limits or else those that its connector brings.

    Where neither knows one, it is found while the host is used; of a live host no more than that is asked.
    """
    if connector.is_local:
        return open_local(host)
    is_known = is_rate_known(host, connector)
    most_per_s = START_PER_S if host.live else math.inf
    return open_transport(
        host,
        windows=windows_of(host, connector) if is_known else (),
        knee=None if is_known else Knee(most_at_once=host.concurrency, most_per_s=most_per_s),
        sign=connector.sign(host.credentials),
        wait_from_body=connector.wait_from_body,
        is_passing=connector.is_passing,
        timing=timing,
        connect=connect,
    )


def windows_of(host: HostSettings, connector: Connector) -> tuple[Window, ...]:
    """The user's limits, or the API's own, published or assumed."""
    return host.windows if host.windows is not None else default_windows(connector)


def default_windows(connector: Connector) -> tuple[Window, ...]:
    """What is reckoned with where the user states no limit: the API's own, published or assumed; none of files."""
    return connector.windows or (() if connector.is_local else DEFAULT_WINDOWS)


def is_rate_known(host: HostSettings, connector: Connector) -> bool:
    """Whether the user states a limit, or the API publishes one, be it as high as what is begun with otherwise."""
    return host.windows is not None or bool(connector.windows)


async def open_job(run: Run, route: RoutePlan) -> RouteJob:
    """A route ready to run. Raises ConfigError for what only its connectors can see."""
    settings = route.settings
    hosts = run.plan.settings.hosts
    source_transport, target_transport = (
        run.transports[settings.source.host],
        run.transports[settings.target.host],
    )
    source, target = await _ends(run, settings)
    if run.mask is None:
        run.mask = await mask_of(run.plan.settings, run.ledger)
    source, derive = masked(source, route.source.derive, run.mask, noting_in(run.ledger))
    sharing = _sharing(run, route, source)
    target_host, target_list = _target_of(run, settings, target.natural_key)
    await run.ledger.save_list(target_list.name)
    is_own_list = is_self_route(settings, hosts)
    keeps_before = await _begin_keeping(run, settings.name, is_own_list=is_own_list)
    if keeps_before and isinstance(target, LooksFirst):
        target.keep_before = run.ledger.befores(settings.name, target_list.name).keep
    return RouteJob(
        settings=settings,
        source=source,
        target=target,
        target_host=target_host,
        target_list=target_list,
        rules=Rules(
            route=settings.name,
            mode=settings.mode,
            id_field=target.id_field,
            natural_key=target.natural_key,
            writable=route.target.writable_fields,
            target=target,
        ),
        mapper=route.mapper.function,
        context=RouteContext(
            settings.name,
            settings.options,
            route.tables,
            run.ledger.target_ids,
            run.lookups.of_route(route.lookups),
        ),
        ledger=run.ledger,
        emit=run.emit,
        stop=run.stop,
        readers=readers_of(source_transport),
        listers=readers_of(target_transport),
        writers=writers_of(target_transport),
        is_self_route=is_own_list,
        keeps_before=keeps_before and settings.mode != "delete",
        attempts_over_s=run.options.attempts_over_s,
        limit=run.options.limit,
        derive=derive,
        canary=_canary(run, settings, target),
        sharing=sharing,
        check_body=body_checker(route.target, settings.mode) if settings.check_bodies else None,
        onlooker=run.options.onlooker,
        hide=hiding_of(secret.reveal() for host in hosts.values() for secret in host.credentials.values()),
        sweep=run.plan.settings.sweep,
        budget=_budget(run, settings),
    )


async def _ends(run: Run, route: RouteSettings) -> tuple[Source, Target]:
    """What the route reads and what it writes to; of a dry run, what stands in for them."""
    reads, writes = route.source, route.target
    source = run.plan.connectors[reads.host].source(
        reads.stream, _counted(run, route.name, "source", run.transports[reads.host]), route
    )
    target = run.plan.connectors[writes.host].target(
        writes.stream, _counted(run, route.name, "target", run.transports[writes.host]), route
    )
    if not run.options.is_dry:
        return source, target
    witness = witness_in(run.options.onlooker)
    return (
        await source_in_rehearsal(run, route, source, target),
        RehearsedTarget(target, partial(witness.rehearsed, route.name) if witness else None),
    )


def _target_of(run: Run, settings: RouteSettings, natural_key: str) -> tuple[HostSettings, TargetList]:
    """The host that a route writes to, and the list there, which it shares with others."""
    hosts = run.plan.settings.hosts
    host = hosts[settings.target.host]
    place = place_of(host, hosts)
    # What a route sent by another name of the host may land as late as that name says.
    settle_s = max(each.settle_s for each in hosts.values() if place_of(each, hosts) == place)
    rows = f"{place} {settings.target.stream}"
    name = f"{rows} {natural_key}"
    if name not in run.lists:
        run.lists[name] = TargetList(name, run.held[rows])
    return replace(host, settle_s=settle_s), run.lists[name]


def _sharing(run: Run, route: RoutePlan, source: Source) -> ReadsTogether | None:
    """What it reads together with others, along dates alone: what is read in passes tells each route which rows are gone."""
    settings = route.settings
    sharing = run.sharings.get(settings.name)
    if sharing is None or source.listing.reading != "keyset":
        return None
    if sharing.source is None:
        transport = run.transports[settings.source.host]
        asked = replace(settings, fields_used=sharing.fields)
        together = run.plan.connectors[settings.source.host].source(
            settings.source.stream, _counted(run, settings.name, "source", transport), asked
        )
        sharing.source, _ = masked(together, route.source.derive, run.mask, noting_in(run.ledger))
    return sharing


def _budget(run: Run, route: RouteSettings) -> ErrorBudget:
    most, held_to = route.max_rejected if run.options.has_budget else None, run.options.most_rejected
    return ErrorBudget(route.name, most, held_to(route.name) if held_to else None)


def _canary(run: Run, route: RouteSettings, target: Target) -> Canary | None:
    """A file comes to be as a whole, and is looked at by whoever likes before it is used."""
    if run.canaries is None:
        return None
    most = 0 if isinstance(target, StagedTarget) else route.canary
    return Canary(KeptCanary(run.ledger, route.name), most, run.canaries)


def _counted(run: Run, route: str, use: Use, transport: HostTransport) -> Transport:
    """What a route's requests go through: where somebody looks on, they are counted there."""
    onlooker = run.options.onlooker
    return transport if onlooker is None else onlooker.counted(route, use, transport)


async def _begin_keeping(run: Run, route: str, *, is_own_list: bool) -> bool:
    """Let the ledger keep what is written, where that is needed or asked for; whether rows are kept before their change."""
    is_asked = run.plan.settings.keep_before
    if run.options.is_dry or not (is_asked or is_own_list):
        return False
    keeps_before = await run.ledger.begin_keeping(route, is_own_list=is_own_list, rows=is_asked)
    if is_asked and not keeps_before:
        text = "it wrote before keep_before was set: rows that it changes are not kept as they stood"
        run.emit(Note(f"route {route}: {text}", route=route))
    return keeps_before


def is_self_route(route: RouteSettings, hosts: Mapping[str, HostSettings]) -> bool:
    """Two hosts may stand for one place: its lists are the same all the same."""
    source, target = hosts[route.source.host], hosts[route.target.host]
    is_one_place = place_of(source, hosts) == place_of(target, hosts)
    return is_one_place and route.source.stream == route.target.stream


def place_of(host: HostSettings, hosts: Mapping[str, HostSettings]) -> str:
    """What tells whose lists are the same: the API, the address however it is spelled, and the account.

    Two hosts with other credentials at one address are two accounts, and the second is told apart by its name.
    """
    place = (host.api, address_of(host.url), tuple(sorted(host.paths.items())))
    for other in hosts.values():
        if other.name == host.name:
            break
        is_there = (other.api, address_of(other.url), tuple(sorted(other.paths.items()))) == place
        if is_there and dict(other.credentials) != dict(host.credentials):
            return f"{host.api} {address_of(host.url)} as {host.name}"
    return f"{host.api} {address_of(host.url)}"


def readers_of(transport: HostTransport) -> Callable[[], int]:
    """How many pages to fetch at a time."""

    def count() -> int:
        if transport.rate_per_s is None:
            return min(MAX_READERS_UNLIMITED, transport.concurrency)
        return min(max(FEWEST_READERS, _slots(transport)), transport.concurrency)

    return count


def writers_of(transport: HostTransport) -> Callable[[], int]:
    """How many requests to have ready or on their way.

    Each has its intent down before it goes, and is in doubt where the run is killed: no more than are of use.
    """

    def count() -> int:
        if transport.rate_per_s is None:
            return transport.concurrency
        return min(_slots(transport), transport.concurrency)

    return count


def _slots(transport: HostTransport) -> int:
    """Twice as many as the rate lets in while one is answered; 0 where nothing was asked yet."""
    rate, latency_s = transport.rate_per_s or 0.0, transport.latency_s or 0.0
    return math.ceil(ASKED_PER_SLOT * rate * latency_s)
