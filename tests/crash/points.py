"""One point: a run is struck at a boundary or a moment, the runs after it go on, and the result is held against the source."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from bulkmove.sandbox.process import SandboxRecord
from bulkmove.sandbox.server import Sandbox
from tests.crash.boundaries import SIGNALS, Deed
from tests.crash.forks import Ended, ForkServer, Meanwhile, Order
from tests.crash.judging import LISTS, Found, Must, World, audit, compare
from tests.crash.stage import Scene, Stage

DONE, UNEXPECTED, FAILURES, HOST_FAILED, TERMINATED = 0, 1, 3, 5, 128 + signal.SIGTERM
# A host that failed on everything for a while asks for one more run.
MOST_RUNS = 5
LEDGER = "crash.ledger.db"
# Longer than a migration of `scenes.HELD_UP` waits for an answer, and for a write to settle.
STOPPED_S = 2.5


@dataclass(frozen=True, slots=True)
class Point:
    """Where a scene's runs are struck, one after the other: at `boundaries` by their numbers, then at `moments` in seconds.

    `only`: the boundaries are counted among those of this name.
    """

    scene: Scene
    boundaries: tuple[int, ...] = ()
    moments: tuple[float, ...] = ()
    deed: Deed = "kill"
    only: str = ""
    seed: int = 1
    sabotage: str = ""

    def __str__(self) -> str:
        where = [f"{self.only or 'boundary'} {n}" for n in self.boundaries] + [
            f"{s:.3f} s" for s in self.moments
        ]
        return f"{self.scene.name}, seed {self.seed}: {self.deed} at {', then '.join(where) or 'nothing'}"


@dataclass(slots=True)
class Verdict:
    """What a point came to. `strikes`: how many of the runs were struck before they came to their end."""

    point: Point
    runs: list[Ended] = field(default_factory=list)
    strikes: int = 0
    found: Found = field(default_factory=Found)
    problems: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return self.found.is_good and not self.problems

    @property
    def survived(self) -> bool:
        """Whether a run that was to be struck ended before."""
        return self.strikes < len(self.point.boundaries) + len(self.point.moments)

    def __str__(self) -> str:
        last = [run.passed[-1] if run.passed else "start" for run in self.runs[: self.strikes]]
        return f"{self.point} ({', '.join(last)}): {'; '.join([str(self.found), *self.problems])}"


@dataclass(slots=True)
class Ground:
    """A sandbox of its own with fresh lists, and a migration on it that has not begun."""

    scene: Scene
    sandbox: Sandbox
    record: SandboxRecord
    stage: Stage

    async def world(self) -> World:
        return {name: await self.record.rows(name) for name in LISTS}

    async def settled(self) -> World:
        """The sandbox's record once nothing can change it any more."""
        settings = self.sandbox.settings
        if any(fault.name == "applied-late" for fault in settings.faults):
            await anyio.sleep(settings.late_seconds)
        return await self.world()

    def order(self, point: Point | None = None, number: int = 0) -> Order:
        return Order(
            self.stage.folder,
            number,
            point.deed if point else "kill",
            is_deep=self.scene.is_deep,
            checkpoint_pages=self.scene.checkpoint_pages,
            only=point.only if point else "",
            sabotage=point.sabotage if point else "",
        )


@asynccontextmanager
async def ground(scene: Scene, folder: Path, *, seed: int = 1) -> AsyncIterator[Ground]:
    """The sandbox serves in this event loop, and outlives every run."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)  # noqa: ASYNC240  small, and nothing waits for it
    async with Sandbox(scene.sandbox_with(seed)) as sandbox, SandboxRecord(sandbox.url) as record:
        before = {name: await record.rows(name) for name in LISTS}
        stage = Stage(before, await record.ids(), folder)
        scene.write(stage, sandbox.url)
        yield Ground(scene, sandbox, record, stage)


def judge(scene: Scene, stage: Stage, after: World) -> Found:
    """What is not as it must be: on the hosts, in the files, and in the ledger."""
    found = Found()
    must = scene.must(stage)
    for name in LISTS:
        compare(name, must.get(name, Must()), before=stage.before[name], after=after[name], found=found)
    scene.judge_more(stage, after, found)
    audit(stage.folder / LEDGER, scene.accounts(stage), after, found)
    return found


async def strike(server: ForkServer, point: Point, folder: Path) -> Verdict:
    """Strike the runs of a point one after the other, let the last come to its end, and judge."""
    verdict = Verdict(point)
    async with ground(point.scene, folder, seed=point.seed) as made:
        strikes: list[tuple[int, Meanwhile | None]] = [(n, _waker(point.deed)) for n in point.boundaries]
        strikes += [(0, _at_moment(moment, point.deed)) for moment in point.moments]
        for number, meanwhile in strikes:
            ended = await server.run(made.order(point, number), meanwhile)
            if not _note(verdict, ended, made):
                break
        await _finish(server, made, verdict)
        verdict.found = judge(point.scene, made.stage, await made.settled())
    if verdict.is_good:
        shutil.rmtree(folder)
    return verdict


def _note(verdict: Verdict, ended: Ended, made: Ground) -> bool:
    """Whether the run was struck, so that the next one is to be."""
    point, scene = verdict.point, verdict.point.scene
    verdict.runs.append(ended)
    is_struck = _is_struck(point, ended)
    verdict.strikes += is_struck
    if not is_struck and ended.code not in {scene.code, HOST_FAILED}:
        verdict.problems.append(f"a run ended with {ended.code}: {ended.told[-1500:]}")
    # A host without faults settles all that is in flight, but for arrays of which it refused a part.
    is_plain = scene.code == DONE and not scene.settings.get("faults")
    if is_struck and point.deed == "terminate" and is_plain and (left := _in_doubt(made)):
        verdict.problems.append(f"{left} writes were not waited for")
    if is_struck and point.deed == "no room" and "make room" not in ended.told:
        verdict.problems.append(f"it did not say what to do: {ended.told[-1500:]}")
    return is_struck and ended.code not in {scene.code, HOST_FAILED}


def _is_struck(point: Point, ended: Ended) -> bool:
    match point.deed:
        case "kill":
            return ended.was_killed
        case "terminate" | "cancel":
            return ended.code == TERMINATED
        case "stop":
            named = [name for name in ended.passed if not point.only or name == point.only]
            return bool(point.moments) or len(named) >= max(point.boundaries, default=0)
        case "no room":
            return ended.code in {UNEXPECTED, HOST_FAILED}


def _in_doubt(made: Ground) -> int:
    ledger = made.stage.folder / LEDGER
    with closing(sqlite3.connect(f"{ledger.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'intents'").fetchone():
            return 0
        count: int = connection.execute("SELECT count(*) FROM intents").fetchone()[0]
        return count


async def _finish(server: ForkServer, made: Ground, verdict: Verdict) -> None:
    point = Point(made.scene, sabotage=verdict.point.sabotage)
    for _ in range(MOST_RUNS):
        ended = await server.run(made.order(point))
        verdict.runs.append(ended)
        if ended.code != HOST_FAILED:
            break
    if ended.code != made.scene.code:
        verdict.problems.append(
            f"the last run ended with {ended.code}, not {made.scene.code}: {ended.told[-1500:]}"
        )


def _at_moment(moment_s: float, deed: Deed) -> Meanwhile:
    async def strike_then(pid: int) -> None:
        await anyio.sleep(moment_s)
        with suppress(ProcessLookupError):  # it may just have ended
            os.kill(pid, SIGNALS[deed])
            if deed == "stop":
                await anyio.sleep(STOPPED_S)
                os.kill(pid, signal.SIGCONT)

    return strike_then


def _waker(deed: Deed) -> Meanwhile | None:
    """What lets a run go on that has stopped itself."""
    if deed != "stop":
        return None

    async def wake(pid: int) -> None:
        await until_stopped(pid)
        await anyio.sleep(STOPPED_S)
        os.kill(pid, signal.SIGCONT)

    return wake


async def until_stopped(pid: int) -> None:
    while _state(pid) != "T":  # noqa: ASYNC110  another process's state
        await anyio.sleep(0.02)


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""
