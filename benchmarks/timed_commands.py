"""`bulkmove` as a process of its own, as a user starts it: how long it takes, its first request, its memory."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from bulkmove.sandbox.process import SandboxRecord

COMMAND = (sys.executable, "-m", "bulkmove")
QUIETLY = ("--quiet", "--progress", "never")
_LOOK_EVERY_S = 0.1
# What was on its way when a process was killed, the sandbox has done by then.
_DONE_LATE_S = 0.5
_PAGE_BYTES = os.sysconf("SC_PAGESIZE")


def environment(folder: Path) -> dict[str, str]:
    """With a folder of its own for compiled modules, so that neither the environment nor an older run decides of them."""
    environ = {**os.environ, "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    return environ


def run_command(words: Sequence[str], environ: dict[str, str]) -> None:
    subprocess.run([*COMMAND, *words], check=True, stdout=subprocess.DEVNULL, env=environ)


def timed(words: Sequence[str], environ: dict[str, str]) -> float:
    started = time.perf_counter()
    run_command(words, environ)
    return time.perf_counter() - started


async def first_request(words: Sequence[str], environ: dict[str, str], record: SandboxRecord) -> float:
    """Seconds from the start of the process to its first request, as the sandbox saw it. The command is stopped there."""
    await record.reset(targets=[], stats=True)
    started = time.time()
    async with await anyio.open_process(
        [*COMMAND, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environ
    ) as process:
        try:
            while True:
                if firsts := await _firsts(record):
                    return min(firsts) - started
                if process.returncode is not None:
                    raise SystemExit(f"the run ended with {process.returncode} before its first request")
                await anyio.sleep(0.01)
        finally:
            process.kill()


async def _firsts(record: SandboxRecord) -> list[float]:
    return [float(api["first_at"]) for api in (await record.stats()).values() if api["first_at"]]


@dataclass(slots=True)
class Watched:
    """A command that was watched to its end, or to its kill. `seen_mb`: its resident size, time after time. `created`: external orders."""

    code: int = 0
    seconds: float = 0.0
    peak_mb: float = 0.0
    seen_mb: list[float] = field(default_factory=list)
    first_request_s: float = 0.0
    created: int = 0

    @property
    def growth(self) -> float:
        """The highest of the second half over the highest of the first, its beginning left out."""
        count = len(self.seen_mb)
        early, late = self.seen_mb[count // 10 : count // 2], self.seen_mb[count // 2 :]
        return max(late) / max(early) if early and late else 1.0


async def watched(
    words: Sequence[str], environ: dict[str, str], record: SandboxRecord, *, kill_at: int | None = None
) -> Watched:
    """Run it to its end; killed as soon as the sandbox took `kill_at` external orders."""
    await record.reset(targets=[], stats=True)
    told = Watched()
    started_at, started = time.time(), time.perf_counter()
    pid = _spawned(words, environ)
    while True:
        done, status, usage = _waited(pid)
        if done:
            break
        told.seen_mb.append(_resident_mb(pid))
        if kill_at is not None and await _created(record) >= kill_at:
            os.kill(pid, 9)
            kill_at = None
        await anyio.sleep(_LOOK_EVERY_S)
    told.code, told.seconds = os.waitstatus_to_exitcode(status), time.perf_counter() - started
    told.peak_mb = usage.ru_maxrss / 1024
    await anyio.sleep(_DONE_LATE_S)
    told.created = await _created(record)
    told.first_request_s = min(await _firsts(record)) - started_at
    return told


def _spawned(words: Sequence[str], environ: dict[str, str]) -> int:
    silent = (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)
    return os.posix_spawn(COMMAND[0], [*COMMAND, *words], environ, file_actions=[silent])


def _waited(pid: int) -> tuple[int, int, resource.struct_rusage]:
    """Whether it ended (else 0), how, and what it took: no library's process tells the last."""
    return os.wait4(pid, os.WNOHANG)


async def _created(record: SandboxRecord) -> int:
    return int((await record.stats())["external-order"]["creates"])


def _resident_mb(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * _PAGE_BYTES / 1e6
    except OSError:
        return 0.0
