"""A ledger's copy, for what is tried out on it: what is done to it leaves the ledger as it is."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from bulkmove.ledger.file import connect, explained


@contextmanager
def ledger_or_copy(path: Path, *, is_copied: bool) -> Iterator[Path]:
    """The ledger itself, or a copy of it as it is now, also beside a run, which is gone afterwards."""
    if not is_copied:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="bulkmove-dry-run-") as folder:
        copy = Path(folder) / path.name
        try:
            with closing(connect(path, read_only=True)) as old, closing(connect(copy)) as new:
                old.backup(new)
        except sqlite3.Error as error:
            raise explained(path, error) from error
        yield copy
