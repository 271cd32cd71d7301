"""`migration.toml` → frozen settings, or one error that tells everything that is wrong with it."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from bulkmove.config import schema
from bulkmove.config.credentials import Surroundings, resolve_credentials
from bulkmove.config.fields import as_written
from bulkmove.config.host_checks import check_hosts
from bulkmove.config.lookup_tables import Lookup, LookupDefault
from bulkmove.config.problems import Problems
from bulkmove.config.rates import parse_hours, parse_rejections, parse_window
from bulkmove.config.references import check_references
from bulkmove.config.validation import validate
from bulkmove.config.variables import expand_document
from bulkmove.errors import ConfigError
from bulkmove.settings import (
    DailyRate,
    HostSettings,
    LookupSettings,
    MigrationSettings,
    Missing,
    RejectionLimit,
    RouteSettings,
    Secret,
    StreamName,
)

# A write that the host gave up answering at timeout_s may still be applied for a while.
SETTLE_BEYOND_TIMEOUT_S = 15.0

_T = TypeVar("_T")


def load_migration(
    path: Path,
    *,
    environ: Mapping[str, str] = os.environ,
    ledger: Path | None = None,
    with_credentials: bool = True,
) -> MigrationSettings:
    """Read, check and freeze a migration's file; `ledger` stands for what the file says of it.

    `with_credentials` False: they are not looked up, for who asks the ledger alone.

    Raises ConfigError, a line a problem, each with file, key and what to write instead. Reads the files and
    runs the commands that its credentials name; imports no connector and no mapper, and sends nothing.
    """
    document = read_document(path)
    directory = path.absolute().parent
    problems = Problems(document)
    expanded = expand_document(document, environ, problems)
    migration = validate(expanded, problems)
    check_references(expanded, problems)
    if migration is not None:
        check_hosts(migration, directory, problems)
    credentials: Mapping[str, Mapping[str, Secret]] = {}
    if with_credentials:
        credentials = resolve_credentials(document, Surroundings(directory, environ), problems)
    problems.raise_any(path)
    if migration is None:  # never: whatever does not fit is a problem
        raise ConfigError(f"{path}: does not fit the schema")
    return MigrationSettings(
        name=migration.name,
        directory=directory,
        hosts=_frozen(
            {
                name: _host(name, host, credentials.get(name, {}), directory)
                for name, host in migration.hosts.items()
            }
        ),
        routes=_frozen({name: _route(name, route, migration) for name, route in migration.routes.items()}),
        ledger=_ledger(migration, directory) if ledger is None else ledger.absolute(),
        file=path.absolute(),
        lookups=_frozen(
            {name: _lookup(name, lookup, migration, directory) for name, lookup in migration.lookups.items()}
        ),
        decisions=directory / migration.decisions,
        synchronous=migration.synchronous,
        sweep=migration.sweep,
        keep_before=migration.keep_before,
        canary=migration.canary,
        mask=tuple(dict.fromkeys(migration.mask)),
        delta_overlap_s=migration.delta_overlap_s,
        max_rejected=_rejections(migration.max_rejected),
    )


def read_document(path: Path) -> dict[str, Any]:
    """The file as TOML, nothing checked and nothing filled in. Raises ConfigError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; `bulkmove init` writes one to start from") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: is a directory; name the file, as {path / 'migration.toml'}") from None
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}: line {line}: is not UTF-8 text") from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        lines = text.rstrip().splitlines()
        end = "" if " line " in str(error) else f" (line {len(lines)}, column {len(lines[-1]) + 1})"
        raise ConfigError(f"{path}: is not TOML: {error}{end}") from None


def _host(name: str, host: schema.Host, credentials: Mapping[str, Secret], directory: Path) -> HostSettings:
    is_local = host.api == schema.FILES
    return HostSettings(
        name=name,
        api=host.api,
        url=str((directory / host.url).absolute()) if is_local else host.url,
        credentials=_frozen(credentials),
        windows=None if host.rate is None else tuple(parse_window(rate) for rate in host.rate),
        rate_at=tuple(
            DailyRate(*parse_hours(hours), tuple(parse_window(rate) for rate in rates))
            for hours, rates in host.rate_at.items()
        ),
        burst=host.burst,
        concurrency=host.concurrency,
        timeout_s=host.timeout_s,
        connect_timeout_s=host.connect_timeout_s,
        first_byte_timeout_s=host.first_byte_timeout_s,
        settle_s=_settle_s(host, is_local=is_local),
        give_up_after_s=host.give_up_after_s,
        max_response_bytes=host.max_response_bytes,
        ca_file=None if host.ca_file is None else directory / host.ca_file,
        live=host.live,
        timezone=host.timezone,
        paths=_frozen(host.paths),
        options=_frozen(host.options),
    )


def _settle_s(host: schema.Host, *, is_local: bool) -> float:
    if host.settle_s is not None:
        return host.settle_s
    # Nobody works on a file any more once the process that wrote it is gone.
    return 0.0 if is_local else host.timeout_s + SETTLE_BEYOND_TIMEOUT_S


def _rejections(value: int | str | None) -> RejectionLimit | None:
    return None if value is None else parse_rejections(value)


def _route(name: str, route: schema.Route, migration: schema.Migration) -> RouteSettings:
    return RouteSettings(
        name=name,
        source=_stream(route.source),
        target=_stream(route.target),
        mapper=route.mapper or "",
        mode=route.mode,
        natural_key=route.natural_key,
        where=_frozen(route.where),
        batch_size=route.batch_size,
        fields_used=None if route.fields_used is None else tuple(route.fields_used),
        after=tuple(dict.fromkeys(route.after)),
        options=_frozen(route.options),
        fields=None if route.fields is None else _frozen(as_written(route.fields)),
        skip_when=route.skip_when,
        check_bodies=route.check_bodies,
        confirm=route.confirm,
        undo_with=None if route.undo_with is None else _frozen(route.undo_with),
        canary=migration.canary if route.canary is None else route.canary,
        max_rejected=_rejections(
            migration.max_rejected if route.max_rejected is None else route.max_rejected
        ),
    )


def _lookup(name: str, lookup: Lookup, migration: schema.Migration, directory: Path) -> LookupSettings:
    source = lookup.source
    is_stream = isinstance(source, str) and source.partition(".")[0] in migration.hosts
    rule = lookup.missing
    missing: Missing = "default" if isinstance(rule, LookupDefault) else rule
    return LookupSettings(
        name=name,
        stream=_stream(source) if is_stream and isinstance(source, str) else None,
        file=directory / source if not is_stream and isinstance(source, str) else None,
        inline=_frozen(source) if isinstance(source, dict) else None,
        key=lookup.key,
        value=lookup.value,
        within=lookup.within,
        where=_frozen(lookup.where),
        match=lookup.match,
        load=lookup.load,
        missing=missing,
        default=rule.default if isinstance(rule, LookupDefault) else None,
    )


def _stream(text: str) -> StreamName:
    host, _, stream = text.partition(".")
    return StreamName(host, stream)


def _ledger(migration: schema.Migration, directory: Path) -> Path:
    return directory / (migration.ledger or f"{migration.name}.ledger.db")


def _frozen(values: Mapping[str, _T]) -> Mapping[str, _T]:
    return MappingProxyType(dict(values))
