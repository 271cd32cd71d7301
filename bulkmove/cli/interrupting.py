"""What ends a command's work before its time: signals, a duration that is over, and a mapper that ends programs."""

from __future__ import annotations

import importlib
import importlib.util
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

import anyio
import anyio.abc

from bulkmove.cli.ending import TERMINATED, Ending, end_on_sigterm, ending_signals, let_go_of_terminal
from bulkmove.cli.exits import tell
from bulkmove.cli.going import spelled_duration
from bulkmove.cli.loading import deliver, hold, loading
from bulkmove.errors import INTERRUPTED, single_error
from bulkmove.model import Summary

_Result = TypeVar("_Result")


class Stoppable(Protocol):
    """What the first signal lets end soon."""

    def stop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Stopping:
    """Implements Stoppable by an event, which what goes on looks at."""

    event: anyio.Event

    def stop(self) -> None:
        self.event.set()


@dataclass(slots=True)
class Interruption:
    """The first signal that came, if one did. `has_nothing_to_lose`: it cancels at once, since nothing is written.

    `ended_after_s`: the time of `--max-duration`, where it is over.
    """

    number: int | None = None
    has_nothing_to_lose: bool = False
    ended_after_s: int | None = None

    @property
    def exit_code(self) -> int | None:
        if self.number is None:
            return None
        return INTERRUPTED if self.number == signal.SIGINT else TERMINATED

    async def end_after(self, seconds: int, migration: Stoppable) -> None:
        """Let the run end soon once so much time is over, as a first signal does."""
        await anyio.sleep(seconds)
        self.ended_after_s = seconds
        migration.stop()
        tell(f"note: {self._time_is_over()}: finishing what is in flight")

    def notes(self, summary: Summary) -> Iterator[str]:
        is_done = summary.routes and summary.routes.keys() <= summary.finished
        if self.ended_after_s is not None and not is_done:
            yield f"{self._time_is_over()}, and the migration is not finished: run again to go on"

    def _time_is_over(self) -> str:
        return f"the time is over (--max-duration {spelled_duration(self.ended_after_s or 0)})"

    async def listen(
        self,
        migration: Stoppable,
        work: anyio.CancelScope,
        *,
        task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        """The first signal lets the run end soon, the second cancels it; a third finds nobody who listens."""
        if sys.platform == "win32":  # no signals on its event loops; Ctrl-C cancels
            deliver()
            task_status.started()
            return
        try:
            with anyio.open_signal_receiver(signal.SIGINT, *ending_signals()) as signals:
                deliver()
                task_status.started()
                async for number in signals:
                    let_go_of_terminal()
                    if self.number is not None:
                        tell("interrupted again: cancelled; run again to go on")
                        work.cancel()
                        return
                    self.number = number
                    if self.has_nothing_to_lose:
                        tell("interrupted: nothing was written to any host")
                        work.cancel()
                        return
                    migration.stop()
                    tell("interrupted: finishing what is in flight; once more cancels it")
        finally:
            end_on_sigterm()


def run_interruptible(
    work: Callable[[], Awaitable[_Result]],
    migration: Stoppable,
    interruption: Interruption,
    *,
    max_duration_s: int | None = None,
) -> _Result | None:
    """What `work` returns, on an event loop of its own; None where a second signal cancelled it.

    After `max_duration_s` the migration is told to stop.
    """

    async def listen_and_work() -> _Result | None:
        result = None
        with single_error():
            async with anyio.create_task_group() as tasks:
                await tasks.start(interruption.listen, migration, tasks.cancel_scope, name="signals")
                if max_duration_s is not None:
                    tasks.start_soon(interruption.end_after, max_duration_s, migration, name="max duration")
                result = await work()
                tasks.cancel_scope.cancel()
        return result

    with loading():  # what the loop would load before it listens
        has_uvloop = importlib.util.find_spec("uvloop") is not None
        for name in ("anyio._core._signals", "anyio._backends._asyncio", *(["uvloop"] if has_uvloop else [])):
            importlib.import_module(name)
    hold()  # until `listen` does: an interrupt that is raised while a loop starts leaves one that can't be closed
    try:
        return anyio.run(listen_and_work, backend_options={"use_uvloop": has_uvloop})
    finally:
        deliver()


@contextmanager
def ended_by_itself(ending: Ending) -> Iterator[None]:
    """A mapper that calls sys.exit() shall not decide what the command ends with: it might say 0."""
    try:
        yield
    except BaseException as error:
        # The first two pass an event loop by, and leave its threads behind.
        ending.is_abandoned = isinstance(error, (SystemExit, KeyboardInterrupt))
        is_terminated = isinstance(error, SystemExit) and error.code == TERMINATED
        if is_terminated or isinstance(error, (Exception, KeyboardInterrupt)):
            raise
        raise RuntimeError(f"a mapper raised {error!r}, which ends programs, not records") from error
