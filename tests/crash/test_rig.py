"""The proof can fail: with the protection taken out, the same kills double records, and the comparison says so."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.crash.proof import proof
from tests.crash.rig import Rig, Variant, after_writes, rig, writes


def _forget_intents(made: Rig) -> int:
    """What was sent and has no answer counts as never sent: a tool without intents."""
    with closing(sqlite3.connect(made.ledger)) as ledger, ledger:
        return ledger.execute("DELETE FROM intents").rowcount


async def test_without_intents_a_killed_run_doubles_what_was_written_and_not_acknowledged(
    tmp_path: Path,
) -> None:
    lost_answers = Variant(
        "error-502-after", writes("error-502-after", 0.3, api="robosize", kinds=("orders",))
    )
    async with rig(tmp_path / "rig", lost_answers) as made:
        killed = await made.kill_at(after_writes(700))
        assert killed.was_killed
        assert _forget_intents(made) >= 5
        await made.record.clear_faults()
        await made.finish()
        shown = await proof(made)
    fitting = shown.checks["fitting"]
    assert len(fitting.doubled) >= 5
    assert not fitting.lost
    assert shown.problems
