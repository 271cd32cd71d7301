"""Many points: which ones, several at a time, and the table of what they came to."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import anyio

from tests.crash.boundaries import Deed
from tests.crash.forks import ForkServer
from tests.crash.points import Point, Verdict, strike
from tests.crash.stage import Scene

# Most of a point's time is spent waiting for writes in doubt to settle.
AT_ONCE = 12
_HEAD = ("points", "strikes", "lost", "doubled", "wrong", "unknown")


@dataclass(slots=True)
class Campaign:
    """Points, struck on one fork server. What was struck stands in `verdicts`, by what the table calls it."""

    server: ForkServer
    folder: Path
    verdicts: dict[str, list[Verdict]] = field(default_factory=dict)
    number: int = 0
    room: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(AT_ONCE))

    async def strike(self, kind: str, points: Iterable[Point]) -> list[Verdict]:
        """All points, several at a time, each on ground of its own; in the order in which they ended."""
        return await self._strike(kind, iter(points), [])

    async def strike_until_survived(
        self, kind: str, scene: Scene, *, first: tuple[int, ...] = (), deed: Deed = "kill", step: int = 1
    ) -> list[Verdict]:
        """Boundary 1, 2, … (or every `step`-th) after those of `first`, until a run survives."""
        done: list[Verdict] = []

        def points() -> Iterator[Point]:
            number = 1
            while not any(verdict.survived for verdict in done):
                yield Point(scene, (*first, number), deed=deed)
                number += step

        return await self._strike(kind, points(), done)

    async def _strike(self, kind: str, left: Iterator[Point], done: list[Verdict]) -> list[Verdict]:
        async def work() -> None:
            for point in left:
                self.number += 1
                folder = self.folder / f"point-{self.number}"
                async with self.room:
                    done.append(await strike(self.server, point, folder))

        async with anyio.create_task_group() as tasks:
            for _ in range(AT_ONCE):
                tasks.start_soon(work)
        self.verdicts.setdefault(kind, []).extend(done)
        return done

    @property
    def problems(self) -> list[str]:
        return [str(each) for verdicts in self.verdicts.values() for each in verdicts if not each.is_good]

    def strikes(self, kinds: Iterable[str]) -> int:
        return sum(each.strikes for kind in kinds for each in self.verdicts[kind])

    def table(self) -> str:
        """A line a kind: how many points, and what they lost, doubled, changed and did not know."""
        width = max(map(len, self.verdicts), default=0)
        lines = [" " * width + "".join(f"{cell:>9}" for cell in _HEAD)]
        lines += [f"{kind:<{width}}{_cells(verdicts)}" for kind, verdicts in self.verdicts.items()]
        everything = [each for verdicts in self.verdicts.values() for each in verdicts]
        return "\n".join([*lines, f"{'all':<{width}}{_cells(everything)}"])


def _cells(verdicts: Sequence[Verdict]) -> str:
    found = [each.found for each in verdicts]
    numbers = (
        len(verdicts),
        sum(each.strikes for each in verdicts),
        sum(len(each.lost) for each in found),
        sum(len(each.doubled) for each in found),
        sum(len(each.wrong) for each in found),
        sum(len(each.unknown) for each in found),
    )
    return "".join(f"{number:>9}" for number in numbers)


def lengths(verdicts: Iterable[Verdict]) -> dict[str, int]:
    """How many boundaries an undisturbed run of each scene passed."""
    return {each.point.scene.name: len(each.runs[0].passed) for each in verdicts}


def recoveries(verdicts: Iterable[Verdict]) -> dict[str, Verdict]:
    """For each scene the kill that left most to do to the run after it."""
    most: dict[str, Verdict] = {}
    for verdict in verdicts:
        name = verdict.point.scene.name
        if verdict.strikes and (
            name not in most or len(most[name].runs[1].passed) < len(verdict.runs[1].passed)
        ):
            most[name] = verdict
    return most


def spread(count: int, most: int, *, seed: str) -> list[int]:
    """So many numbers from 1 to `most`, one out of each of as many equal parts."""
    dice = random.Random(seed)
    count = min(count, most)
    edges = [most * part // count for part in range(count + 1)]
    return [dice.randrange(low, high) + 1 for low, high in pairwise(edges)]
