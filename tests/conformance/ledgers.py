"""Trials of the ledger on SQLite, and what a power failure leaves of its file."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

from bulkmove.ledger import SqliteLedger, open_ledger
from bulkmove.testing import LedgerTrial
from bulkmove.testing.trials import LIST, OTHER_ROUTE, ROUTE


@asynccontextmanager
async def begun(path: Path) -> AsyncIterator[SqliteLedger]:
    async with open_ledger(path) as ledger:
        await ledger.begin_run()
        for route in (ROUTE, OTHER_ROUTE):
            await ledger.save_route(route, "{}")
        await ledger.save_list(LIST)
        yield ledger


def after_crash(path: Path, copy: Path) -> Path:
    """The file and its log as they are on the disk now: what is not in them is lost with the power."""
    for ending in ("", "-wal"):
        part = path.with_name(path.name + ending)
        if part.exists():
            shutil.copyfile(part, copy.with_name(copy.name + ending))
    return copy


@asynccontextmanager
async def sqlite_ledger(directory: Path) -> AsyncIterator[LedgerTrial]:
    path, numbers = directory / "a.ledger.db", count()
    yield LedgerTrial(
        open=lambda: begun(path),
        after_crash=lambda: begun(after_crash(path, directory / f"crash-{next(numbers)}.ledger.db")),
    )
