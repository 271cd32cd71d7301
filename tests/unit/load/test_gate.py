"""Writing to a list, or reading it back."""

from __future__ import annotations

import anyio
import anyio.lowlevel

from bulkmove.load.gate import ListGate


class Yard:
    """Who is inside, and whether readers and writers ever met."""

    def __init__(self) -> None:
        self.gate = ListGate()
        self.writers = self.readers = 0
        self.have_met = False
        self.entered: list[str] = []

    async def write(self, leave: anyio.Event, name: str = "w") -> None:
        async with self.gate.writing():
            self.writers += 1
            self._look(name)
            await leave.wait()
            self.writers -= 1

    async def read(self, leave: anyio.Event, name: str = "r") -> None:
        async with self.gate.reading():
            self.readers += 1
            self._look(name)
            await leave.wait()
            self.readers -= 1

    def _look(self, name: str) -> None:
        self.entered.append(name)
        self.have_met |= bool(self.writers and self.readers)


async def settle() -> None:
    for _ in range(20):
        await anyio.lowlevel.checkpoint()


async def test_writers_share_and_a_reader_waits_for_them() -> None:
    yard, leave = Yard(), anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(yard.write, leave)
        tasks.start_soon(yard.write, leave)
        await settle()
        tasks.start_soon(yard.read, leave)
        await settle()
        assert (yard.writers, yard.readers) == (2, 0)
        leave.set()
    assert yard.entered == ["w", "w", "r"]
    assert not yard.have_met


async def test_a_waiting_reader_goes_before_writers_that_come_later() -> None:
    """Else a list that is always written to is never read back."""
    yard, first, then = Yard(), anyio.Event(), anyio.Event()
    then.set()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(yard.write, first)
        await settle()
        tasks.start_soon(yard.read, then)
        await settle()
        tasks.start_soon(yard.write, then, "late")
        await settle()
        assert yard.entered == ["w"]
        first.set()
    assert yard.entered == ["w", "r", "late"]


async def test_writers_go_on_when_the_reader_is_done() -> None:
    yard, read, write = Yard(), anyio.Event(), anyio.Event()
    write.set()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(yard.read, read)
        await settle()
        tasks.start_soon(yard.write, write)
        await settle()
        assert yard.entered == ["r"]
        read.set()
    assert yard.entered == ["r", "w"]


async def test_cancelled_while_waiting_or_inside_nobody_is_shut_out() -> None:
    yard = Yard()
    for outside, inside in ((yard.read, yard.write), (yard.write, yard.read)):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(inside, anyio.Event())
            await settle()
            tasks.start_soon(outside, anyio.Event())
            await settle()
            tasks.cancel_scope.cancel()
        yard.readers = yard.writers = 0
        with anyio.fail_after(5):
            async with yard.gate.writing():
                pass
            async with yard.gate.reading():
                pass


async def test_readers_and_writers_never_meet_and_all_get_their_turn() -> None:
    yard = Yard()

    async def come_and_go(number: int) -> None:
        enter = yard.gate.reading if number % 7 == 0 else yard.gate.writing
        for _ in range(5):
            async with enter():
                if number % 7 == 0:
                    yard.readers += 1
                else:
                    yard.writers += 1
                yard._look(str(number))
                await anyio.lowlevel.checkpoint()
                yard._look(str(number))
                if number % 7 == 0:
                    yard.readers -= 1
                else:
                    yard.writers -= 1

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            for number in range(30):
                tasks.start_soon(come_and_go, number)
    assert not yard.have_met
