"""What `read` and `call` share: the file among their arguments, `name=value` pairs, waits, and a reader who goes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from bulkmove.cli.exits import tell
from bulkmove.errors import ConfigError

_DEFAULT = Path("migration.toml")


def split_file(arguments: Sequence[str], most: int) -> tuple[Path, list[str]]:
    """The migration's file and the other arguments, of which there are at most `most`.

    A file ends in .toml, holds a slash, or is there under a name with an ending; it may come first or last. Where
    there is one argument too many and none looks like a file, the first is the file. A file that is called like the
    stream that is printed is likely where the shell sends it, so that alone makes none of it.
    """
    looks = [number for number, text in enumerate(arguments) if _looks_like_file(text)]
    if not looks and len(arguments) > 1:
        looks = [number for number in (0, len(arguments) - 1) if _is_there(arguments[number])]
    if not looks and len(arguments) > most:
        looks = [0]
    if len(arguments) > most + bool(looks):
        raise ConfigError(f"too many arguments: {' '.join(arguments)}")
    if not looks:
        return _DEFAULT, list(arguments)
    file = looks[0]
    return Path(arguments[file]), [text for number, text in enumerate(arguments) if number != file]


def pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    """`name=value` pairs. Raises ConfigError for a text without its `=`, and for a name that comes twice."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals or not name:
            raise ConfigError(f"{option} {text!r} must be name=value")
        if name in found:
            raise ConfigError(f"{option} {name} is given twice")
        found[name] = value
    return found


def tell_pause(seconds: float, reason: str) -> None:
    """A host asks to wait."""
    tell(f"waiting {seconds:.0f} s: {reason}" if reason else f"waiting {seconds:.0f} s")


def stdout_is_gone() -> None:
    """Nobody reads stdout any more (`| head`): what Python still holds for it goes nowhere when the process ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _looks_like_file(text: str) -> bool:
    return text.lower().endswith(".toml") or os.sep in text


def _is_there(text: str) -> bool:
    return bool(Path(text).suffix) and Path(text).is_file()
