"""A ledger looked at beside a run that may be going: nothing of it is changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from bulkmove.errors import LedgerLockedError
from bulkmove.ledger.file import (
    connect,
    explained,
    locked,
    migrate,
    migrations,
    refuse_foreign,
    schema_version,
)


@contextmanager
def looked_at(path: Path, *, is_newest: bool = False) -> Iterator[sqlite3.Connection | None]:
    """The ledger, to be read alone; None where there is none yet.

    `is_newest`: one that an older bulkmove wrote is brought up to date first. Raises LedgerError and its kinds.
    """
    if not path.exists():
        yield None
        return
    with closing(connect(path, read_only=True)) as connection:
        refuse_foreign(connection, path)
        version = schema_version(connection)
        if is_newest and 0 < version < migrations()[-1][0]:
            _bring_up_to_date(path)
        try:
            yield connection if version else None
        except sqlite3.Error as error:
            raise explained(path, error) from error


def _bring_up_to_date(path: Path) -> None:
    try:
        with locked(path), closing(connect(path)) as connection:
            migrate(connection, path)
    except LedgerLockedError as error:
        raise LedgerLockedError(
            f"{path}: was begun by an older bulkmove, which is at work on it: wait until it is done"
        ) from error
