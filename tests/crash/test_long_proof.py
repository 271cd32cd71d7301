"""The long proof, run by hand: `pytest -m long -s tests/crash`. It prints a table, a line for each kind of trouble."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import anyio
import anyio.abc
import pytest

from tests.crash.proof import Lengths, Proof, campaign, moments, proof
from tests.crash.rig import DONE, LONGEST_RUN_S, VARIANTS, Variant, after_writes, rig

_CAMPAIGNS = 3
_FEWEST_KILLS = 60
_HEAD = (
    "trouble",
    "kills",
    "in doubt",
    "runs",
    "records",
    "lost",
    "doubled",
    "wrong",
    "extra",
    "rejected",
    "unknown",
    "slowest",
)


def _line(variant: Variant, proofs: list[Proof]) -> tuple[str, ...]:
    checks = [check for each in proofs for check in each.checks.values()]
    counts = [count for each in proofs for count in each.summary.routes.values()]
    return (
        variant.name,
        *(
            str(number)
            for number in (
                sum(each.kills for each in proofs),
                sum(run.in_doubt for each in proofs for run in each.runs if run.was_killed),
                sum(len(each.runs) for each in proofs),
                sum(check.source for check in checks),
                sum(len(check.lost) for check in checks),
                sum(len(check.doubled) for check in checks),
                sum(len(check.wrong) for check in checks),
                sum(len(check.extra) for check in checks),
                sum(count.rejected for count in counts),
                sum(count.unknown for count in counts),
            )
        ),
        f"{max(run.length_s for each in proofs for run in each.runs):.1f} s",
    )


def _print(cells: tuple[str, ...]) -> None:
    first, *rest = cells
    print(f"{first:<22}" + "".join(f"{cell:>10}" for cell in rest), flush=True)  # noqa: T201  the table is what it is run for


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_kills_at_random_moments_under_every_fault_lose_and_double_nothing(
    tmp_path: Path, lengths: Lengths
) -> None:
    began = time.monotonic()
    problems: list[str] = []
    kills = 0
    print()  # noqa: T201
    _print(_HEAD)
    for variant in VARIANTS:
        proofs = []
        for number in range(_CAMPAIGNS):
            seed = f"{variant.name} {number}"
            killing = moments(lengths, kills=1 + number % 3, seed=seed)
            proven = await campaign(tmp_path / "rig", variant, killing, seed=number + 1)
            proofs.append(proven)
            problems += [f"{seed}: {problem}" for problem in proven.problems]
        kills += sum(each.kills for each in proofs)
        _print(_line(variant, proofs))
    print(f"{kills} kills in {time.monotonic() - began:.0f} s", *problems, sep="\n")  # noqa: T201
    assert problems == []
    assert kills >= _FEWEST_KILLS


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_a_run_stopped_again_and_again_loses_and_doubles_nothing(tmp_path: Path) -> None:
    dice = random.Random("stopped again and again")
    async with rig(tmp_path / "rig", Variant("none")) as made:
        for _ in range(12):
            async with made.started() as process, anyio.create_task_group() as tasks:

                async def stop(process: anyio.abc.Process = process) -> None:
                    await after_writes(dice.randrange(1, 120))(made)
                    process.send_signal(signal.SIGTERM)

                tasks.start_soon(stop)
                with anyio.fail_after(LONGEST_RUN_S):
                    await process.wait()
                tasks.cancel_scope.cancel()
            assert made.runs[-1].code in {128 + signal.SIGTERM, DONE}, made.runs[-1].told
            assert made.runs[-1].in_doubt == 0
        assert (await made.finish()).code == DONE
        shown = await proof(made)
    assert sum(run.code == 128 + signal.SIGTERM for run in shown.runs) >= 4
    assert [check for check in shown.checks.values() if not check.is_good] == []
