"""`bulkmove config`: show, check and describe a migration's configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from bulkmove.cli.exits import exits, tell
from bulkmove.cli.warned import all_warnings
from bulkmove.config import described, json_schema, load_migration, read_document, show, warnings_of
from bulkmove.errors import ConfigError
from bulkmove.mapping.declarative import compile_fields
from bulkmove.mapping.lookups.decisions import load_decisions
from bulkmove.mapping.resolve import ResolvedMapper, resolve_mapper
from bulkmove.mapping.tables import load_table
from bulkmove.pipeline.foreseeing import foresee
from bulkmove.pipeline.plan import check_names
from bulkmove.protocols import Connector
from bulkmove.settings import MigrationSettings, RouteSettings

_FILE = click.argument("file", type=click.Path(path_type=Path), default=Path("migration.toml"))
_JSON = click.option(
    "--json", "as_json", is_flag=True, envvar="BULKMOVE_JSON", help="Print JSON, one object a line."
)
_VERBOSE = click.option(
    "-v", "--verbose", is_flag=True, envvar="BULKMOVE_VERBOSE", help="Print tracebacks of errors."
)


@click.group()
def command() -> None:
    """Show, check or describe a configuration."""


@command.command("show")
@_FILE
@_JSON
@_VERBOSE
def show_command(*, file: Path, as_json: bool, verbose: bool) -> None:
    """Print the resolved configuration of FILE (default: migration.toml): defaults marked, credentials as ***."""
    with exits(verbose=verbose):
        settings = load_migration(file)
        document = read_document(file)
        if as_json:
            click.echo(json.dumps(described(settings, document, file), ensure_ascii=False))
        else:
            click.echo(show(settings, document))
        _warn(warnings_of(settings))


@command.command("schema")
@_VERBOSE
def schema_command(*, verbose: bool) -> None:
    """Print the JSON Schema of a migration's file, for an editor to complete and explain its keys by."""
    with exits(verbose=verbose):
        click.echo(json.dumps(json_schema(), ensure_ascii=False, indent=2))


@command.command("validate")
@_FILE
@_JSON
@_VERBOSE
def validate_command(*, file: Path, as_json: bool, verbose: bool) -> None:
    """Check FILE (default: migration.toml), all that it names, its mappers and their options, without asking any host.

    Ends with 0 when it is right, warnings or not, and with 2 when it is not.
    """
    with exits(verbose=verbose):
        try:
            settings = load_migration(file)
            hosts = check_names(settings)
            if settings.lookups and settings.decisions is not None:
                load_decisions(settings.decisions, settings.lookups)
            warnings = (*all_warnings(settings), *_check_mappers(settings, file, hosts))
        except ConfigError as error:
            if as_json:
                _print_verdict(file, errors=str(error).splitlines(), warnings=())
            raise
        if as_json:
            _print_verdict(file, errors=(), warnings=warnings)
        else:
            click.echo(f"{file}: OK: hosts {', '.join(settings.hosts)}; routes {', '.join(settings.routes)}")
        _warn(warnings)


def _check_mappers(settings: MigrationSettings, file: Path, hosts: Mapping[str, Connector]) -> list[str]:
    """Warnings of doubtful mappings, and of look-up tables that can't be read yet.

    Raises ConfigError for all that is wrong with mappers.
    """
    problems: list[str] = []
    warnings: list[str] = []
    for name, route in settings.routes.items():
        try:
            mapper = _mapper(settings, route, file)
        except ConfigError as error:
            problems.append(str(error))
            continue
        try:
            warnings += _foreseen(route, mapper, file, hosts)
        except ConfigError as error:
            problems.append(str(error))
        try:
            if mapper.check_options is not None:
                mapper.check_options(route.options)
        except ConfigError as error:
            problems.append(f"{file}: routes.{name}: {error}")
        for table in mapper.tables:
            try:
                if isinstance(path := route.options.get(table), str):
                    load_table(settings.directory / path)
            except ConfigError as error:
                is_there = isinstance(path, str) and (settings.directory / path).exists()
                where = f"routes.{name}.options.{table}"
                (problems if is_there else warnings).append(
                    f"{file}: {where}: {error}" if is_there else f"{where}: {error}"
                )
    if problems:
        raise ConfigError("\n".join(problems))
    return warnings


def _foreseen(
    route: RouteSettings, mapper: ResolvedMapper, file: Path, hosts: Mapping[str, Connector]
) -> Sequence[str]:
    source, target = hosts[route.source.host], hosts[route.target.host]
    return foresee(
        f"{file}: routes.{route.name}",
        route,
        mapper,
        source=source.streams[route.source.stream],
        target=target.streams[route.target.stream],
        hosts=(source, target),
    )


def _mapper(settings: MigrationSettings, route: RouteSettings, file: Path) -> ResolvedMapper:
    if route.fields is not None:
        return compile_fields(
            route.fields,
            skip_when=route.skip_when,
            lookups=settings.lookups,
            route=route.name,
            file=file,
        )
    try:
        return resolve_mapper(route.mapper, settings.directory)
    except ConfigError as error:
        raise ConfigError(f"{file}: routes.{route.name}.mapper: {error}") from error


def _print_verdict(file: Path, *, errors: Sequence[str], warnings: Sequence[str]) -> None:
    verdict = {
        "type": "validation",
        "file": str(file),
        "ok": not errors,
        "errors": errors,
        "warnings": warnings,
    }
    click.echo(json.dumps(verdict, ensure_ascii=False))


def _warn(warnings: Sequence[str]) -> None:
    for warning in warnings:
        tell(f"warning: {warning}")
