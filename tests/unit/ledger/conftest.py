"""A ledger with one route and one list, on a real file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from bulkmove.ledger import SqliteLedger, open_ledger

Opened = Callable[[], AbstractAsyncContextManager[SqliteLedger]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some.ledger.db"


@pytest.fixture
def opened(path: Path) -> Opened:
    """Opens the ledger for a new run, with route `r` and list `l`."""

    @asynccontextmanager
    async def open_it() -> AsyncIterator[SqliteLedger]:
        async with open_ledger(path) as ledger:
            await ledger.begin_run()
            await ledger.save_route("r", "{}")
            await ledger.save_list("l")
            yield ledger

    return open_it
