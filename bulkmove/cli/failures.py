"""`bulkmove failures`: why records were rejected, or are of unknown fate, and which."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
import orjson

from bulkmove.cli.choosing import cause_option, ids_option
from bulkmove.cli.exits import exits
from bulkmove.cli.loading import loading
from bulkmove.cli.options import Output, ledger_option, migration_file, output_options
from bulkmove.report.prose import hung, width_of

if TYPE_CHECKING:
    from bulkmove.ledger.failing import Group
    from bulkmove.model import Failure
    from bulkmove.pipeline.migration import Migration

MOST_SHOWN = 40

# Widths of the columns that can't be known before the last row is; a longer value moves its row alone.
_ID_WIDTH = 14
_OUTCOME_WIDTH = 8
_CAUSE_WIDTH = 16
_BELOW = " " * 4


@click.command("failures")
@migration_file
@click.option("--route", metavar="NAME", help="Those of this route alone.")
@cause_option
@ids_option
@click.option("--groups", "groups_alone", is_flag=True, help="The groups by cause alone, without the list.")
@click.option(
    "--all", "list_all", is_flag=True, help=f"List all; on a terminal the list ends after {MOST_SHOWN}."
)
@click.option(
    "--export",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write them to a .jsonl or .csv file, with record, mapped body and the host's answer.",
)
@click.option(
    "--records",
    is_flag=True,
    help="Read records that the ledger did not keep from their hosts, for --export.",
)
@ledger_option
@output_options
def command(
    *,
    file: Path,
    route: str | None,
    causes: tuple[str, ...],
    ids: tuple[str, ...],
    groups_alone: bool,
    list_all: bool,
    export: Path | None,
    records: bool,
    ledger: Path | None,
    output: Output,
) -> None:
    """Show why records of FILE (default: migration.toml) were rejected or are of unknown fate, and list them.

    First the causes, each with what to do about it, then a line a record; -v prints whole messages. What was mended,
    bulkmove retry puts to work again. Ends with 0, whatever it finds; 2 for a name that is not there.
    """
    with exits():
        with loading():
            from bulkmove.config import load_migration
            from bulkmove.errors import ConfigError
            from bulkmove.pipeline.migration import Migration

        if records and export is None:
            raise ConfigError("--records reads records for an --export; name a file for it")
        migration = Migration(load_migration(file, ledger=ledger, with_credentials=records))
        chosen = Chosen(route, causes, ids)
        if export is not None:
            _export(migration, chosen, export, records=records, output=output)
        elif output.as_json:
            _print_json(migration, chosen, groups_alone=groups_alone)
        else:
            listed = 0 if groups_alone else None if list_all or not sys.stdout.isatty() else MOST_SHOWN
            _show(migration, chosen, listed, file, output)


class Chosen(NamedTuple):
    """Which failures the command line means."""

    route: str | None
    causes: tuple[str, ...]
    ids: tuple[str, ...]

    def of(self, migration: Migration) -> Iterator[Failure]:
        return migration.failures(self.route, causes=self.causes, ids=self.ids)

    def groups(self, migration: Migration) -> list[Group]:
        return migration.failure_groups(self.route, causes=self.causes, ids=self.ids)


def _export(migration: Migration, chosen: Chosen, file: Path, *, records: bool, output: Output) -> None:
    with loading():
        import anyio

        from bulkmove.cli.by_hand import tell_pause

    async def write() -> int:
        return await migration.export_failures(
            file, chosen.route, causes=chosen.causes, ids=chosen.ids, records=records, on_pause=tell_pause
        )

    count = anyio.run(write)
    if output.as_json:
        click.echo(orjson.dumps({"type": "exported", "file": str(file), "failures": count}))
    elif not output.quiet:
        failures = "1 failure" if count == 1 else f"{count:,} failures"
        click.echo(f"{failures} written to {file}, which may hold personal data: it is readable by you alone")


def _print_json(migration: Migration, chosen: Chosen, *, groups_alone: bool) -> None:
    with loading():
        from bulkmove.pipeline.causes import hint

    if not groups_alone:
        for failure in chosen.of(migration):
            click.echo(_as_json(failure))
        return
    for group in chosen.groups(migration):
        line = {"type": "group", **group._asdict(), "hint": hint(group.cause)}
        click.echo(orjson.dumps(line))


def _show(migration: Migration, chosen: Chosen, listed: int | None, file: Path, output: Output) -> None:
    """`listed`: the most records to list, None for all of them."""
    with loading():
        from bulkmove.pipeline.causes import hint
        from bulkmove.report.failures import group_lines
        from bulkmove.report.telling import stdout_console

    groups = chosen.groups(migration)
    if not groups:
        if not output.quiet:
            path, is_narrowed = migration.settings.ledger, chosen != Chosen(None, (), ())
            said = "no such record" if is_narrowed else "no record was rejected, and none is of unknown fate"
            click.echo(
                said if path.exists() else f"{path}: there is no ledger yet: nothing was run", err=True
            )
        return
    console, width = stdout_console(), width_of(sys.stdout)
    for text in group_lines(groups, hint=hint, width=width):
        console.print(text, soft_wrap=True)
    if listed != 0:
        click.echo()
        failures = chosen.of(migration)
        route_width = max(len("route"), *(len(group.route) for group in groups))
        shown = failures if listed is None else islice(failures, listed)
        for line in _table(shown, route_width=route_width, whole=output.verbose):
            click.echo(hung(line, width, indent=_BELOW))
        left = sum(1 for _ in failures)
        if left:
            click.echo(f"… and {left:,} more: --all lists them, --cause and --ids narrow")
    if not output.quiet:
        where = "" if str(file) == "migration.toml" else f" {file}"
        said = f"when it is mended: bulkmove retry{where} [--cause CAUSE] [--ids ID,…] [--remap]"
        click.echo(hung(f"\n{said}" if listed != 0 else said, width))


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
