"""What one `bulkmove bench` is asked for: its options, and what they mean for this migration."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from bulkmove.cli.exits import tell
from bulkmove.cli.options import Output
from bulkmove.config import load_migration
from bulkmove.config.rates import parse_window
from bulkmove.connectors.asking import nearest
from bulkmove.connectors.discover import connector
from bulkmove.cutover.bench import Conditions, Wishes
from bulkmove.errors import ConfigError, LedgerLockedError
from bulkmove.ledger.file import is_locked
from bulkmove.ledger.looking import looked_at
from bulkmove.ledger.spending import load as load_spent
from bulkmove.pipeline.opening import place_of
from bulkmove.sandbox.conditions import Latency
from bulkmove.settings import MigrationSettings, Secret, Window

DEFAULT_BUDGET = 200
_USUAL_LATENCY = "20-80ms"
_MOST_RECORDS = 10**9


@dataclass(frozen=True, slots=True)
class BenchRequest:
    """What one `bulkmove bench` is asked for."""

    words: tuple[str, ...]
    output: Output
    routes: tuple[str, ...] = ()
    records: tuple[str, ...] = ()
    allows: tuple[str, ...] = ()
    latency: tuple[str, ...] = ()
    live_read: bool = False
    budget: int | None = None
    max_duration: int | None = None
    step_s: float = 3.0
    arrivals: Literal["even", "poisson"] = "even"
    write: bool = False
    plot: Path | None = None
    save: Path | None = None

    @property
    def file(self) -> Path:
        return Path(self.words[0]) if self.words else Path("migration.toml")


def settings_for(request: BenchRequest) -> tuple[MigrationSettings, bytes]:
    """Those of the chosen routes, and the file as it is now. Credentials are looked up where real hosts are asked alone."""
    if len(request.words) > 1:
        raise ConfigError(f"{' '.join(request.words)}: name one FILE, or compare and two saved benches")
    if request.budget is not None and not request.live_read:
        raise ConfigError("--budget is for --live-read: a sandbox may be asked as often as it takes")
    if request.live_read and request.allows:
        raise ConfigError("--allows shapes the sandbox, and --live-read asks the real hosts")
    settings = load_migration(request.file, with_credentials=request.live_read)
    settings = settings if request.live_read else _with_stand_ins(settings)
    read = request.file.read_bytes()
    for name in request.routes:
        if name not in settings.routes:
            raise ConfigError(f"{request.file}: there is no route {name!r}{nearest(name, settings.routes)}")
    chosen = {
        name: replace(route, after=tuple(each for each in route.after if each in request.routes))
        for name, route in settings.routes.items()
        if name in request.routes
    }
    return (replace(settings, routes=MappingProxyType(chosen)) if chosen else settings), read


def _with_stand_ins(settings: MigrationSettings) -> MigrationSettings:
    """Credentials that are none, where no real host is asked."""
    hosts = {
        name: replace(
            host,
            credentials=MappingProxyType(
                {each: Secret(secrets.token_hex()) for each in connector(host.api).credentials}
            ),
        )
        for name, host in settings.hosts.items()
    }
    return replace(settings, hosts=MappingProxyType(hosts))


def wishes_of(request: BenchRequest, settings: MigrationSettings) -> Wishes:
    return Wishes(
        step_s=request.step_s,
        arrivals=request.arrivals,
        records=_records(request, settings),
        allows=_allows(request, settings),
        latency=_latency(request, settings),
        reads_real=request.live_read,
        budget=request.budget or DEFAULT_BUDGET,
        spent=_spent(settings) if request.live_read else {},
    )


def _latency(request: BenchRequest, settings: MigrationSettings) -> dict[str, Conditions]:
    """Of each host: its own, else what was given for all, else the usual; of a source that is read, what is seen of it.

    Raises ConfigError where what is asked for would shape no host.
    """
    usual, own = _conditions(_USUAL_LATENCY, _USUAL_LATENCY), dict[str, Conditions]()
    for text in request.latency:
        host, _, value = text.rpartition("=")
        if host:
            own[_host(settings, host, "--latency")] = _conditions(value, text)
        else:
            usual = _conditions(value, text)
        if request.live_read:
            _check_shapes(settings, host, text)
    found = {**dict.fromkeys(settings.hosts, usual), **own}
    for name, each in found.items() if request.latency else ():
        if each.high_s >= settings.hosts[name].timeout_s:
            raise ConfigError(
                f"--latency of {each.high_s:g} s: {name} is asked again after timeout_s, {settings.hosts[name].timeout_s:g} s;"
                " nothing would be answered in time"
            )
    return found


def _check_shapes(settings: MigrationSettings, host: str, text: str) -> None:
    """Raises ConfigError where a latency is for hosts that are read as they are; says so where it is for them too."""
    routes = settings.routes.values()
    read = sorted({route.source.host for route in routes if not _is_local(settings, route.source.host)})
    others = {route.target.host for route in routes}
    others |= {lookup.stream.host for lookup in settings.lookups.values() if lookup.stream is not None}
    shaped = sorted(name for name in others.difference(read) if not _is_local(settings, name))
    if host in read or not (host or shaped):
        raise ConfigError(
            f"--latency {text} shapes the sandbox, and --live-read asks the real {host or ' and '.join(read)}"
        )
    if not host and read:
        tell(
            f"note: --latency {text} is for {' and '.join(shaped)}: how long {' and '.join(read)} takes is seen"
        )


def _is_local(settings: MigrationSettings, host: str) -> bool:
    return connector(settings.hosts[host].api).is_local


def _conditions(value: str, text: str) -> Conditions:
    try:
        found = Latency.parse(value)
    except ConfigError as error:
        why = str(error).removeprefix(f"latency {value!r} ")
        raise ConfigError(f"--latency {text}: {why}") from None
    return Conditions(low_s=found.low_s, high_s=found.high_s, has_tail=found.has_tail)


def _records(request: BenchRequest, settings: MigrationSettings) -> dict[str, int]:
    found: dict[str, int] = {}
    for text in request.records:
        route, _, value = text.rpartition("=")
        if not _is_number(value) or not 1 <= int(value) <= _MOST_RECORDS:
            raise ConfigError(f"--records {text}: {_why_no_count(value)}")
        if route and route not in settings.routes:
            raise ConfigError(
                f"--records {text}: there is no route {route!r}{nearest(route, settings.routes)}"
            )
        found[route] = int(value)
    return found


def _is_number(value: str) -> bool:
    return value.isdecimal() and value.isascii()


def _why_no_count(value: str) -> str:
    if not _is_number(value):
        return "must be a number of records, or ROUTE=N"
    return "must be at least 1" if not int(value) else f"must be at most {_MOST_RECORDS:,}"


def _allows(request: BenchRequest, settings: MigrationSettings) -> dict[str, tuple[Window, ...]]:
    found: dict[str, tuple[Window, ...]] = {}
    for text in request.allows:
        host, is_given, value = text.partition("=")
        if not is_given:
            raise ConfigError(
                f"--allows {text}: name the host and its rate, as {next(iter(settings.hosts))}=12/s"
            )
        name = _host(settings, host, "--allows")
        try:
            found[name] = tuple(parse_window(part) for part in value.split(","))
        except ValueError as error:
            raise ConfigError(f"--allows {text}: {error}") from None
    return found


def _host(settings: MigrationSettings, name: str, option: str) -> str:
    if name not in settings.hosts:
        raise ConfigError(f"{option} {name}=…: there is no host {name!r}{nearest(name, settings.hosts)}")
    return name


def _spent(settings: MigrationSettings) -> Mapping[str, Mapping[int, int]]:
    """What earlier runs sent to each host. Raises LedgerLockedError while one is going: the rate is its own."""
    if is_locked(settings.ledger):
        raise LedgerLockedError(
            f"{settings.ledger}: a run is going, whose hosts would be asked twice at a time; bench when it is over"
        )
    with looked_at(settings.ledger, is_newest=True) as connection:
        places = {} if connection is None else load_spent(connection)
    hosts = settings.hosts
    return {name: places.get(place_of(host, hosts), {}) for name, host in hosts.items()}
