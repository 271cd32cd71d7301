"""All that a bench found, and the same in a file, which holds no address, no credential and no record."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import msgspec
import orjson

from bulkmove.cutover.bench.predicting import Prediction
from bulkmove.cutover.bench.probing import HostSteps
from bulkmove.cutover.bench.suggesting import Suggestion
from bulkmove.errors import ConfigError

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Bench:
    """`against`: the sandbox, or the real sources. `notes`: what a person should know of how it was found."""

    format: int
    name: str
    made_at: str
    version: str
    against: str
    arrivals: str
    hosts: tuple[HostSteps, ...]
    suggestions: tuple[Suggestion, ...]
    prediction: Prediction | None = None
    notes: tuple[str, ...] = ()


def save_bench(path: Path, bench: Bench) -> None:
    """Write it, whole or not at all. Raises ConfigError where something else is there, or it can't be written."""
    refuse_foreign(path)
    text = orjson.dumps(msgspec.to_builtins(bench), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    try:
        replace_file(path, text, mode=0o644)
    except OSError as error:
        raise ConfigError(f"{path}: the bench can't be written: {error.strerror}") from error


def refuse_foreign(path: Path) -> None:
    """Raises ConfigError where something is there that is no saved bench."""
    if path.exists():
        try:
            load_bench(path)
        except ConfigError:
            raise ConfigError(
                f"{path}: is there already, and is no saved bench: name another place with --save"
            ) from None


def refuse_place(path: Path, option: str) -> None:
    """Raises ConfigError where no file can come to be in its folder. `option`: which names it."""
    folder = path.parent
    if not folder.is_dir():
        raise ConfigError(f"{option} {path}: there is no folder {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"{option} {path}: nothing can be written into {folder}")


def load_bench(path: Path) -> Bench:
    """Raises ConfigError for a file that can't be read, or is none."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: the bench can't be read: {error.strerror}") from error
    try:
        bench = msgspec.json.decode(text, type=Bench)
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError) as error:
        raise ConfigError(f"{path}: is nothing that `bulkmove bench --save` wrote: {error}") from error
    if bench.format != FORMAT:
        raise ConfigError(f"{path}: was saved by another version of bulkmove: bench again")
    return bench


def replace_file(path: Path, text: bytes, *, mode: int) -> None:
    """Put a whole file in the place of another, or nothing. Raises OSError."""
    number, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(number)
        Path(beside).chmod(mode)
        Path(beside).replace(path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
