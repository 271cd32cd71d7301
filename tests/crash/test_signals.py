"""A run that is held up, while another is begun."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.crash.forks import Ended, fork_server
from tests.crash.points import DONE, Point, ground, judge, until_stopped
from tests.crash.scenes import SCENES

_LEDGER_HELD = 11
_SCENE = next(scene for scene in SCENES if scene.name == "single creates")


async def test_while_a_run_is_held_up_no_other_takes_its_ledger(tmp_path: Path) -> None:
    others: list[Ended] = []
    async with fork_server() as server, ground(_SCENE, tmp_path / "ground") as made:

        async def begin_another(pid: int) -> None:
            await until_stopped(pid)
            others.append(await server.run(made.order()))
            os.kill(pid, signal.SIGCONT)

        point = Point(_SCENE, (3,), deed="stop", only="POST answered")
        ended = await server.run(made.order(point, 3), begin_another)
        found = judge(_SCENE, made.stage, await made.settled())
    assert [other.code for other in others] == [_LEDGER_HELD], others
    assert ended.code == DONE, ended.told
    assert found.is_good, str(found)
