"""A run is struck at its n-th I/O boundary, and run again: none lost, none doubled, none wrong, every record accounted for.

All points of this file are struck once, side by side, before its first test: most of their time is waiting.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from tests.crash import vfs
from tests.crash.boundaries import Deed
from tests.crash.campaign import Campaign, lengths, recoveries, spread
from tests.crash.forks import fork_server
from tests.crash.points import Point
from tests.crash.scenes import DEEP, HELD_UP, SCENES
from tests.crash.stage import Scene

pytestmark = pytest.mark.timeout(300)

# SIGKILL: of each kind of write so many over a run, and one over the recovery from one of them.
_KILLS, _KILLS_WITHIN_SQLITE, _FEWEST_KILLS = 3, 6, 150
_BY_NAME = {scene.name: scene for scene in SCENES}
_ALSO_STOPPED = (
    "array creates", "array creates, answers lost", "single creates", "joined changes", "updates that append lines",
    "shop order changes", "processing", "deletes by key", "a file, JSON lines in zstd",
    "three routes, answers lost, applied late",
)  # fmt: skip
_NO_ROOM = ("array creates", "joined changes", "a file, CSV in gzip")
_DEEP = DEEP if vfs.is_possible() else ()


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    return anyio.run(_campaign, tmp_path_factory.mktemp("points"))


async def _campaign(folder: Path) -> Campaign:
    async with fork_server() as server:
        made = Campaign(server, folder)
        undisturbed = await made.strike("undisturbed", map(Point, (*SCENES, *_DEEP)))
        most = lengths(undisturbed)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_kill, made, most)
            tasks.start_soon(made.strike, "held up", _held_up())
            tasks.start_soon(made.strike, "once failed", _once_failed())
            for deed in ("terminate", "cancel"):
                points = _over([_BY_NAME[name] for name in _ALSO_STOPPED], most, 1, deed=deed)
                tasks.start_soon(made.strike, deed, points)
            if vfs.is_possible():
                tasks.start_soon(made.strike, "no room", _no_room(most))
    return made


async def _kill(made: Campaign, most: dict[str, int]) -> None:
    killed = await made.strike("killed", _over(SCENES, most, _KILLS))
    killed += await made.strike("killed within SQLite", _over(_DEEP, most, _KILLS_WITHIN_SQLITE))
    again = [
        Point(
            each.point.scene,
            (*each.point.boundaries, *spread(1, len(each.runs[1].passed), seed=f"again {name}")),
        )
        for name, each in recoveries(killed).items()
    ]
    await made.strike("killed again", again)


def _over(
    scenes: tuple[Scene, ...] | list[Scene], most: dict[str, int], count: int, *, deed: Deed = "kill"
) -> Iterator[Point]:
    for scene in scenes:
        for number in spread(count, most[scene.name], seed=f"{deed} {scene.name}"):
            yield Point(scene, (number,), deed=deed)


def _once_failed() -> Iterator[Point]:
    """Points that found a defect, so that they are struck whatever the others are."""
    for name, only, number in (
        # A change that the host applies late landed on top of the one after it.
        ("shop order changes, applied late", "PATCH answered", 2),
        ("shop order changes, applied late", "PATCH before", 7),
        # That the host keeps the keys of what is created was forgotten.
        ("shop order creates", "POST before", 9),
        # What the run before had deleted was called an error.
        ("deletes by address", "DELETE answered", 1),
        ("deletes from its own list", "DELETE sent", 2),
        ("deletes of order lines", "DELETE read", 1),
    ):
        yield Point(_BY_NAME[name], (number,), only=only)
    # What a run before the last one had sent landed on top of the change after it: killed twice before that settled.
    for first in (37, 44, 50):
        yield Point(_BY_NAME["shop order changes, applied late"], (first, 51))
    for within in _DEEP[1:]:
        # Without its log, a database is damaged whose checkpoint was cut short.
        for number in (1, 2, 20):
            yield Point(within, (number,), only="pages write before")


def _held_up() -> Iterator[Point]:
    """Right before a write goes out, whose time was noted by then."""
    for scene in HELD_UP:
        method = "PATCH" if "changes" in scene.name or "processing" in scene.name else "POST"
        for number in (1, 3):
            yield Point(scene, (number,), deed="stop", only=f"{method} before")


def _no_room(most: dict[str, int]) -> Iterator[Point]:
    """For the ledger and everything else, and for a file that stands on a disk of its own."""
    for name in _NO_ROOM:
        # Each page is three boundaries or more, of which the undisturbed run of the scene saw none.
        for number in spread(3, 3 * most[name], seed=f"no room {name}"):
            yield Point(replace(_BY_NAME[name], is_deep=True), (number,), deed="no room")
    for number in (1, 2):
        yield Point(_BY_NAME["a file, JSON lines"], (number,), deed="no room", only="write before")


def _problems(campaign: Campaign, kind: str) -> str:
    return "\n".join(str(each) for each in campaign.verdicts[kind] if not each.is_good)


def test_undisturbed_runs_do_what_the_points_are_held_against(campaign: Campaign) -> None:
    assert _problems(campaign, "undisturbed") == ""


@pytest.mark.parametrize("kind", ["killed", "killed within SQLite", "killed again", "once failed"])
def test_killed_at_any_boundary_a_run_goes_on_with_nothing_lost_doubled_or_wrong(
    campaign: Campaign, kind: str
) -> None:
    if kind == "killed within SQLite" and not vfs.is_possible():
        pytest.skip("this Python hides SQLite's own functions")
    assert _problems(campaign, kind) == ""


def test_there_are_points_enough(campaign: Campaign) -> None:
    assert (
        campaign.strikes(("killed", "killed within SQLite", "killed again", "once failed")) >= _FEWEST_KILLS
    )


@pytest.mark.parametrize("deed", ["terminate", "cancel"])
def test_told_to_end_a_run_goes_on_later_with_nothing_lost_doubled_or_wrong(
    campaign: Campaign, deed: str
) -> None:
    assert _problems(campaign, deed) == ""
    assert campaign.strikes([deed]) >= len(_ALSO_STOPPED) // 2


def test_held_up_for_longer_than_anything_settles_a_run_sends_nothing_twice(campaign: Campaign) -> None:
    assert _problems(campaign, "held up") == ""
    assert campaign.strikes(["held up"]) == 2 * len(HELD_UP)


def test_on_a_full_disk_a_run_says_so_and_goes_on_when_there_is_room(campaign: Campaign) -> None:
    if not vfs.is_possible():
        pytest.skip("this Python hides SQLite's own functions")
    assert _problems(campaign, "no room") == ""
    assert campaign.strikes(["no room"]) >= 2 * len(_NO_ROOM)
