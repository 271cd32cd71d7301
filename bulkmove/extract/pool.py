"""A pool of tasks whose size is asked for anew as it goes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
from anyio.abc import TaskGroup

Job = Callable[[], Awaitable[None]]


class Pool:
    """Runs jobs until there are none left and none is running.

    `next_job` is a plain function: the next job to start, or None where there is none for now. It is asked again
    whenever a job ends and whenever `wake` is called. The first exception of a job cancels the others, and is raised
    as it is, not in a group.
    """

    def __init__(self, size: Callable[[], int], next_job: Callable[[], Job | None], *, name: str) -> None:
        self._size = size
        self._next_job = next_job
        self._name = name
        self._woken = anyio.Event()
        self._running = 0

    @property
    def is_surplus(self) -> bool:
        """Whether more jobs are running than are wanted now. A job that sees it may put its work back and end."""
        return self._running > self._wanted()

    def wake(self) -> None:
        """Something changed: there may be more to start."""
        self._woken.set()

    async def run(self) -> None:
        failure: BaseException | None = None
        try:
            async with anyio.create_task_group() as tasks:
                while self._start(tasks):
                    await self._woken.wait()
                    self._woken = anyio.Event()
        except BaseExceptionGroup as group:
            failure = _first_of(group)
        if failure is not None:
            raise failure

    def _start(self, tasks: TaskGroup) -> bool:
        """Start what there is room for. Returns whether anything is running."""
        while self._running < self._wanted() and (job := self._next_job()) is not None:
            self._running += 1
            tasks.start_soon(self._run_one, job, name=self._name)
        return self._running > 0

    async def _run_one(self, job: Job) -> None:
        try:
            await job()
        finally:
            self._running -= 1
            self.wake()

    def _wanted(self) -> int:
        return max(1, self._size())


def _first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return _first_of(first) if isinstance(first, BaseExceptionGroup) else first
