"""The long proof, run by hand: `pytest -m crash_long -s tests/crash`. It prints a table, a line for each kind of fault."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bulkmove.errors import single_error
from tests.crash import vfs
from tests.crash.campaign import Campaign, lengths, recoveries, spread
from tests.crash.forks import fork_server
from tests.crash.points import Point, Verdict
from tests.crash.scenes import DEEP, HELD_UP, PLAIN, TROUBLED, WEATHER
from tests.crash.stage import Scene

pytestmark = [pytest.mark.crash_long, pytest.mark.timeout(3600)]

_FEWEST_ENUMERATED, _FEWEST_RANDOM = 1000, 500
# Of the plain kinds of write every boundary is struck, of the others every so many-th.
_STEP_TROUBLED, _STEP_AGAIN, _STEP_WITHIN_SQLITE = 8, 16, 11
_MOMENTS, _MOMENTS_EACH = 20, 2


async def test_runs_killed_at_every_boundary_lose_double_and_change_nothing(tmp_path: Path) -> None:
    with single_error():
        async with fork_server() as server:
            campaign = Campaign(server, tmp_path)
            killed: list[Verdict] = []
            for scene in PLAIN:
                killed += await campaign.strike_until_survived(f"kill: {scene.name}", scene)
            for scene in TROUBLED:
                killed += await campaign.strike_until_survived(
                    f"kill: {scene.name}", scene, step=_STEP_TROUBLED
                )
            for scene in DEEP if vfs.is_possible() else ():
                await campaign.strike_until_survived(f"kill: {scene.name}", scene, step=_STEP_WITHIN_SQLITE)
            for first in recoveries(killed).values():
                await campaign.strike_until_survived(
                    "kill, then in the recovery",
                    first.point.scene,
                    first=first.point.boundaries,
                    step=_STEP_AGAIN,
                )
            enumerated = campaign.strikes(campaign.verdicts)
            await _told_to_end(campaign, lengths(killed))
    print(f"\n{campaign.table()}")  # noqa: T201  the table is what it is run for
    assert campaign.problems == []
    assert enumerated >= _FEWEST_ENUMERATED


async def _told_to_end(campaign: Campaign, most: dict[str, int]) -> None:
    for deed in ("terminate", "cancel"):
        points = [
            Point(scene, (number,), deed=deed)
            for scene in (*PLAIN, *TROUBLED)
            for number in spread(3, most[scene.name], seed=f"long {deed} {scene.name}")
        ]
        await campaign.strike(f"{'one SIGTERM' if deed == 'terminate' else 'two SIGTERM'}", points)
    held_up = [
        Point(scene, (number,), deed="stop", only=f"{method} before")
        for scene in HELD_UP
        for method in ("POST", "PATCH", "GET")
        for number in range(1, 9)
    ]
    await campaign.strike("SIGSTOP, SIGCONT", held_up)
    if vfs.is_possible():
        full = [
            Point(replace(scene, is_deep=True), (number,), deed="no room")
            for scene in PLAIN
            for number in spread(6, 3 * most[scene.name], seed=f"long full {scene.name}")
        ]
        await campaign.strike("a full disk", full)


async def test_runs_killed_at_random_moments_under_every_trouble_lose_double_and_change_nothing(
    tmp_path: Path,
) -> None:
    with single_error():
        async with fork_server() as server:
            campaign = Campaign(server, tmp_path)
            undisturbed = await campaign.strike("undisturbed", map(Point, WEATHER))
            long_s = {each.point.scene.name: each.runs[0].length_s for each in undisturbed}
            for scene in WEATHER:
                await campaign.strike(f"random: {scene.name}", _moments(scene, long_s[scene.name]))
    kinds = [kind for kind in campaign.verdicts if kind.startswith("random")]
    print(f"\n{campaign.table()}")  # noqa: T201  the table is what it is run for
    assert campaign.problems == []
    assert campaign.strikes(kinds) >= _FEWEST_RANDOM


def _moments(scene: Scene, long_s: float) -> Iterator[Point]:
    """Kills uniform over an undisturbed run, then over the run that recovers."""
    dice = random.Random(f"moments {scene.name}")
    for number in range(_MOMENTS):
        moments = tuple(dice.uniform(0.02, long_s) for _ in range(_MOMENTS_EACH))
        yield Point(scene, moments=moments, seed=1 + number % 3)
