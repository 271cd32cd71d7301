"""`bulkmove init`: a migration to start from."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import click

from bulkmove.cli.exits import exits
from bulkmove.errors import ConfigError

_MIGRATION = "migration.toml"
_MAPPERS = "mappers.py"
# The mapper's text is no module of this package, and its name says so to what looks for modules.
_TEXTS = {_MIGRATION: "migration.toml", _MAPPERS: "mappers.py.txt"}


@click.command()
@click.argument("place", metavar="[DIR|FILE]", type=click.Path(path_type=Path), default=Path())
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
@click.option("-v", "--verbose", is_flag=True, envvar="BULKMOVE_VERBOSE", help="Print tracebacks of errors.")
def command(*, place: Path, force: bool, verbose: bool) -> None:
    """Write a commented migration.toml, and a mappers.py beside it, to start from.

    Into DIR (default: here), or as FILE, whose name ends in .toml. Files that are there are left alone.
    """
    with exits(verbose=verbose):
        migration = place if place.suffix == ".toml" and not place.is_dir() else place / _MIGRATION
        write_starter(migration, force=force)
        click.echo(migration)
        click.echo(migration.with_name(_MAPPERS))
        click.echo(_next_steps(migration), err=True)


def write_starter(migration: Path, *, force: bool) -> None:
    """Both files or, where one is there and `force` is not given, neither. Raises ConfigError."""
    texts = {
        path: files("bulkmove.config").joinpath("starter", _TEXTS[name]).read_text(encoding="utf-8")
        for path, name in ((migration, _MIGRATION), (migration.with_name(_MAPPERS), _MAPPERS))
    }
    present = [str(path) for path in texts if path.exists()]
    if present and not force:
        raise ConfigError(
            f"{' and '.join(present)}: there already; --force overwrites, another DIR leaves alone"
        )
    try:
        migration.parent.mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            with path.open("w" if force else "x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise ConfigError(f"can't write {error.filename}: {error.strerror}") from error


def _next_steps(migration: Path) -> str:
    name = "" if migration == Path(_MIGRATION) else f" {migration}"
    return "\n".join(
        (
            "Next:",
            f"  1. Put your addresses into {migration}, and set the variables that its first lines name.",
            "  2. Put your tables of product numbers beside it, as its options name them.",
            f"  3. bulkmove config validate{name}",
            f"  4. bulkmove run{name} --dry-run --limit 100",
            f"  5. bulkmove run{name}",
        )
    )
