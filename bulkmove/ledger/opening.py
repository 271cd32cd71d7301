"""A ledger held for one run: its lock, its connections and the lane that commits, from the first to the last change."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from pathlib import Path

import anyio

from bulkmove.ledger.file import connect, locked, migrate, refuse_other_files
from bulkmove.ledger.sqlite import SqliteLedger
from bulkmove.ledger.store import Connections


@asynccontextmanager
async def open_ledger(path: Path, *, synchronous: str = "full") -> AsyncIterator[SqliteLedger]:
    """Hold the ledger at `path` for one run; it is made where there is none.

    Raises LedgerLockedError where another run holds it, LedgerRefusedError where it is newer than this
    program, LedgerError where it can't be written. What was handed over is durable when the context ends.
    """
    if os.access(path, os.R_OK):  # what is not there, or not to be read, is told of where it is written
        refuse_other_files(path)  # first: no lock is left beside what is another program's
    with locked(path), _connections(path, synchronous) as connections:
        ledger = SqliteLedger(path, connections)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_serve, ledger, name="ledger writer")
            try:
                yield ledger
            finally:
                ledger.writer.close()  # and the context waits for it


async def _serve(ledger: SqliteLedger) -> None:
    """Commits go on while the run is being cancelled: what was acknowledged shall be durable."""
    with anyio.CancelScope(shield=True):
        await ledger.writer.serve()


@contextmanager
def _connections(path: Path, synchronous: str) -> Iterator[Connections]:
    with ExitStack() as stack:
        write = stack.enter_context(closing(connect(path, synchronous=synchronous)))
        migrate(write, path)
        read, near, look = (stack.enter_context(closing(connect(path, read_only=True))) for _ in range(3))
        yield Connections(write, read, near, look)
