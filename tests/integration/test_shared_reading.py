"""Routes with the same source read it once, and each as if it were alone."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.moving import COMMAND, SHOP, Job, Stage, by, stage

ORDERS = 160
FIRST_LIST = """
def seen(record, context):
    record["id"] = str(record["id"])
    return {"store_id": "seen-" + record["id"], "device_id": "d", "data": {"fields": sorted(record)}}
seen.fields_used = ("id", "payment_status")

def spoil(record, context):
    body = {"rrn": str(record["id"]), "shop": 2, "order_items": [{"product": 1, "quantity": 1}]}
    record["line_items"].clear()
    record.clear()
    return body
"""


@pytest.fixture(scope="module")
def shop() -> Iterator[Stage]:
    with stage(orders=ORDERS, products=20) as running:
        yield running


@pytest.fixture
def job(shop: Stage, tmp_path: Path) -> Iterator[Job]:
    shop.clean()
    yield Job(tmp_path, shop)
    shop.clean()


def read(job: Job) -> int:
    return job.stage.count("merchantpro", "GET list")


def read_by(job: Job) -> int:
    job.stage.clean()
    assert job.run("--yes").code == 0
    return read(job)


def test_two_routes_of_one_list_ask_for_it_once_unless_they_ask_for_other_rows(job: Job) -> None:
    alone = read_by(job.with_fitting())
    both = Job(job.folder, job.stage, name="both").with_orders().with_fitting()
    # Readers follow the latency: a request more or less.
    assert read_by(both) <= alone + 3
    both.check_all_equal()
    apart = Job(job.folder, job.stage, name="apart").with_fitting()
    apart.with_orders(where={"created_after": "2001-01-01T00:00:00+02:00"})
    assert read_by(apart) > alone + 3
    apart.check_all_equal()


def test_each_mapper_gets_the_record_that_it_would_get_alone(job: Job) -> None:
    job.with_mapper(FIRST_LIST)
    job.routes["spoiling"] = {
        "source": "old.orders", "target": "new.orders", "mapper": "mappers.py:spoil", "options": {"shop": SHOP},
    }  # fmt: skip
    job.routes["seeing"] = {"source": "old.orders", "target": "sizing.orders", "mapper": "mappers.py:seen"}
    assert job.run().code == 0
    rows = by(job.stage.rows("robosize-orders"), "store_id")
    assert len(rows) == len(job.stage.rows("external-orders")) == ORDERS
    fields = {tuple(row["data"]["fields"]) for row in rows.values()}
    assert fields == {("date_created", "date_modified", "id", "line_items", "payment_status")}


def test_a_slow_target_holds_up_no_other_route(job: Job) -> None:
    job.hosts["sizing"] |= {"rate": "200/s", "burst": 1}
    job.with_orders().with_fitting()
    assert job.run().code == 0
    job.check_all_equal()
    stats = job.stage.stats()
    assert stats["external-order"]["last_at"] < stats["robosize"]["last_at"] - 0.3


def test_killed_and_run_again_they_go_on_from_where_the_hindmost_is(job: Job) -> None:
    job.hosts["old"] |= {"rate": "60/s", "burst": 1, "concurrency": 1}
    job.with_orders().with_fitting().write()
    with subprocess.Popen([*COMMAND, "run", str(job.file)], cwd=job.folder, stderr=subprocess.DEVNULL) as run:
        while not job.stage.rows("external-orders"):
            assert run.poll() is None, "it ended before it was killed"
        run.kill()
    job.hosts["old"] |= {"rate": "100000/s", "burst": 1000}
    first = read(job)
    ended = job.run()
    assert ended.code == 0
    assert not any("each for itself" in note for note in ended.notes)
    job.check_all_equal()
    assert read(job) - first < read_by(Job(job.folder, job.stage, name="alone").with_fitting())
