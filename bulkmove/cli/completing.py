"""What a shell completes beside commands and options: names that stand in the migration's file."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem

_DEFAULT_FILE = Path("migration.toml")


def complete_routes(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    file = context.params.get("file")
    return _matching(_names(file if isinstance(file, Path) else _DEFAULT_FILE, "routes"), begun)


def complete_hosts(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Hosts of the file that stands before, or of ./migration.toml; and files, where there is none yet."""
    words = context.params.get("words") or ()
    file = next((Path(word) for word in words if word.endswith(".toml")), None)
    hosts = _matching(_names(file or _DEFAULT_FILE, "hosts"), begun)
    return hosts or ([] if file else [CompletionItem(begun, type="file")])


def _matching(names: Iterable[str], begun: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(begun)]


def _names(file: Path, section: str) -> list[str]:
    """None where the file is not there, or not yet right: nobody wants an error in the middle of a command line."""
    try:
        found = tomllib.loads(file.read_text("utf-8")).get(section)
    except (OSError, ValueError):
        return []
    return list(found) if isinstance(found, dict) else []
