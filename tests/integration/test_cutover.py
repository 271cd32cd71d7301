"""A whole cutover, step by step, on real hosts: what it does, what it waits for, and what it says at the end."""

from __future__ import annotations

import os
import signal
import subprocess
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from bulkmove.ledger.file import locked
from tests.integration.moving import COMMAND, Ended, Job, Row, Stages, invoke

ORDERS = 300


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No order of these tests is a few seconds old."""
    monkeypatch.setattr("bulkmove.cutover.sequence.steps.QUIET_S", 0.0)


@pytest.fixture
def job(sandbox: Stages, tmp_path: Path) -> Job:
    return Job(tmp_path, sandbox(orders=ORDERS, products=10)).with_orders()


def cutover(job: Job, *arguments: str) -> Ended:
    return job.run(*arguments, command="cutover")


def steps(ended: Ended) -> list[str]:
    return [line["step"] for line in ended.lines if line["type"] == "step"]


def told(ended: Ended, kind: str) -> dict[str, Any]:
    (line,) = [line for line in ended.lines if line["type"] == kind]
    return line


def order_now(job: Job, number: int) -> None:
    """A customer orders at the old shop."""
    rows: list[Row] = job.stage.rows("orders")
    latest = max(row["date_created"] for row in rows)
    new = deepcopy(next(row for row in rows if row["line_items"]))
    new |= {"id": str(77_000_000 + number), "date_created": latest, "date_modified": latest}
    job.stage.change(list="orders", insert=[new])


def test_from_the_first_run_to_go(job: Job) -> None:
    first = cutover(job)
    assert (first.code, steps(first)) == (0, ["full", "delta"])
    gate = told(first, "gate")
    assert (gate["waits_for"], gate["found"], gate["is_small"]) == ("freeze", 0, True)
    assert 0 <= gate["freeze_s"][0] <= gate["freeze_s"][1]
    assert (first.lines[-1]["type"], first.lines[-1]["waits_for"], first.lines[-1]["is_over"]) == (
        "cutover",
        "freeze",
        False,
    )
    order_now(job, 1)
    frozen = cutover(job, "--freeze")
    assert (frozen.code, steps(frozen)) == (0, ["last-delta", "last-delta", "verify", "verdict"])
    assert [line["found"] for line in frozen.lines if line["type"] == "step" and "found" in line] == [1, 0]
    assert told(frozen, "verdict")["go"] is True
    assert frozen.lines[-1]["is_over"] is True
    job.check_all_equal()
    again = cutover(job)
    assert (again.code, steps(again)) == (0, [])
    status = cutover_status(job)
    assert steps(status) == ["full", "delta", "freeze", "last-delta", "last-delta", "verify", "verdict"]
    assert (status.code, status.lines[-1]["is_over"]) == (0, True)


def cutover_status(job: Job) -> Ended:
    return invoke("cutover", "status", str(job.write()), "--json")


def test_a_difference_is_a_no_go_and_after_a_repair_the_same_command_says_go(job: Job) -> None:
    assert cutover(job).code == 0
    victim = job.stage.rows("external-orders")[7]
    lines = [{**line, "quantity": line["quantity"] + 1} for line in victim["order_items"]]
    job.stage.change(list="external-orders", update={str(victim["order_id"]): {"order_items": lines}})
    refused = cutover(job, "--freeze")
    assert (refused.code, refused.lines[-1]["exit"]) == (4, 4)
    verdict = told(refused, "verdict")
    assert verdict["go"] is False
    assert [r["text"] for r in verdict["reasons"] if not r["is_good"]] == ["the target differs: 1 different"]
    assert refused.lines[-1]["next"] == "last-delta"
    assert job.run("--yes", command="repair").code == 0
    mended = cutover(job)
    assert (mended.code, steps(mended)) == (0, ["last-delta", "verify", "verdict"])


def test_failures_that_nobody_looked_at_are_a_no_go_and_accepting_them_takes_the_verdict_alone(
    job: Job,
) -> None:
    job.with_mapper(
        "def order(record, context):\n"
        "    if record['id'].endswith('7'):\n"
        "        raise RejectRecordError('not this one')\n"
        "    lines = [{'product': 1, 'quantity': 1, 'order_status': 'new'}]\n"
        "    return {'rrn': record['id'], 'shop': 2, 'order_items': lines}\n"
    )
    job.routes["orders"] |= {"mapper": "mappers.py:order"}
    assert cutover(job).code == 0
    refused = cutover(job, "--freeze")
    assert refused.code == 3
    requests = job.stage.total()
    accepted = cutover(job, "--accept-failures")
    assert (accepted.code, steps(accepted), job.stage.total()) == (0, ["verdict"], requests)


def test_a_source_that_was_not_frozen_after_all_is_told(job: Job) -> None:
    assert cutover(job).code == 0
    job.stage.add_move(each=1, kinds=["insert"])
    moving = cutover(job, "--freeze")
    job.stage.clear_moves()
    assert moving.code in (3, 4)
    assert "still changed" in str(told(moving, "verdict"))
    assert steps(moving).count("last-delta") == 3


def test_asked_again_at_the_gate_it_catches_up_once_more(job: Job) -> None:
    assert cutover(job).code == 0
    order_now(job, 2)
    again = cutover(job)
    assert (steps(again), told(again, "gate")["found"]) == (["delta"], 1)


def test_the_freeze_has_its_time_and_can_be_taken_back(job: Job) -> None:
    early = cutover(job, "--freeze")
    assert (early.code, "too early" in early.stderr) == (2, True)
    assert cutover(job).code == 0
    nothing = cutover(job, "--unfreeze")
    assert (nothing.code, "nothing to take back" in nothing.stderr) == (2, True)
    assert cutover(job, "--freeze").code == 0
    opened = cutover(job, "--unfreeze")
    assert (opened.code, steps(opened)) == (0, ["delta"])
    assert told(opened, "gate")["is_measured"] is True
    assert cutover(job, "--freeze", "--unfreeze").code == 2


def test_cut_off_anywhere_it_goes_on_with_the_step_that_was_cut_off(job: Job) -> None:
    job.hosts["old"]["rate"] = "8/s"
    job.hosts["old"]["burst"] = 1
    job.write()
    killed = 0
    for after_s in (1.2, 1.6, 2.0):
        process = subprocess.Popen(
            [*COMMAND, "cutover", str(job.file), "--quiet"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=job.folder,
        )  # fmt: skip
        try:
            process.wait(after_s)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            killed += 1
            process.wait()
    assert killed
    job.hosts["old"] |= {"rate": "1000/s", "burst": 100}
    assert cutover(job).code == 0
    assert cutover(job, "--freeze").code == 0
    job.check_all_equal()


def test_a_host_that_fails_ends_the_step_and_the_cutover_with_its_code(job: Job) -> None:
    job.hosts["new"]["give_up_after_s"] = 0.2
    job.stage.add_fault("error-500", api="external-order")
    failed = cutover(job)
    assert (failed.code, steps(failed), failed.lines[-1]["next"]) == (5, ["full"], "full")
    job.stage.clear_faults()
    assert cutover(job).code == 0


def test_a_live_target_takes_execute_and_a_run_that_is_going_is_not_disturbed(job: Job) -> None:
    job.hosts["new"]["live"] = True
    refused = cutover(job)
    assert (refused.code, "--execute" in refused.stderr) == (2, True)
    job.write()
    with locked(job.ledger):
        assert cutover(job, "--execute").code == 11
    assert job.stage.written() == 0
    assert cutover(job, "--execute").code == 0


def test_a_changed_mapping_is_told_before_anything_is_frozen(job: Job) -> None:
    assert cutover(job).code == 0
    before = cutover_status(job)
    job.routes["orders"]["options"]["shop"] = 77
    refused = cutover(job, "--freeze")
    assert refused.code == 2
    assert "options; put it back, or" in refused.stderr
    assert "bulkmove run --accept-changes" in refused.stderr
    job.routes["orders"]["options"]["shop"] = 2
    assert steps(cutover_status(job)) == steps(before)


def test_in_words_it_says_what_it_did_and_what_it_waits_for(job: Job) -> None:
    file = str(job.write())
    done = invoke("cutover", file)
    assert done.code == 0
    assert "Freeze the old shop now" in done.stdout
    frozen = invoke("cutover", file, "--freeze")
    assert (frozen.code, "GO" in frozen.stdout.split()) == (0, True)
    status = invoke("cutover", "status", file)
    assert [line.split()[1] for line in status.stdout.splitlines() if line.strip().startswith("✓")] == [
        "full", "delta", "freeze", "last-delta", "verify", "verdict",
    ]  # fmt: skip


def test_a_step_that_ends_early_names_the_ledger_only_where_the_command_did(job: Job) -> None:
    job.hosts["new"]["credentials"] = {"token": "another"}
    file = str(job.write())
    failed = invoke("cutover", file)
    assert failed.code == 6
    assert f"bulkmove run {file} goes on where this one stopped" in failed.stdout
    assert "--ledger" not in failed.stdout
    other = str(job.folder / "other.db")
    named = invoke("cutover", file, "--ledger", other)
    assert named.code == 6
    assert f"bulkmove run {file} --ledger {other} goes on where this one stopped" in named.stdout
