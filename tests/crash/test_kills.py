"""A run is killed with SIGKILL, and run again: none lost, none doubled, none wrong, every record accounted for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.crash.proof import Lengths, campaign, moments
from tests.crash.rig import FAILURES, VARIANTS, Variant, after_s, after_writes, rig, writes

_BY_NAME = {variant.name: variant for variant in VARIANTS}

# Each with the kills that meet it best: later ones hit the recovery from earlier ones.
_SOON = (
    ("none", 3),
    ("error-502-after", 2),
    ("not-atomic", 2),
    ("all at once", 1),
)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("name", "kills"), _SOON)
async def test_a_killed_run_goes_on_with_nothing_lost_and_nothing_doubled(
    tmp_path: Path, lengths: Lengths, name: str, kills: int
) -> None:
    killing = moments(lengths, kills=kills, seed=f"soon {name}")
    proof = await campaign(tmp_path / "rig", _BY_NAME[name], killing)
    assert proof.problems == []


async def test_a_run_killed_before_its_first_request_leaves_nothing_behind(
    tmp_path: Path, lengths: Lengths
) -> None:
    proof = await campaign(tmp_path / "rig", Variant("none"), [after_s(lengths.first_s * 0.6)])
    assert proof.kills == 1
    assert proof.problems == []


async def test_a_run_killed_right_after_its_first_write_reads_back_before_it_writes_again(
    tmp_path: Path,
) -> None:
    proof = await campaign(tmp_path / "rig", Variant("none"), [after_writes(1)])
    assert proof.kills == 1
    assert proof.problems == []


async def test_a_recovery_that_is_killed_is_recovered_from_too(tmp_path: Path, lengths: Lengths) -> None:
    in_recovery = lengths.first_s + 0.3
    killing = [after_writes(300), after_s(in_recovery), after_s(in_recovery)]
    proof = await campaign(tmp_path / "rig", Variant("none"), killing)
    assert proof.kills == 3
    assert proof.problems == []


async def test_killed_updates_leave_the_rows_that_undisturbed_ones_leave(tmp_path: Path) -> None:
    # Lines without an id of the target are appended, so that an update sent twice would show.
    undisturbed = Variant("rows there before", settings={"targets_matching": 150})
    async with rig(tmp_path / "undisturbed", undisturbed) as made:
        # An order whose old row has more lines than it shall have is rejected: updates take none away.
        assert (await made.run()).code == FAILURES
        wanted = (await made.checks())["orders"]
    assert (wanted.lost, wanted.doubled, wanted.extra) == ((), (), ())
    lost_answers = replace(undisturbed, faults=writes("error-502-after", 0.3, api="external-order"))
    async with rig(tmp_path / "rig", lost_answers) as made:
        killed = await made.kill_at(after_writes(60))
        assert killed.was_killed
        await made.record.clear_faults()
        ended = await made.finish()
        assert ended.code == FAILURES, ended.told
        assert (await made.checks())["orders"] == wanted
