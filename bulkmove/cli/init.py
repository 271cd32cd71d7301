"""`bulkmove init`: a migration to start from."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import click

from bulkmove.cli.exits import exits
from bulkmove.config.problems import nearest
from bulkmove.errors import ConfigError

_MIGRATION = "migration.toml"
_MAPPERS = "mappers.py"
# The mapper's text is no module of this package, and its name says so to what looks for modules.
_TEXTS = {_MIGRATION: "migration.toml", _MAPPERS: "mappers.py.txt"}
# What is left and what is moved to, and the starter that maps between them without code.
_BETWEEN = {
    ("merchantpro", "external-order"): "merchantpro-to-external-order.toml",
    ("merchantpro", "robosize"): "merchantpro-to-robosize.toml",
    ("robosize", "robosize"): "robosize-to-robosize.toml",
}


@click.command()
@click.argument("place", metavar="[DIR|FILE]", type=click.Path(path_type=Path), default=Path())
@click.option(
    "--from", "source", metavar="API", help="Which API is left: merchantpro or robosize. With --to."
)
@click.option(
    "--to", "target", metavar="API", help="Which API is moved to: external-order or robosize. With --from."
)
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
@click.option("-v", "--verbose", is_flag=True, envvar="BULKMOVE_VERBOSE", help="Print tracebacks of errors.")
def command(*, place: Path, source: str | None, target: str | None, force: bool, verbose: bool) -> None:
    """Write a commented migration.toml, and a mappers.py beside it, to start from.

    Into DIR (default: here), or as FILE, whose name ends in .toml. Files that are there are left alone.
    With --from and --to the migration maps without code, by a [routes.X.fields] table to edit, and stands alone.
    """
    with exits(verbose=verbose):
        migration = place if place.suffix == ".toml" and not place.is_dir() else place / _MIGRATION
        if source is None and target is None:
            write_starter(migration, force=force)
            click.echo(migration)
            click.echo(migration.with_name(_MAPPERS))
            click.echo(_next_steps(migration), err=True)
        else:
            starter = _between(source, target)
            _write({migration: starter}, force=force)
            click.echo(migration)
            click.echo(_next_steps_without_code(migration, needs_ids=source == target), err=True)


def write_starter(migration: Path, *, force: bool) -> None:
    """Both files or, where one is there and `force` is not given, neither. Raises ConfigError."""
    _write(
        {migration: _TEXTS[_MIGRATION], migration.with_name(_MAPPERS): _TEXTS[_MAPPERS]},
        force=force,
    )


def _between(source: str | None, target: str | None) -> str:
    """The starter for a pair of APIs. Raises ConfigError for a name that is unknown, and for a pair that has none."""
    known = {"--from": sorted({one for one, _ in _BETWEEN}), "--to": sorted({other for _, other in _BETWEEN})}
    for option, name in (("--from", source), ("--to", target)):
        names = " or ".join(known[option])
        if name is None:
            raise ConfigError(f"{option} is missing; name the API, {names}")
        if name not in known[option]:
            raise ConfigError(f"{option} {name}: must be {names}{nearest(name, known[option])}")
    found = None if source is None or target is None else _BETWEEN.get((source, target))
    if found is None:
        pairs = ", ".join(f"--from {one} --to {other}" for one, other in _BETWEEN)
        raise ConfigError(
            f"--from {source} --to {target}: there is no mapping to start from; there are {pairs}"
        )
    return found


def _write(starters: dict[Path, str], *, force: bool) -> None:
    texts = {
        path: files("bulkmove.config").joinpath("starter", name).read_text(encoding="utf-8")
        for path, name in starters.items()
    }
    present = [str(path) for path in texts if path.exists()]
    if present and not force:
        raise ConfigError(
            f"{' and '.join(present)}: there already; --force overwrites, another DIR leaves alone"
        )
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("w" if force else "x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise ConfigError(f"can't write {error.filename}: {error.strerror}") from error


def _next_steps(migration: Path) -> str:
    name = _argument(migration)
    return "\n".join(
        (
            "Next:",
            f"  1. Put your addresses into {migration}, and set the variables that its first lines name.",
            "  2. Put your tables of product numbers beside it, as its options name them.",
            f"  3. bulkmove config validate{name}",
            f"  4. bulkmove doctor{name}",
            f"  5. bulkmove run{name} --dry-run --limit 100",
            f"  6. bulkmove run{name}",
        )
    )


def _next_steps_without_code(migration: Path, *, needs_ids: bool) -> str:
    name = _argument(migration)
    edit = (
        "Put ids.csv beside it: the old numbers and the new ones."
        if needs_ids
        else "Read its table of fields, and take away the # of what your shop needs."
    )
    return "\n".join(
        (
            "Next:",
            f"  1. Put your addresses into {migration}, and set the variables that its first lines name.",
            f"  2. {edit}",
            f"  3. bulkmove config validate{name}",
            f"  4. bulkmove doctor{name}",
            f"  5. bulkmove plan{name}",
            f"  6. bulkmove run{name}",
        )
    )


def _argument(migration: Path) -> str:
    return "" if migration == Path(_MIGRATION) else f" {migration}"
