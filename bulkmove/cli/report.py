"""`bulkmove report`: one HTML file that tells a migration, for who signs it and who works on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import orjson

from bulkmove.cli.exits import exits
from bulkmove.cli.loading import loading
from bulkmove.cli.options import Output, ledger_option, migration_file, output_options

if TYPE_CHECKING:
    from bulkmove.report.page.facts import Facts


@click.command("report")
@migration_file
@click.option(
    "--out",
    metavar="PATH",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write (default: report.html; with --json, none).",
)
@ledger_option
@output_options
def command(*, file: Path, out: Path | None, ledger: Path | None, output: Output) -> None:
    """Tell the migration of FILE (default: migration.toml) in one HTML file, from its ledger alone; no host is asked.

    It needs no network and no script to be read, holds no record and no credential, and is made also while a run is
    going. --json prints the same numbers. Ends with 0, whatever it finds.
    """
    with exits():
        with loading():
            from bulkmove import clock
            from bulkmove.config import load_migration
            from bulkmove.report.page.document import document_of
            from bulkmove.report.page.gathering import gather
            from bulkmove.report.page.moments import Moments
            from bulkmove.report.page.writing import write_report

        facts = gather(load_migration(file, ledger=ledger), now=clock.now())
        if output.as_json:
            click.echo(orjson.dumps(document_of(facts, Moments())))
        if output.as_json and out is None:
            return
        path = out or Path("report.html")
        write_report(path, _page(facts, file))
        if not (output.quiet or output.as_json):
            click.echo(f"written to {path}, readable by you alone")


def _page(facts: Facts, file: Path) -> str:
    with loading():
        from bulkmove.config import read_document
        from bulkmove.errors import ConfigError
        from bulkmove.report.page.moments import Moments

    try:
        with loading():
            from bulkmove.report.page.page import page_of
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise
        raise ConfigError(
            "the plots of a report need matplotlib: pip install 'bulkmove[report]' brings it; --json works without"
        ) from None
    return page_of(facts, read_document(file), Moments())
