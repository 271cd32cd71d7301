"""The canaries of a run: which records each route may send at first, and the one question before the rest."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol

import anyio

from bulkmove.entries import Item
from bulkmove.events import Event, Note
from bulkmove.ledger.canaries import KeptCanary
from bulkmove.pipeline.checked import Checked, wave_said


class CanaryWatch(Protocol):
    """Shows a person the first records of a run, and asks whether the rest may follow.

    `show` gets each route's as they are looked at, also those that do not stand. `ask` is cancelled where the run is to
    stop, and answers False where nobody can be asked.
    """

    def show(self, checked: Checked) -> None: ...

    async def ask(self, question: str) -> bool: ...


class Canaries:
    """Lets routes that begin side by side go on together: once the first records of each stand, and somebody said so."""

    def __init__(
        self,
        first: Iterable[str],
        *,
        watch: CanaryWatch | None,
        stop: anyio.Event,
        emit: Callable[[Event], None],
    ) -> None:
        """`first`: the routes that begin with a canary now; all that begin wait for these. Those that come later with
        one are asked about by themselves.
        """
        self._members = frozenset(first)
        self._missing = set(self._members)
        self._watch = watch
        self._stop = stop
        self._emit = emit
        self._wave: list[Checked] = []
        self._all_here = anyio.Event()
        if not self._missing:
            self._all_here.set()
        self._asking = anyio.Lock()
        self._answer: bool | None = None

    def show(self, checked: Checked) -> None:
        if self._watch is not None:
            self._watch.show(checked)

    def leave(self, route: str) -> None:
        """The route ended: nobody waits for it any more."""
        self._missing.discard(route)
        if not self._missing:
            self._all_here.set()

    async def arrive(self, route: str, checked: Checked | None) -> bool:
        """Whether the route may go on with the rest. `checked`: its canary, None where it has none to be asked about."""
        if checked is not None and route not in self._members:
            async with self._asking:
                return await self._may_go_on([checked])
        if checked is not None:
            self._wave.append(checked)
        self.leave(route)
        if not await self._until_stop(self._all_here.wait):
            return False
        async with self._asking:
            if self._answer is None:
                self._answer = await self._may_go_on(self._wave)
        return self._answer

    async def _may_go_on(self, wave: Sequence[Checked]) -> bool:
        if not wave:
            return not self._stop.is_set()
        said, answers = wave_said(wave), list[bool]()

        async def ask(watch: CanaryWatch) -> None:
            answers.append(await watch.ask(f"{said}. Go on with the rest?"))

        watch = self._watch
        if watch is not None and not await self._until_stop(lambda: ask(watch)):
            return False
        if not any(answers):
            self._emit(
                Note(
                    f"stopped at the canary: {said}; nothing else is written. `bulkmove run --yes` goes on with the rest"
                )
            )
        return any(answers)

    async def _until_stop(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Whether the work came to its end before the run was to stop."""
        is_done = False
        async with anyio.create_task_group() as tasks:

            async def watch() -> None:
                await self._stop.wait()
                tasks.cancel_scope.cancel()

            tasks.start_soon(watch, name="canary until")
            await work()
            is_done = not self._stop.is_set()
            tasks.cancel_scope.cancel()
        return is_done


class Canary:
    """Which records of one route may be sent before the rest: those that it began with, and more until there are enough."""

    def __init__(self, kept: KeptCanary, most: int, wave: Canaries) -> None:
        """`most`: how many records, 0 for a route without a canary."""
        self.kept = kept
        self.most = most
        self.wave = wave
        self.is_open = False
        self._records: set[str] = set()

    @property
    def lacks(self) -> int:
        return max(0, self.most - len(self._records))

    async def begin(self) -> None:
        """From here on nothing else is let through."""
        self._records = {body.source_id for body in await self.kept.sent()}
        self.is_open = True

    def end(self) -> None:
        self.is_open = False

    async def admitted(self, items: Sequence[Item]) -> Sequence[Item]:
        """Those of the items that may be sent now, in order; what they send is kept first. The others stay pending."""
        if not self.is_open:
            return items
        let_through: list[Item] = []
        for item in items:
            source_id = item.member.source_id
            if source_id not in self._records:
                if not self.lacks:
                    continue
                self._records.add(source_id)
            let_through.append(item)
        await self.kept.keep(let_through)
        return let_through
