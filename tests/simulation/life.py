"""One seed from its first run to its last: what happened, and what does not hold."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import anyio

from bulkmove import clock
from bulkmove.errors import single_error
from bulkmove.ledger import open_ledger
from bulkmove.ledger.file import connect, migrate
from bulkmove.load.verdicts import ATTEMPTS_ALONE
from bulkmove.model import State, Summary
from bulkmove.pipeline.job import RunOptions
from bulkmove.pipeline.opening import open_host
from bulkmove.pipeline.runner import run_migration
from bulkmove.transport.timing import Timing
from tests.simulation.clock import Clock, StuckError, VirtualLoop
from tests.simulation.machine import Machine, Process
from tests.simulation.making import World
from tests.simulation.oracle import Noted, Violation, exit_code_of
from tests.simulation.weather import RunPlan, Weather, make_weather
from tests.simulation.wire import Wire
from tests.simulation.worlds import make_world

# Several times what the worst of thousands of seeds took; of the last run, in which nothing goes wrong, and of all.
MOST_CALM_S, MOST_CALM_REQUESTS = 120.0, 400
MOST_SECONDS, MOST_REQUESTS = 3600.0, 1500
_LAST = RunPlan("at its end")
_IDLE_EVERY = 5


@dataclass
class Story:
    """`ends`: how each run ended. `unknown`: records whose fate nothing could tell. `seconds`: of virtual time.

    `calm`: the seconds and requests of the last run. `causes`: why records ended rejected or unknown.
    """

    seed: int
    ends: list[str] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    counted: Counter[str] = field(default_factory=Counter)
    causes: Counter[str] = field(default_factory=Counter)
    unknown: int = 0
    records: int = 0
    requests: int = 0
    seconds: float = 0.0
    calm: tuple[float, int] = (0.0, 0)
    trace: list[str] = field(default_factory=list)

    def found(self, kind: str, text: str) -> None:
        self.violations.append(Violation(kind, text))


class Focus(NamedTuple):
    """What is not left to the seed. `world`: a kind of world; `is_late`: see `make_weather`."""

    world: str | None = None
    is_late: bool = False


_LEFT_TO_THE_SEED = Focus()


def live(seed: int, folder: Path, *, focus: Focus = _LEFT_TO_THE_SEED, is_traced: bool = False) -> Story:
    """Simulate one seed. `folder` is for its ledger; best a place in memory."""
    virtual = Clock()
    ledger = folder / f"seed-{seed}.ledger.db"
    life = _Life(seed, virtual, ledger, focus, is_traced=is_traced)
    loop = VirtualLoop(virtual)
    real = clock.UP_SINCE
    try:
        with life.machine.in_charge():
            loop.run_until_complete(life.pass_by())
    except StuckError as error:
        life.story.found("stuck", str(error))
    finally:
        clock.UP_SINCE = real
        loop.close()
        for file in folder.glob(f"{ledger.name}*"):
            file.unlink()
    return life.tell()


@cache
def _empty_ledger() -> bytes:
    """One with its schema and nothing else. To make it takes longer than a run."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.ledger.db"
        with closing(connect(path, synchronous="off")) as connection:
            migrate(connection, path)
        return path.read_bytes()


def start_clock(machine: Machine) -> None:
    """What a process does when it starts."""
    clock.UP_SINCE = machine.wall() - machine.monotonic()


class _Life:
    def __init__(self, seed: int, time: Clock, ledger: Path, focus: Focus, *, is_traced: bool) -> None:
        self.story = Story(seed)
        self._clock = time
        self._ledger = ledger
        ledger.write_bytes(_empty_ledger())
        self._world: World = make_world(seed, time, kind=focus.world)
        apis = sorted({host.api for host in self._world.hosts.values()})
        writable = sorted({self._world.hosts[name].api for name in self._world.written_to})
        self._weather: Weather = make_weather(seed, apis=apis, writable=writable, is_late=focus.is_late)
        self.machine = Machine(time, Random(f"machine {seed}"))
        self.machine.slow_disk_s = self._weather.slow_disk_s
        self._note: Callable[[str], None] | None = self._put_down if is_traced else None
        self._wire = Wire(
            self.machine, self._weather, self._world.hosts, dice=Random(f"wire {seed}"), note=self._note
        )
        self._chance = Random(f"chance {seed}").random

    async def pass_by(self) -> None:
        """Runs with faults, the last of them to its end; then one when all is calm, where something is left to be done."""
        summary: Summary | None = None
        for plan in (*self._weather.runs, _LAST):
            summary = await self._run(plan)
            self._check_code(summary, (0, 3, 5, 6))
            await anyio.sleep(plan.rest_s)
        is_finished = summary is not None and len(summary.finished) == len(self._world.checks)
        is_settled = (
            is_finished and summary is not None and not any(c.unknown for c in summary.routes.values())
        )
        # That a run on a finished ledger does nothing is seen often enough.
        if not is_settled or self.story.seed % _IDLE_EVERY == 0:
            summary = await self._run_in_calm(is_idle=is_settled)
        self._check_end(summary)

    async def _run_in_calm(self, *, is_idle: bool) -> Summary | None:
        self._weather.is_calm = True
        self._world.hold_still()
        began_at, requests = self._clock.now, self._wire.requests
        summary = await self._run(_LAST)
        self.story.calm = (self._clock.now - began_at, self._wire.requests - requests)
        may_stay_open = any(check.may_stay_open for check in self._world.checks)
        self._check_code(summary, (0, 3, 5) if may_stay_open else (0, 3))
        if is_idle and self._wire.requests != requests:
            self.story.found("idle", "a run on a finished ledger asked its hosts")
        return summary

    async def _run(self, plan: RunPlan) -> Summary | None:
        """One process, from its start to its end; None where it was killed."""
        is_by_boundary = plan.end == "killed at a boundary"
        process = self.machine.process = Process(int(plan.at) if is_by_boundary else None)
        start_clock(self.machine)
        stop = anyio.Event()
        do = {"killed at a time": process.die, "stopped": stop.set}.get(plan.end)
        timer = asyncio.get_running_loop().call_later(plan.at, do) if do is not None else None
        summary: Summary | None = None
        try:
            with process.scope:
                summary = await self._migrate(stop, limit=int(plan.at) if plan.end == "limited" else None)
        except Exception as error:  # noqa: BLE001  whatever a run ends with is part of its story
            if not process.is_dead:
                self.story.found("raised", repr(error))
        if timer is not None:
            timer.cancel()
        self._note_end(plan, summary, process, is_stopped=stop.is_set())
        return None if process.is_dead else summary

    async def _migrate(self, stop: anyio.Event, *, limit: int | None) -> Summary:
        timing = Timing(
            clock=self.machine.monotonic, wall_clock=clock.now, sleep=anyio.sleep, chance=self._chance
        )
        with single_error():
            async with open_ledger(self._ledger, synchronous="off") as ledger:
                return await run_migration(
                    self._world.plan,
                    ledger,
                    options=RunOptions(limit=limit, attempts_over_s=self._world.attempts_over_s),
                    observer=None,
                    stop=stop,
                    open_host=partial(open_host, connect=self._wire.connect, timing=timing),
                )

    def _note_end(
        self, plan: RunPlan, summary: Summary | None, process: Process, *, is_stopped: bool
    ) -> None:
        if process.is_dead:
            end = "killed"
        elif summary is None:
            end = "raised"
        else:
            end = f"exit {summary.exit_code}" + (", stopped" if is_stopped else "")
        if plan.end != "at its end" and (process.is_dead or is_stopped):
            self._weather.counted[plan.end] += 1
        self.story.ends.append(end)
        if self._note is not None:
            self._note(f"run ended: {end}")
            for text in summary.notes if summary is not None else ():
                self._note(f"  {text}")

    # What must hold

    def _check_code(self, summary: Summary | None, allowed: tuple[int, ...]) -> None:
        if summary is None:
            return
        code = summary.exit_code
        if code not in allowed:
            self.story.found("exit", f"exit code {code}: {summary.notes}")
        counts = {name: each.as_dict() for name, each in summary.routes.items()}
        if code in (0, 3) and code != exit_code_of(counts):
            self.story.found("exit", f"exit code {code} for {counts}")
        if code == 6 and not self._weather.counted["401"]:
            self.story.found("exit", f"exit code 6 without a 401: {summary.notes}")

    def _check_end(self, summary: Summary | None) -> None:
        story, world = self.story, self._world
        if summary is None:
            return
        # A record is set aside once so many requests with it alone failed; those before may have failed for others in them.
        has_failed = self._weather.failures >= ATTEMPTS_ALONE
        for check in world.checks:
            noted = self._noted(check.route)
            story.violations += check.violations(noted, has_failed=has_failed)
            counts = summary.routes[check.route]
            ids = {each.source_id for each in noted}
            if counts.read != len(ids) or (counts.pending and not check.may_stay_open):
                story.found("conservation", f"{counts} for {len(ids)} records")
            if check.route not in summary.finished and not check.may_stay_open:
                story.found("open", f"route {check.route} is not finished")
            story.causes.update(
                f"{each.state.name.lower()}, {each.cause}" for each in noted if each.state >= State.REJECTED
            )
            story.unknown += counts.unknown
            story.records += counts.read
        calm_s, calm_requests = story.calm
        if calm_s > MOST_CALM_S or calm_requests > MOST_CALM_REQUESTS:
            story.found("slow", f"the last run took {calm_s:.0f} s and {calm_requests} requests")
        if self._clock.now > MOST_SECONDS or self._wire.requests > MOST_REQUESTS:
            story.found("slow", f"took {self._clock.now:.0f} s and {self._wire.requests} requests")

    def _noted(self, route: str) -> list[Noted]:
        with closing(sqlite3.connect(self._ledger)) as ledger:
            rows: list[tuple[Any, ...]] = ledger.execute(
                "SELECT source_id, body, state, target_id, cause FROM records"
                " WHERE route = (SELECT id FROM routes WHERE name = ?) ORDER BY source_id, body",
                (route,),
            ).fetchall()
        return [
            Noted(name, part, State(state), target_id, cause) for name, part, state, target_id, cause in rows
        ]

    def tell(self) -> Story:
        story = self.story
        story.seconds, story.requests = self._clock.now, self._wire.requests
        story.counted = self._weather.counted
        for host in self._world.hosts.values():
            story.counted.update(host.counted)
        return story

    def _put_down(self, text: str) -> None:
        self.story.trace.append(f"{self._clock.now:10.4f} {text}")
