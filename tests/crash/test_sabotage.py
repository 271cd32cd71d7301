"""The proof can fail: without one of its protections the tool loses, doubles and spoils, and the judge sees it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from tests.crash.forks import fork_server
from tests.crash.points import Point, strike
from tests.crash.scenes import SCENES

_BY_NAME = {scene.name: scene for scene in SCENES}
# A protection taken out, and where a run without it is struck; what is found then.
_SABOTAGED = (
    ("intents_forgotten", "single creates", "POST answered", "doubled"),
    ("intents_forgotten", "array creates", "POST answered", "doubled"),
    ("intents_forgotten", "shop order creates", "POST answered", "doubled"),
    ("doubts_count_as_written", "array creates", "POST before", "lost"),
    ("read_back_at_once", "single creates, applied late", "", "doubled"),
    ("bodies_mixed_up", "single creates", "POST before", "wrong"),
    ("a_record_passed_over", "joined changes", "", "lost"),
    ("handlers_called_again", "processing", "PATCH answered", "doubled"),
)


@pytest.mark.timeout(120)
async def test_with_a_protection_taken_out_the_same_kills_lose_double_and_spoil_and_the_judge_sees_it(
    tmp_path: Path,
) -> None:
    seen: dict[tuple[str, str], str] = {}

    async def run(number: int, sabotage: str, name: str, only: str, kind: str) -> None:
        scene = _BY_NAME[name]
        if "late" in name:
            scene = replace(scene, settings={**scene.settings, "late_seconds": 1.0})
        point = Point(scene, (2,) if only else (), only=only, sabotage=sabotage)
        verdict = await strike(server, point, tmp_path / f"point-{number}")
        if not getattr(verdict.found, kind):
            seen[sabotage, name] = str(verdict)

    async with fork_server() as server, anyio.create_task_group() as tasks:
        for number, case in enumerate(_SABOTAGED):
            tasks.start_soon(run, number, *case)
    assert seen == {}
