"""Those that send for one purpose, where it ends for one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from typing import Any

import anyio
import pytest

from bulkmove.settings import Window
from bulkmove.transport.gate import Gate
from bulkmove.transport.leaving import LeftError
from bulkmove.transport.senders import Senders
from bulkmove.transport.slot import Slot

RunVirtually = Callable[[Coroutine[Any, Any, None]], None]
HOUR_S = 3600.0


def now() -> float:
    return asyncio.get_running_loop().time()


class Asking:
    """Requests at one gate; those of `senders`, and somebody else's."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.senders = Senders()
        self.slots: list[Slot] = []
        self.left: list[tuple[float, str]] = []

    async def ask(self, *, is_theirs: bool = True) -> None:
        try:
            with self.senders.sending() if is_theirs else nullcontext():
                self.slots.append(await self.gate.acquire())
        except LeftError as error:
            self.left.append((now(), str(error)))


def _full_hour() -> Gate:
    """One request goes out, and the next an hour later."""
    return Gate((Window(1, HOUR_S),), burst=1, concurrency=9, clock=now)


def _held_by_hand() -> Gate:
    gate = Gate((), burst=1, concurrency=9, clock=now)
    gate.hold_by_hand()
    return gate


def _one_at_a_time() -> Gate:
    return Gate((), burst=1, concurrency=1, clock=now)


@pytest.mark.parametrize("is_others_first", [False, True], ids=["first", "behind-another"])
@pytest.mark.parametrize("made", [_full_hour, _held_by_hand, _one_at_a_time])
def test_those_that_wait_leave_at_once_and_nobody_else_does(
    run_virtually: RunVirtually, made: Callable[[], Gate], *, is_others_first: bool
) -> None:
    async def scenario() -> None:
        gate = made()
        if not gate.is_held_by_hand:
            await gate.acquire()  # takes what there is
        taken = gate.in_flight
        asking = Asking(gate)
        async with anyio.create_task_group() as group:
            if is_others_first:
                group.start_soon(lambda: asking.ask(is_theirs=False))
                await anyio.sleep(1)
            for _ in range(5):
                group.start_soon(asking.ask)
            await anyio.sleep(1)
            assert (asking.left, gate.waiting) == ([], 5 + is_others_first)
            asking.senders.leave("refused another")
            left_at = now()
            await anyio.sleep(1)
            assert asking.left == [(left_at, "refused another")] * 5
            assert (gate.waiting, gate.in_flight) == (int(is_others_first), taken), "another waits on"
            group.cancel_scope.cancel()
        assert (gate.waiting, gate.in_flight) == (0, taken)

    run_virtually(scenario())


def test_one_that_has_a_slot_is_not_touched_and_none_gets_one_afterwards(run_virtually: RunVirtually) -> None:
    async def scenario() -> None:
        gate = Gate((Window(4, 1.0),), burst=1, concurrency=9, clock=now)
        asking = Asking(gate)
        is_answered = False

        async def send() -> None:
            nonlocal is_answered
            with asking.senders.sending():
                slot = await gate.acquire()
                await anyio.sleep(2)
                await gate.turn(slot)
                gate.sent(slot)
                await anyio.sleep(2)
                gate.release(slot)
            is_answered = True

        async with anyio.create_task_group() as group:
            group.start_soon(send)
            await anyio.sleep(1)
            asking.senders.leave("refused another")
            await asking.ask()
            assert [why for _, why in asking.left] == ["refused another"]
        assert is_answered
        await anyio.sleep(1)
        await asking.ask()
        assert len(asking.left) == 2, "nor where a slot is free"
        await asking.ask(is_theirs=False)
        (slot,) = asking.slots
        gate.release(slot)
        assert (gate.waiting, gate.in_flight) == (0, 0)

    run_virtually(scenario())


def test_one_whose_slot_comes_at_the_moment_they_leave_takes_none(run_virtually: RunVirtually) -> None:
    async def scenario() -> None:
        gate = _one_at_a_time()
        first = await gate.acquire()
        asking = Asking(gate)
        async with anyio.create_task_group() as group:
            group.start_soon(asking.ask)
            await anyio.sleep(1)
            gate.release(first)
            asking.senders.leave("refused another")
        assert (asking.slots, len(asking.left)) == ([], 1)
        assert (gate.waiting, gate.in_flight) == (0, 0)

    run_virtually(scenario())
