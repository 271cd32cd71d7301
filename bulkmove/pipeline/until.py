"""Work that is cut off where the run is to end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from bulkmove.errors import single_error


@asynccontextmanager
async def until(stop: anyio.Event, *, name: str) -> AsyncIterator[None]:
    """Leave the block, at whatever it waits for, once `stop` is set. What the block raises comes as it is, in no group."""
    with single_error():
        async with anyio.create_task_group() as tasks:

            async def leave() -> None:
                await stop.wait()
                tasks.cancel_scope.cancel()

            tasks.start_soon(leave, name=f"{name} until")
            yield
            tasks.cancel_scope.cancel()
