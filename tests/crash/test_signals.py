"""A run that is asked to stop, or held up, by the operating system."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import anyio

from bulkmove.model import Summary
from tests.crash.proof import proof
from tests.crash.rig import DONE, Variant, after_writes, rig

_TERMINATED = 143
_LEDGER_HELD = 11


def _written(summary: Summary) -> int:
    return sum(counts.written for counts in summary.routes.values())


async def test_sigterm_finishes_what_is_in_flight_and_the_next_run_goes_on(tmp_path: Path) -> None:
    async with rig(tmp_path / "rig", Variant("none")) as made:
        async with made.started() as process:
            await after_writes(100)(made)
            process.send_signal(signal.SIGTERM)
        assert made.runs[-1].code == _TERMINATED, made.runs[-1].told
        assert await made.in_doubt() == 0
        # What the targets were given and what the ledger knows is the same, without a look at them.
        assert _written(await made.status()) == await made.write_count()
        ended = await made.run()
        assert ended.code == DONE, ended.told
        shown = await proof(made)
    assert [check for check in shown.checks.values() if not check.is_good] == []


async def test_a_second_sigterm_cancels_and_the_next_run_goes_on(tmp_path: Path) -> None:
    async with rig(tmp_path / "rig", Variant("none")) as made:
        async with made.started() as process:
            await after_writes(100)(made)
            process.send_signal(signal.SIGTERM)
            await anyio.sleep(0.01)
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
        assert made.runs[-1].code == _TERMINATED, made.runs[-1].told
        ended = await made.run()
        assert ended.code == DONE, ended.told
        shown = await proof(made)
    assert [check for check in shown.checks.values() if not check.is_good] == []


async def test_a_run_that_was_held_up_goes_on_and_no_other_takes_its_ledger_meanwhile(tmp_path: Path) -> None:
    # Held up for longer than it waits for an answer, and than writes in doubt have to settle.
    async with rig(tmp_path / "rig", Variant("none", timeout_s=0.5)) as made:
        async with made.started() as process:
            await after_writes(100)(made)
            os.kill(process.pid, signal.SIGSTOP)
            other = await made.run()
            await anyio.sleep(1.5)
            os.kill(process.pid, signal.SIGCONT)
        assert other.code == _LEDGER_HELD, other.told
        assert made.runs[-1].code == DONE, made.runs[-1].told
        shown = await proof(made)
    assert [check for check in shown.checks.values() if not check.is_good] == []
    assert shown.summary.routes["orders"].unknown == 0
