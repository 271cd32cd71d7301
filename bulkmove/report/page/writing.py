"""A report as a file: private, whole or not at all, and never in the place of something else."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from bulkmove.connectors.files.durable import open_private, save_directory
from bulkmove.errors import ConfigError

# Stands in the head of every report.
MARK = 'name="generator" content="bulkmove'
_HEAD_BYTES = 2000


def write_report(path: Path, page: str) -> None:
    """Write the page, over an older report. Raises ConfigError for any other file, and where it can't be written."""
    try:
        _refuse_others(path)
        draft = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            with os.fdopen(open_private(draft), "wb") as file:
                file.truncate()
                file.write(page.encode("utf-8"))
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        finally:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
        save_directory(path.parent)
    except OSError as error:
        raise ConfigError(
            f"{path}: can't be written ({error.strerror}); name another place with --out"
        ) from error


def _refuse_others(path: Path) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except FileNotFoundError:
        return
    if MARK.encode() not in head:
        raise ConfigError(f"{path}: is there already, and is no report of bulkmove: name another with --out")
