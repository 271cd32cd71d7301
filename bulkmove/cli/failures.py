"""`bulkmove failures`: the records that were rejected, or whose fate is unknown."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click
import orjson

from bulkmove.cli.exits import exits
from bulkmove.cli.options import Output, ledger_option, migration_file, output_options
from bulkmove.report.prose import hung, width_of

if TYPE_CHECKING:
    from bulkmove.model import Failure

# Widths of the columns that can't be known before the last row is; a longer value moves its row alone.
_ID_WIDTH = 14
_OUTCOME_WIDTH = 8
_CAUSE_WIDTH = 16
_BELOW = " " * 4


@click.command("failures")
@migration_file
@click.option("--route", metavar="NAME", help="Those of this route alone.")
@ledger_option
@output_options
def command(*, file: Path, route: str | None, ledger: Path | None, output: Output) -> None:
    """List the records of FILE (default: migration.toml) that were rejected or whose fate is unknown.

    A line a record, broken on a terminal alone, as they are read from the ledger; -v prints whole messages. Ends with 0.
    """
    with exits():
        from bulkmove.config import load_migration
        from bulkmove.connectors.asking import nearest
        from bulkmove.errors import ConfigError
        from bulkmove.pipeline.migration import Migration

        migration = Migration(load_migration(file, ledger=ledger))
        routes = migration.settings.routes
        if route is not None and route not in routes:
            raise ConfigError(f"{file}: there is no route {route!r}{nearest(route, routes)}")
        failures = migration.failures(route)
        if output.as_json:
            lines, width = (_as_json(failure) for failure in failures), None
        else:
            width = width_of(sys.stdout)
            route_width = max(len("route"), *map(len, routes))
            lines = _table(failures, route_width=route_width, whole=output.verbose)
        is_empty = True
        for line in lines:
            click.echo(hung(line, width, indent=_BELOW))
            is_empty = False
        if is_empty and not output.as_json and not output.quiet:
            path = migration.settings.ledger
            said = "no record was rejected, and none is of unknown fate"
            click.echo(
                said if path.exists() else f"{path}: there is no ledger yet: nothing was run", err=True
            )


def _as_json(failure: Failure) -> str:
    return orjson.dumps(
        {
            "type": "failure",
            "route": failure.route,
            "source_id": failure.source_id,
            "outcome": failure.outcome,
            "cause": failure.cause,
            "message": failure.message,
        }
    ).decode()


def _table(failures: Iterable[Failure], *, route_width: int, whole: bool) -> Generator[str, None, None]:
    def row(route: str, source_id: str, outcome: str, cause: str, message: str) -> str:
        cells = (
            f"{route:{route_width}}",
            f"{source_id:{_ID_WIDTH}}",
            f"{outcome:{_OUTCOME_WIDTH}}",
            f"{cause:{_CAUSE_WIDTH}}",
            message,
        )
        return "  ".join(cells).rstrip()

    is_first = True
    for failure in failures:
        if is_first:
            yield row("route", "source id", "outcome", "cause", "message")
            is_first = False
        first, *more = failure.message.splitlines() or [""]
        yield row(failure.route, failure.source_id, failure.outcome, failure.cause, first)
        if whole:
            yield from (f"{_BELOW}{line}" for line in more)
