"""One point again, by hand: `python -m tests.crash.replay "single creates" 57 12` kills at boundary 57, then at 12 of the recovery.

What the runs said is printed, and what the judge found; the ground is left at ./replay.
"""

from __future__ import annotations

import sys
from pathlib import Path

import anyio

from tests.crash.forks import fork_server
from tests.crash.points import Point, strike
from tests.crash.scenes import DEEP, HELD_UP, SCENES, WEATHER


async def replay(*arguments: str) -> str:
    name, *boundaries = arguments
    [scene] = [each for each in (*SCENES, *DEEP, *HELD_UP, *WEATHER) if each.name == name]
    async with fork_server() as server:
        verdict = await strike(server, Point(scene, tuple(map(int, boundaries))), Path.cwd() / "replay")
    runs = [f"{run.code}: {run.told}" for run in verdict.runs]
    return "\n".join([*runs, str(verdict)])


if __name__ == "__main__":
    print(anyio.run(replay, *sys.argv[1:]))  # noqa: T201  what it is run for
