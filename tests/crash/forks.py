"""Orders runs from the fork server: each is a real process, that is killed for real."""

from __future__ import annotations

import dataclasses
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import orjson
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.crash.boundaries import Deed

# A run that gives no sign of an end is a finding of its own.
LONGEST_RUN_S = 40.0
ENDLESS = -99
SAID = "said.txt"
_READY_WITHIN_S = 60.0
_LONGEST_LINE = 65_536
_ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True, slots=True)
class Order:
    """One run, or another command. `number`: the boundary at which `deed` is done to it, 0 for none; `only`: among those of this name.

    `is_deep`: also the pages that SQLite writes are boundaries. `checkpoint_pages`: how full its log may be.
    `sabotage`: which protection the run does without.
    """

    folder: Path
    number: int = 0
    deed: Deed = "kill"
    is_deep: bool = False
    checkpoint_pages: int | None = None
    only: str = ""
    sabotage: str = ""
    arguments: tuple[str, ...] = ("run", "migration.toml", "--quiet")


@dataclass(frozen=True, slots=True)
class Ended:
    """How one run ended. `code` is negative for a signal; `passed` names the boundaries that it came by."""

    code: int
    length_s: float
    passed: tuple[str, ...]
    told: str

    @property
    def was_killed(self) -> bool:
        return self.code == -signal.SIGKILL


# Is given the process id while the run goes, and cancelled at its end.
Meanwhile = Callable[[int], Coroutine[Any, Any, None]]


@dataclass(slots=True)
class _Running:
    pid: int = 0
    code: int = 0
    is_started: anyio.Event = field(default_factory=anyio.Event)
    has_ended: anyio.Event = field(default_factory=anyio.Event)


class ForkServer:
    """Made by `fork_server`. Runs may be ordered side by side."""

    def __init__(self, process: anyio.abc.Process) -> None:
        self._process = process
        self._numbers = itertools.count(1)
        self._running: dict[int, _Running] = {}

    async def run(self, order: Order, meanwhile: Meanwhile | None = None) -> Ended:
        """One run from its start to its end. One that has none is ended, and its code is ENDLESS."""
        number = next(self._numbers)
        running = self._running[number] = _Running()
        trace = order.folder / f"trace-{number}"
        began = time.monotonic()
        await self._send(number, order, trace)
        await running.is_started.wait()
        try:
            with anyio.move_on_after(LONGEST_RUN_S):
                async with anyio.create_task_group() as tasks:
                    if meanwhile is not None:
                        tasks.start_soon(meanwhile, running.pid)
                    await running.has_ended.wait()
                    tasks.cancel_scope.cancel()
        finally:
            if not running.has_ended.is_set():
                running.code = ENDLESS
                os.kill(running.pid, signal.SIGKILL)
        passed = tuple(trace.read_text("ascii").splitlines()) if trace.exists() else ()
        told = (order.folder / SAID).read_text("utf-8", "replace")
        return Ended(running.code, time.monotonic() - began, passed, told)

    async def _send(self, number: int, order: Order, trace: Path) -> None:
        values = dataclasses.asdict(order) | {"id": number, "folder": str(order.folder), "trace": str(trace)}
        if self._process.stdin is None:
            raise RuntimeError("the fork server has no standard input")
        await self._process.stdin.send(orjson.dumps(values) + b"\n")

    async def listen(self, lines: BufferedByteReceiveStream) -> None:
        while True:
            told = orjson.loads(await lines.receive_until(b"\n", _LONGEST_LINE))
            running = self._running[told["id"]]
            if "pid" in told:
                running.pid = told["pid"]
                running.is_started.set()
            else:
                running.code = running.code or told["code"]
                running.has_ended.set()
                del self._running[told["id"]]


@asynccontextmanager
async def fork_server() -> AsyncIterator[ForkServer]:
    """A process that imported everything once; it ends with this context, and when this process dies."""
    command = [sys.executable, "-m", "tests.crash.fork_server"]
    async with await anyio.open_process(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=None, cwd=_ROOT
    ) as process:
        if process.stdout is None:
            raise RuntimeError("the fork server has no standard output")
        lines = BufferedByteReceiveStream(process.stdout)
        with anyio.fail_after(_READY_WITHIN_S):
            await lines.receive_until(b"\n", _LONGEST_LINE)
        async with anyio.create_task_group() as tasks:
            server = ForkServer(process)
            tasks.start_soon(server.listen, lines)
            try:
                yield server
            finally:
                tasks.cancel_scope.cancel()
                process.kill()
