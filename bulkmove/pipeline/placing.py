"""Files that take their name once they are whole: a reader finds what was there before, or all that was written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from bulkmove.errors import ConfigError

_PRIVATE = 0o600  # as mkstemp makes it, from its first byte


@contextmanager
def placed(path: Path, *, mode: int = _PRIVATE) -> Iterator[IO[bytes]]:
    """A file beside `path` to write into, which takes its place when this is left without an error. Raises OSError."""
    number, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    beside = Path(name)
    try:
        with os.fdopen(number, "wb") as file:
            yield file
            file.flush()
            os.fsync(number)
        if mode != _PRIVATE:
            beside.chmod(mode)
        beside.replace(path)
    except BaseException:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise


def replace_file(path: Path, text: bytes, *, mode: int = _PRIVATE) -> None:
    """Put a whole file in the place of another, or nothing. Raises OSError."""
    with placed(path, mode=mode) as file:
        file.write(text)


def refuse_place(path: Path, option: str) -> None:
    """Raises ConfigError where no file can come to be in its folder. `option`: which names it."""
    folder = path.parent
    if not folder.is_dir():
        raise ConfigError(f"{option} {path}: there is no folder {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"{option} {path}: nothing can be written into {folder}")
