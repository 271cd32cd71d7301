"""`bulkmove explain`: one record's whole story."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from bulkmove.cli.exits import exits
from bulkmove.cli.loading import loading
from bulkmove.cli.options import Output, ledger_option, output_options

_DEFAULT = Path("migration.toml")


@click.command("explain")
@click.argument("arguments", metavar="[FILE] ROUTE ID", nargs=-1, required=True)
@ledger_option
@output_options
def command(*, arguments: tuple[str, ...], ledger: Path | None, output: Output) -> None:
    """Tell one record's whole story, step by step: bulkmove explain orders 10000034

    When it was read, what it was mapped to, which requests carried it and how each was answered, in which runs, and
    what became of it. From the ledger alone (FILE: migration.toml by default), also while a run is going; -v adds
    the record as it was read, where that is kept. Ends with 0; 2 for a route or a record that is not there.
    """
    with exits():
        with loading():
            from bulkmove.config import load_migration
            from bulkmove.pipeline.migration import Migration

        file, route, source_id = _split(arguments)
        migration = Migration(load_migration(file, ledger=ledger, with_credentials=False))
        explained = migration.explain(route, source_id)
        if output.as_json:
            with loading():
                from bulkmove.report.stories import story_json

            click.echo(story_json(explained))
            return
        with loading():
            from bulkmove.report.stories import tell_story

        tell_story(explained, is_whole=output.verbose)


def _split(arguments: Sequence[str]) -> tuple[Path, str, str]:
    """FILE, ROUTE and ID; a record may be called like a file, so that only the first of three, or of two, is one."""
    with loading():
        from bulkmove.errors import ConfigError

    match list(arguments):
        case [file, route, source_id]:
            return Path(file), route, source_id
        case [route, source_id] if not route.lower().endswith(".toml"):
            return _DEFAULT, route, source_id
        case [_, _, _, *_]:
            raise ConfigError(f"too many arguments: {' '.join(arguments)}")
        case _:
            raise ConfigError(
                "which record? Name it by its route and its id, as in bulkmove explain orders 17"
            )
