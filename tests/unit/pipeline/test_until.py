"""A block that is left where the run is to end."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from bulkmove.pipeline.until import until


async def test_the_block_is_left_at_whatever_it_waits_for() -> None:
    stop, is_over = anyio.Event(), False
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:

            async def work() -> None:
                nonlocal is_over
                async with until(stop, name="work"):
                    await anyio.sleep_forever()
                is_over = True

            tasks.start_soon(work)
            await anyio.lowlevel.checkpoint()
            stop.set()
    assert is_over


async def test_a_block_that_comes_to_its_end_waits_for_no_stop() -> None:
    with anyio.fail_after(5):
        async with until(anyio.Event(), name="work"):
            await anyio.lowlevel.checkpoint()


async def test_what_the_block_raises_comes_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        async with until(anyio.Event(), name="work"):
            raise ZeroDivisionError
