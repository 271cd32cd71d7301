"""A ledger put aside under another name, so that a run can begin anew and nothing is lost."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing, suppress
from itertools import count
from pathlib import Path

from bulkmove import clock
from bulkmove.errors import LedgerError
from bulkmove.ledger import questions
from bulkmove.ledger.file import connect, locked, this_machine
from bulkmove.ledger.looking import looked_at
from bulkmove.ledger.runs import ALIVE_MARGIN_S


def put_aside(ledger: Path) -> Path:
    """Give the ledger another name, so that the next run begins anew; that name.

    What stands in SQLite's log goes into the file first, so that one renaming does it: a kill leaves it done or not
    begun. Raises LedgerLockedError while a run is going.
    """
    with locked(ledger):
        with suppress(LedgerError, sqlite3.Error), closing(connect(ledger)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        aside = _unused_name(ledger)
        try:
            ledger.rename(aside)
            for suffix in ("-wal", "-shm"):  # of a file that could not be opened, or that somebody looks at
                if (part := ledger.with_name(ledger.name + suffix)).exists():
                    part.rename(aside.with_name(aside.name + suffix))
        except OSError as error:
            raise LedgerError(f"{ledger}: can't be renamed ({error.strerror})") from error
    return aside


def may_land_since(ledger: Path) -> float:
    """When a run of this machine can have sent something last that nothing settled; 0 where none can.

    Raises LedgerLockedError while a run is going.
    """
    # In this order: an older program's ledger is brought up to date under the lock, too.
    with looked_at(ledger, is_newest=True) as connection, locked(ledger):
        if connection is None:
            return 0.0
        return questions.may_land_here_since(
            connection, ALIVE_MARGIN_S, machine=this_machine(), up_since=clock.UP_SINCE
        )


def take_back(ledger: Path, aside: Path) -> bool:
    """Put a ledger that was put aside in its place again, where the new one has put down no record; whether it was.

    Raises LedgerLockedError while a run is going.
    """
    with locked(ledger):
        if ledger.exists():
            with suppress(LedgerError, sqlite3.Error), closing(connect(ledger, read_only=True)) as connection:
                if connection.execute("SELECT 1 FROM pages LIMIT 1").fetchone() is not None:
                    return False
        try:
            for suffix in ("-wal", "-shm", ""):
                ledger.with_name(ledger.name + suffix).unlink(missing_ok=True)
            for suffix in ("", "-wal", "-shm"):
                if (part := aside.with_name(aside.name + suffix)).exists():
                    part.rename(ledger.with_name(ledger.name + suffix))
        except OSError as error:
            raise LedgerError(f"{aside}: can't be renamed to {ledger} ({error.strerror})") from error
    return True


def _unused_name(ledger: Path) -> Path:
    """Dated; two of one second are numbered."""
    dated = f"{ledger.name}.{time.strftime('%Y%m%d-%H%M%S')}"
    names = (ledger.with_name(dated if not number else f"{dated}-{number}") for number in count())
    return next(name for name in names if not os.path.lexists(name))
