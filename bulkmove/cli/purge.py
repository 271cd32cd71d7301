"""`bulkmove purge`: what the ledger keeps of records, erased."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import orjson

from bulkmove.cli.exits import exits, tell
from bulkmove.cli.loading import loading
from bulkmove.cli.options import Output, ledger_option, migration_file, output_options

if TYPE_CHECKING:
    from bulkmove.ledger.purging import Erasable
    from bulkmove.pipeline.migration import Migration


@click.command("purge")
@migration_file
@click.option("--route", metavar="NAME", help="Of this route alone.")
@click.option("--messages", is_flag=True, help="Erase messages too, which may quote values.")
@click.option(
    "--written",
    is_flag=True,
    help="Erase, too, what routes that change their own list wrote, by which delta and verify know it.",
)
@click.option("--yes", is_flag=True, help="Answer what is asked.")
@ledger_option
@output_options
def command(
    *,
    file: Path,
    route: str | None,
    messages: bool,
    written: bool,
    yes: bool,
    ledger: Path | None,
    output: Output,
) -> None:
    """Erase what the ledger of FILE (default: migration.toml) keeps of records that have an outcome.

    Mapped bodies, source records and answers of hosts go, and what keep_before keeps, out of the file itself too; ids, hashes, outcomes and causes
    stay, and so does whatever has no outcome yet. Asks first.

    Ends with 0; 2 when the answer was no or nobody can be asked, 11 when a run holds the ledger.
    """
    with exits():
        with loading():
            from bulkmove.config import load_migration
            from bulkmove.pipeline.migration import Migration

        migration = Migration(load_migration(file, ledger=ledger, with_credentials=False))
        if not migration.settings.ledger.exists():
            tell(f"{migration.settings.ledger}: there is no ledger yet: nothing was run")
            return
        _purge(migration, route, messages=messages, written=written, yes=yes, output=output)


def _purge(
    migration: Migration, route: str | None, *, messages: bool, written: bool, yes: bool, output: Output
) -> None:
    with loading():
        from bulkmove.cli.asking import confirmed
        from bulkmove.errors import ConfigError

    path = migration.settings.ledger
    found = migration.purgeable(route, messages=messages, written=written)
    if not yes and not found.is_nothing:
        question = f"Erase {_said(found)} from {path}? {_lost(found)}"
        if not sys.stdin.isatty():
            raise ConfigError(f"{question} Nobody can be asked here: --yes says that it is meant")
        if not confirmed(question):
            raise ConfigError("nothing was erased")
    before = _size(path)
    erased = migration.purge(route, messages=messages, written=written)
    if output.as_json:
        kept = {"bodies": erased.bodies, "records": erased.records, "answers": erased.answers}
        kept |= {"written": erased.written, "befores": erased.befores}
        line = {"type": "purged", **kept, "messages": erased.messages, "bytes": erased.bytes}
        click.echo(orjson.dumps(line))
    elif not output.quiet:
        click.echo(f"erased {_said(erased)}; the ledger was {_bytes(before)} and is {_bytes(_size(path))}")
    _tell_others(path, messages=messages, output=output)


def _said(found: Erasable) -> str:
    parts = [
        _counted(found.bodies, "mapped body", "mapped bodies"),
        _counted(found.records, "source record", "source records"),
        _counted(found.answers, "answer of a host", "answers of hosts"),
        _counted(found.messages, "message", "messages"),
        _counted(found.written, "body as it was written", "bodies as they were written"),
        _counted(found.befores, "row as it stood before", "rows as they stood before"),
    ]
    said = ", ".join(part for part in parts if part)
    return f"{said} ({_bytes(found.bytes)})" if said else "nothing that was in use"


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}" if count else ""


def _lost(found: Erasable) -> str:
    """What no longer works afterwards."""
    lost = [
        "What was rejected can then be retried only by reading and mapping it anew, and exports and stories lack the rest."
    ]
    if found.befores:
        lost.append("Rows that were changed can't be put back by undo any more.")
    if found.unknown:
        of = "1 body" if found.unknown == 1 else f"{found.unknown:,} bodies"
        lost.append(f"The fate of {of} stays unknown: it is not looked for any more.")
    return " ".join(lost)


def _size(path: Path) -> int:
    files = (path, path.with_name(f"{path.name}-wal"))
    return sum(file.stat().st_size for file in files if file.exists())


def _bytes(count: int) -> str:
    if count < 10_000:
        return f"{count:,} bytes"
    return f"{count / 1000:,.0f} kB" if count < 10_000_000 else f"{count / 1_000_000:,.0f} MB"


def _tell_others(path: Path, *, messages: bool, output: Output) -> None:
    if output.quiet:
        return
    if not messages:
        tell("note: messages stay, which may quote values: --messages erases them too")
    beside = path.parent.glob(f"{path.name}.2*")
    aside = sorted(each.name for each in beside if not each.name.endswith((".lock", "-wal", "-shm")))
    if aside:
        tell(
            f"note: ledgers that were put aside hold bodies of their own: {', '.join(aside)}; delete them, or purge each with --ledger"
        )
