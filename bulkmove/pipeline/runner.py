"""A whole run: hosts opened, routes side by side, everything told, one summary at the end.

page ──► intake ──► ledger ──► loader ──► target      each route, in route.py
(extract)  (mapping, matching)     (batches, intents)
                      ▲                     │ in doubt
                      └───── read back ◄────┘          settling.py
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import anyio
import orjson

from bulkmove.errors import (
    BulkmoveError,
    ConfigError,
    CredentialsError,
    LedgerError,
    LedgerRefusedError,
    single_error,
)
from bulkmove.events import Event, HostSample, Note
from bulkmove.ledger import SqliteLedger
from bulkmove.load.matching import Rules
from bulkmove.load.rehearsal import RehearsedTarget
from bulkmove.load.verdicts import ATTEMPTS_OVER_S
from bulkmove.mapping.context import RouteContext
from bulkmove.model import Counts, Summary
from bulkmove.pipeline.job import RouteJob, TargetList
from bulkmove.pipeline.plan import MigrationPlan, RoutePlan, changed_keys
from bulkmove.pipeline.route import run_route
from bulkmove.protocols import Observer
from bulkmove.settings import HostSettings, RouteSettings, Window
from bulkmove.transport import HostTransport, open_transport

# Where neither the user nor the connector knows a limit.
DEFAULT_WINDOWS = (Window(10, 1.0),)
SAMPLE_EVERY_S = 0.5
READERS_PER_SLOT = 2
FEWEST_READERS = 3
MAX_READERS_UNLIMITED = 6


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What one run is asked for. `limit`: the most records mapped a route. `attempts_over_s`: see RouteJob."""

    limit: int | None = None
    is_dry: bool = False
    accept_changes: bool = False
    attempts_over_s: float = ATTEMPTS_OVER_S


@dataclass(slots=True)
class Run:
    """One run while it goes: what its routes share."""

    plan: MigrationPlan
    ledger: SqliteLedger
    options: RunOptions
    observer: Observer | None
    stop: anyio.Event
    transports: dict[str, HostTransport] = field(default_factory=dict)
    lists: dict[str, TargetList] = field(default_factory=dict)
    ended: dict[str, anyio.Event] = field(default_factory=dict)
    finished: dict[str, bool] = field(default_factory=dict)
    errors: list[BulkmoveError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def emit(self, event: Event) -> None:
        if isinstance(event, Note):
            self.notes.append(event.text)
        if self.observer is not None:
            self.observer.on_event(event)


async def run_migration(
    plan: MigrationPlan,
    ledger: SqliteLedger,
    *,
    options: RunOptions,
    observer: Observer | None,
    stop: anyio.Event,
) -> Summary:
    """Run all routes of the plan to where they can get, and say how it ended.

    A host that fails ends its own routes; refused credentials and mistakes in the configuration end the run.
    Raises LedgerError, and LedgerRefusedError where the migration changed since the ledger was begun.
    """
    await _check_fingerprints(plan, ledger, accept_changes=options.accept_changes)
    await ledger.begin_run()
    run = Run(plan, ledger, options, observer, stop)
    with single_error():
        async with _open_hosts(run), anyio.create_task_group() as background:
            background.start_soon(ledger.stay_alive, name="sign of life")
            background.start_soon(_sample_hosts, run, name="host samples")
            for name in plan.routes:
                run.ended[name] = anyio.Event()
            with single_error():
                async with anyio.create_task_group() as routes:
                    for route in plan.routes.values():
                        routes.start_soon(_run_one, run, route, name=f"route {route.settings.name}")
            background.cancel_scope.cancel()
    summary = await summarise(run)
    await ledger.end_run(summary.exit_code or 0)
    return summary


async def _run_one(run: Run, route: RoutePlan) -> None:
    """One route, once those before it are finished; its error becomes part of the summary."""
    name = route.settings.name
    try:
        if not await _predecessors_finished(run, route):
            return
        job = await _open_job(run, route)
        run.finished[name] = await run_route(job)
    except (CredentialsError, ConfigError) as error:
        # The whole run is set up wrongly: what is in flight is finished, nothing new begins.
        run.errors.append(error)
        run.stop.set()
    except LedgerError:
        raise
    except BulkmoveError as error:
        run.errors.append(error)
    finally:
        run.ended[name].set()


async def _predecessors_finished(run: Run, route: RoutePlan) -> bool:
    for name in route.settings.after:
        if name in run.ended:
            await run.ended[name].wait()
            is_finished = run.finished.get(name, False)
        else:
            is_finished = (
                name in await run.ledger.fingerprints() and (await run.ledger.progress(name)).is_finished
            )
        if not is_finished:
            if not run.stop.is_set():
                run.emit(
                    Note(f"route {route.settings.name}: not started, since route {name} is not finished")
                )
            return False
    return True


async def _open_job(run: Run, route: RoutePlan) -> RouteJob:
    settings = route.settings
    hosts = run.plan.settings.hosts
    source_transport, target_transport = (
        run.transports[settings.source.host],
        run.transports[settings.target.host],
    )
    source = run.plan.connectors[settings.source.host].source(
        settings.source.stream, source_transport, settings
    )
    target = run.plan.connectors[settings.target.host].target(
        settings.target.stream, target_transport, settings
    )
    if run.options.is_dry:
        target = RehearsedTarget(target)
    list_name = f"{hosts[settings.target.host].url} {settings.target.stream} {route.natural_key}"
    if list_name not in run.lists:
        run.lists[list_name] = TargetList(list_name)
    await run.ledger.save_list(list_name)
    return RouteJob(
        settings=settings,
        source=source,
        target=target,
        target_host=hosts[settings.target.host],
        target_list=run.lists[list_name],
        rules=Rules(
            route=settings.name,
            mode=settings.mode,
            id_field=target.id_field,
            natural_key=route.natural_key,
            writable=route.target.writable_fields,
            target=target,
        ),
        mapper=route.mapper.function,
        context=RouteContext(settings.name, settings.options, route.tables, run.ledger.target_ids),
        ledger=run.ledger,
        emit=run.emit,
        stop=run.stop,
        readers=_readers(source_transport),
        listers=_readers(target_transport),
        is_self_route=_is_self_route(settings, hosts),
        attempts_over_s=run.options.attempts_over_s,
        limit=run.options.limit,
    )


def _is_self_route(route: RouteSettings, hosts: Mapping[str, HostSettings]) -> bool:
    """Two hosts may stand for one address: its lists are the same all the same, unless two APIs answer there."""
    source, target = hosts[route.source.host], hosts[route.target.host]
    is_one_place = source.url.rstrip("/") == target.url.rstrip("/") and source.api == target.api
    return is_one_place and route.source.stream == route.target.stream


def _readers(transport: HostTransport) -> Callable[[], int]:
    """How many pages to fetch at a time: what the rate and the measured latency ask for, twice."""

    def count() -> int:
        rate, latency_s = transport.rate_per_s, transport.latency_s
        if rate is None or latency_s is None:
            wanted = MAX_READERS_UNLIMITED if rate is None else FEWEST_READERS
        else:
            wanted = max(FEWEST_READERS, math.ceil(READERS_PER_SLOT * rate * latency_s))
        return min(wanted, transport.host.concurrency)

    return count


async def _check_fingerprints(plan: MigrationPlan, ledger: SqliteLedger, *, accept_changes: bool) -> None:
    known = await ledger.fingerprints()
    for name, route in plan.routes.items():
        now = orjson.dumps(route.fingerprint).decode()
        changed = changed_keys(orjson.loads(known[name]), orjson.loads(now)) if name in known else []
        if changed and not accept_changes:
            raise LedgerRefusedError(
                f"route {name} has changed since this ledger was begun: {', '.join(changed)}; put it back, or let the"
                " change hold for what is not yet mapped with --accept-changes, or begin anew with --fresh"
            )
        if known.get(name) != now:
            await ledger.save_route(name, now)


@asynccontextmanager
async def _open_hosts(run: Run) -> AsyncIterator[None]:
    """A transport for each host that a route uses."""
    used = {
        stream.host for r in run.plan.routes.values() for stream in (r.settings.source, r.settings.target)
    }
    async with AsyncExitStack() as stack:
        for name in sorted(used):
            host, connector = run.plan.settings.hosts[name], run.plan.connectors[name]
            windows = host.windows if host.windows is not None else connector.windows or DEFAULT_WINDOWS
            run.transports[name] = await stack.enter_async_context(
                open_transport(
                    host,
                    windows=windows,
                    sign=connector.sign(host.credentials),
                    wait_from_body=connector.wait_from_body,
                    is_passing=connector.is_passing,
                )
            )
        yield


async def _sample_hosts(run: Run) -> None:
    while True:
        await anyio.sleep(SAMPLE_EVERY_S)
        for transport in run.transports.values():
            sample: HostSample = transport.sample()
            run.emit(sample)


async def summarise(run: Run) -> Summary:
    counts = {name: await run.ledger.counts(name) for name in run.plan.routes}
    notes = [*run.notes, *(str(error) for error in run.errors)]
    return Summary(exit_code=_exit_code(run, counts), routes=counts, notes=tuple(notes))


# What to say first where several things went wrong; a run that was stopped is told by its signal, in the CLI.
_CODES_GRAVEST_FIRST = (6, 2, 1, 7, 5)
FAILURES = 3


def _exit_code(run: Run, counts: Mapping[str, Counts]) -> int:
    codes = {error.exit_code for error in run.errors}
    for code in _CODES_GRAVEST_FIRST:
        if code in codes:
            return code
    return FAILURES if any(c.rejected or c.unknown for c in counts.values()) else 0
