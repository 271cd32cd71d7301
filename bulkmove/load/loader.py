"""Mapped bodies in, outcomes in the ledger: gathers batches and delivers several at a time, in bounded memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from bulkmove import clock
from bulkmove.entries import Item
from bulkmove.errors import CredentialsError, HeldError, HostUnavailableError
from bulkmove.load.batching import Batch, Batcher, Undivided, batcher_for
from bulkmove.load.delivery import Delivered, Lane, deliver
from bulkmove.load.pieces import deliver_piece
from bulkmove.model import Action
from bulkmove.transport.senders import Senders

# A host whose answers take half a second is kept at 200/s by a hundred. What they hold stays in memory: so many bodies
# at most, or as many as the first few hold where batches are large; and as many batches as the first few take are ready.
MOST_WRITERS, FIRST_WRITERS, MOST_BODIES = 128, 16, 6_400
LOOK_UP_EVERY_S = 0.5
_ACTIONS: tuple[Action, ...] = ("create", "update")


class Loader:
    """Takes items in the order in which they were mapped; made by `open_loader`. `held`: why some were not sent any more.

    Two writes to one row keep their order: an item for a row that is still on its way waits for it, and one
    whose predecessor stayed open stays open too.
    """

    def __init__(
        self,
        lane: Lane,
        queue: MemoryObjectSendStream[Batch],
        *,
        room: anyio.Semaphore,
        batch_size: int | None,
        grow: Callable[[], None] = lambda: None,
    ) -> None:
        self._lane = lane
        self._queue = queue
        self._room = room
        self._grow = grow
        self._batchers: dict[Action, Batcher] = {
            action: batcher_for(
                action, lane.target.rules[action], batch_size, size=lane.size, told=lane.on_joined
            )
            for action in _ACTIONS
        }
        self._rows_on_the_way: set[str] = set()
        self._rows_left_open: set[str] = set()
        self._first_held_until = self._second_held_until = 0.0
        self.held: HeldError | None = None
        self._senders = Senders()
        self._failure: HostUnavailableError | CredentialsError | None = None
        self._outstanding = 0
        self._idle = anyio.Event()
        self._idle.set()

    def begin_round(self) -> None:
        """What stayed open is about to be put again, first things first."""
        self._rows_left_open.clear()

    def heed_earlier(self, *, sent_until: float, unsettled_at: float) -> None:
        """What earlier runs sent may land yet, on top of another body of its row (see `RouteProgress`)."""
        self._second_held_until = sent_until + self._lane.settle_s
        self._first_held_until = unsettled_at + self._lane.settle_s

    def leave_open(self, item: Item) -> None:
        """The item stays where it is, and with it whatever is put for its row afterwards."""
        if item.target_id is not None:
            self._rows_left_open.add(item.target_id)

    async def put(self, items: Iterable[Item]) -> None:
        """Returns when the items are with the writers or wait to be joined; waits where writers are behind.

        Pages take turns: not to be called while another call is under way. Cancelled, what was not handed over stays
        pending, to be put again.
        """
        if self._lane.keep_before is not None:
            items = list(items)
            await self._lane.keep_before(items)
        for item in items:
            if item.target_id is not None and not await self._may_go(item.target_id, item.encoded):
                continue
            action: Action = "create" if item.target_id is None else "update"
            await self._hand_over(self._batchers[action].add(item))

    async def flush(self) -> None:
        """Send what waits to be joined or filled up, and wait until every batch is settled or left open."""
        for batcher in self._batchers.values():
            await self._hand_over(batcher.flush())
        await self.drain()

    async def drain(self) -> None:
        """Wait until what is with the writers is settled or left open; what waits to be joined stays pending."""
        await self._idle.wait()

    async def work(self, batches: MemoryObjectReceiveStream[Batch], is_spare: Callable[[], bool]) -> None:
        """One writer: deliver batch after batch until the queue ends, or it `is_spare` after one."""
        async with batches:
            async for batch in batches:
                self._room.release()
                done = await self._deliver(batch) if await self._may_go_now(batch) else None
                if done is not None:
                    if batch.action == "update":
                        self._note_rows(batch, {(m.source_id, m.part) for m in done.left})
                        self._hold_rows(batch, done.unsettled_at)
                else:
                    self._give_up_rows(batch)
                self._outstanding -= 1
                if not self._outstanding:
                    self._idle.set()
                    if self._failure is not None:
                        raise self._failure
                if is_spare():
                    return

    async def _deliver(self, batch: Batch) -> Delivered | None:
        """None where the host is given up, or the run ends while it lets nothing out: others' answers come before that is told."""
        try:
            with self._senders.sending():
                if batch.division is None:
                    return await deliver(batch, self._lane)
                return await deliver_piece(batch, batch.division, self._lane)
        except HeldError as error:
            self.held = self.held or error
        except (HostUnavailableError, CredentialsError) as error:
            self._failure = self._failure or error
            self._senders.leave("refused or failed others")
        return None

    async def _may_go(self, target_id: str, encoded: bytes) -> bool:
        if target_id in self._rows_on_the_way:
            await self.flush()
        if not await self._outwait(target_id, encoded) or target_id in self._rows_left_open:
            return False
        self._rows_on_the_way.add(target_id)
        return True

    async def _outwait(self, target_id: str, encoded: bytes) -> bool:
        """Wait until an attempt that nothing settled can't land on top of another body; False where the run stops."""
        if not await self._outwait_held(target_id, encoded, otherwise=self._first_held_until):
            return False
        held = self._lane.held
        if target_id not in held and clock.now() < self._second_held_until:
            # An earlier run may have sent this body, too.
            held.hold(target_id, encoded, until=self._second_held_until)
        return True

    async def _may_go_now(self, batch: Batch) -> bool:
        """While it waited to be joined, or for a writer, another route may have sent to its rows what can land yet."""
        items = batch.items
        if batch.division is not None:
            items = batch.division.wholes(items)
        for item in items:
            if item.target_id is not None and not await self._outwait_held(item.target_id, item.encoded):
                return False
        return not self._is_ending()

    def _is_ending(self) -> bool:
        """Whether what is not on its way yet shall stay where it is."""
        return self._failure is not None or self._lane.is_stopping()

    async def _outwait_held(self, target_id: str, encoded: bytes, *, otherwise: float = 0.0) -> bool:
        held = self._lane.held  # asked anew each time: another route may send to the row meanwhile
        while (rest_s := held.until(target_id, encoded, otherwise=otherwise) - clock.now()) > 0:
            if self._is_ending():
                return False
            await anyio.sleep(min(rest_s, LOOK_UP_EVERY_S))
        return True

    def _hold_rows(self, batch: Batch, unsettled_at: float | None) -> None:
        if unsettled_at is None:
            return
        for item in batch.items:
            if item.target_id is not None:
                # Of a piece its own: the whole body, which goes next, would be undone by it.
                self._lane.held.hold(item.target_id, item.encoded, until=unsettled_at + self._lane.settle_s)

    def _give_up_rows(self, batch: Batch | Undivided) -> None:
        """What is not sent any more stays open, and whatever is put for its rows."""
        groups = [batch.items] if isinstance(batch, Batch) else batch.groups
        rows = {item.target_id for items in groups for item in items if item.target_id is not None}
        self._rows_on_the_way -= rows
        self._rows_left_open |= rows

    def _note_rows(self, batch: Batch, open_members: set[tuple[str, int]]) -> None:
        for item in batch.items:
            if item.target_id is None:
                continue
            if batch.division is not None and batch.division.is_on_the_way(item.member):
                continue
            self._rows_on_the_way.discard(item.target_id)
            if (item.member.source_id, item.member.part) in open_members:
                self._rows_left_open.add(item.target_id)

    async def _hand_over(self, batches: Iterator[Batch | Undivided]) -> None:
        first = next(batches, None)
        if first is None:
            return
        batch = first
        try:
            await self._send_or_divide(batch)
            for batch in batches:
                await self._send_or_divide(batch)
        except BaseException:
            for dropped in (batch, *batches):  # cut off, they stay pending: nothing may wait for their rows
                self._give_up_rows(dropped)
            raise

    async def _send_or_divide(self, batch: Batch | Undivided) -> None:
        if not isinstance(batch, Undivided):
            await self._send(batch)
            return
        # Cancelled meanwhile, they stay pending, and what is found of them is dropped.
        found = await anyio.to_thread.run_sync(batch.divide, abandon_on_cancel=True)
        for each in batch.batches(found):
            await self._send(each)

    async def _send(self, batch: Batch) -> None:
        if batch.division is not None:
            if batch.division.must_wait(batch.items):
                await self.drain()
            batch.division.send(batch.items)
        # Cancelled here, the batch stays pending. Once there is room it is handed over and counted in one step.
        await self._room.acquire()
        self._grow()
        if not self._outstanding:
            self._idle = anyio.Event()
        self._outstanding += 1
        self._queue.send_nowait(batch)


def most_writers(lane: Lane, batch_size: int | None) -> int:
    """How many writers there may be at most, by what a batch of theirs holds."""
    items = max(lane.target.rules[action].max_items for action in _ACTIONS)
    items = items if batch_size is None else min(items, batch_size)
    return max(FIRST_WRITERS, min(MOST_WRITERS, MOST_BODIES // items))


@asynccontextmanager
async def open_loader(
    lane: Lane, *, batch_size: int | None, writers: int, wanted: Callable[[], int] | None = None
) -> AsyncIterator[Loader]:
    """A loader with its writers. Leaving the context drops what was not flushed: it stays pending in the ledger.

    `wanted` is asked how many writers there should be by now; more are added, and those beyond `writers` go as they get
    spare. Raises, at the next await, what ended a delivery; HeldError at its end.
    """
    most = most_writers(lane, batch_size)
    count = max(1, min(writers, most))
    # Handed over, and not yet with a writer.
    ahead = min(count, FIRST_WRITERS)
    queue, batches = anyio.create_memory_object_stream[Batch](max_buffer_size=ahead)
    async with anyio.create_task_group() as tasks, queue:
        at_work = 0

        def most_now() -> int:
            return min(count if wanted is None else max(count, wanted()), most)

        def grow() -> None:
            nonlocal at_work
            for number in range(at_work, most_now()):
                tasks.start_soon(loader.work, batches.clone(), is_spare, name=f"{lane.route} writer {number}")
                at_work = number + 1

        def is_spare() -> bool:
            nonlocal at_work
            if at_work <= most_now():
                return False
            at_work -= 1
            return True

        loader = Loader(
            lane, queue, room=anyio.Semaphore(ahead, fast_acquire=True), batch_size=batch_size, grow=grow
        )
        async with batches:
            grow()
            yield loader
            if loader.held is not None:
                raise loader.held
