"""A run that rejects more than `max_rejected` ends early with 7; what it did is kept, and the next run goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.moving import Job, Stages

ORDERS = 600
REFUSE_ALL = 'def move(record, context): raise RejectRecordError("not this one", cause="mine")\n'


@pytest.fixture
def refusing(sandbox: Stages, tmp_path: Path) -> Job:
    job = Job(tmp_path, sandbox(orders=ORDERS)).with_fitting(mapper="mappers.py:move")
    return job.with_mapper(REFUSE_ALL)


@pytest.mark.parametrize("limit", [150, "10%"])
def test_a_run_that_rejects_everything_ends_with_7_before_it_read_all(
    refusing: Job, limit: int | str
) -> None:
    refusing.hosts["old"]["concurrency"] = 1
    refusing.top["max_rejected"] = limit
    ended = refusing.run()
    assert ended.code == 7, ended.told
    counts = ended.routes["fitting"]
    # A page that was begun is put down whole; no further one is begun.
    assert 100 <= counts["rejected"] <= 300
    assert counts["read"] == counts["rejected"]
    [note] = [note for note in ended.notes if "max_rejected" in note]
    assert "for mine" in note
    assert refusing.stage.written() == 0


def test_the_next_run_has_a_budget_of_its_own_and_goes_on(refusing: Job) -> None:
    refusing.hosts["old"]["concurrency"] = 1
    refusing.top["max_rejected"] = 150
    assert refusing.run().code == 7
    refusing.with_fitting()
    ended = refusing.run("--accept-changes")
    assert ended.code == 3, ended.told
    counts = ended.routes["fitting"]
    assert counts["read"] == ORDERS == counts["written"] + counts["rejected"]
    assert counts["pending"] == 0


def test_what_the_host_refuses_counts_and_what_is_in_flight_is_finished(
    sandbox: Stages, tmp_path: Path
) -> None:
    job = Job(tmp_path, sandbox(orders=ORDERS)).with_fitting(mapper="mappers.py:move", check_bodies=False)
    job.with_mapper('def move(record, context): return {"store_id": record["id"], "data": "none"}\n')
    job.hosts["sizing"]["concurrency"] = 2
    job.top["max_rejected"] = 20
    ended = job.run()
    assert ended.code == 7, ended.told
    counts = ended.routes["fitting"]
    assert 20 < counts["rejected"] < 60
    assert counts["unknown"] == 0
    assert counts["pending"] == counts["read"] - counts["rejected"] > 0


def test_a_route_can_have_a_budget_of_its_own_and_without_one_all_may_be_rejected(refusing: Job) -> None:
    refusing.top["max_rejected"] = 10
    refusing.routes["fitting"]["max_rejected"] = "100%"
    ended = refusing.run()
    assert (ended.code, ended.routes["fitting"]["rejected"]) == (3, ORDERS), ended.told


@pytest.mark.parametrize("value", [-1, "2", "101%", "two", True, 1.5])
def test_a_budget_that_is_none_is_a_mistake_in_the_configuration(refusing: Job, value: object) -> None:
    refusing.top["max_rejected"] = value
    ended = refusing.run()
    assert ended.code == 2
    assert "max_rejected: must be a number of records" in ended.told
