"""Fewer pages are asked for at once while this machine is the slower one, and more again once it is not."""

from __future__ import annotations

import anyio
from anyio.lowlevel import checkpoint

from bulkmove.pipeline.backlog import FIRST_READERS, LEAST_READERS, Backlog


async def pages(backlog: Backlog, at_once: int, *, rounds: int = 1) -> None:
    """So many pages at the same time, again and again."""

    async def page() -> None:
        async with backlog.turn():
            await checkpoint()

    for _ in range(rounds):
        async with anyio.create_task_group() as tasks:
            for _ in range(at_once):
                tasks.start_soon(page)


async def test_a_slow_host_gets_all_the_readers_it_can_use_within_a_few_rounds() -> None:
    backlog = Backlog(lambda: 64)
    await pages(backlog, 1, rounds=FIRST_READERS * (1 + 2 + 4))
    assert backlog.readers() == 64


async def test_one_burst_takes_a_third_of_the_readers_away_not_all() -> None:
    backlog = Backlog(lambda: 64)
    await pages(backlog, 1, rounds=1 + FIRST_READERS * (1 + 2 + 4))
    await pages(backlog, 64)
    assert 40 <= backlog.readers() < 64


async def test_pages_that_wait_for_the_very_first_one_take_no_readers_away() -> None:
    backlog = Backlog(lambda: 16)
    await pages(backlog, 16)
    assert backlog.readers() == 16
    await pages(backlog, 16)
    assert backlog.readers() < 16


async def test_pages_that_keep_waiting_take_readers_away_but_never_the_last_two() -> None:
    backlog = Backlog(lambda: 64)
    await pages(backlog, 64, rounds=10)
    assert backlog.readers() == LEAST_READERS


async def test_pages_that_keep_each_other_busy_change_nothing() -> None:
    backlog = Backlog(lambda: 8)
    await pages(backlog, 8, rounds=10)
    await pages(backlog, 2, rounds=20)
    assert backlog.readers() == LEAST_READERS


async def test_readers_come_back_when_pages_come_to_their_turn_at_once() -> None:
    backlog = Backlog(lambda: 8)
    await pages(backlog, 8, rounds=10)
    await pages(backlog, 1, rounds=2 + 4)
    assert backlog.readers() == 8


async def test_a_host_that_wants_one_reader_gets_one() -> None:
    wanted = 8
    backlog = Backlog(lambda: wanted)
    await pages(backlog, 8)
    wanted = 1
    assert backlog.readers() == 1
