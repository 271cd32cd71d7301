"""What `bulkmove plan` foretells: the requests that the run then makes, their time, and what the ledger takes."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest

from tests.integration.moving import Ended, Job, Row, Stages

# Readers follow the measured latency: how a list of dates is cut into spans differs by some requests from run to run.
SLACK = 4


def requests(ended: Ended) -> Counter[str]:
    found = Counter[str]()
    for line in ended.lines:
        if line["type"] == "requests":
            found[line["host"]] += line["requests"]
    return found


def steps(ended: Ended, route: str) -> dict[str, tuple[int, int]]:
    """Requests and the least possible, by step."""
    found: dict[str, tuple[int, int]] = {}
    for line in ended.lines:
        if line["type"] == "requests" and line["route"] == route:
            made, least = found.get(line["step"], (0, 0))
            found[line["step"]] = (made + line["requests"], least + line["least"])
    return found


def one(ended: Ended, kind: str, **named: Any) -> Row:
    (line,) = (
        each
        for each in ended.lines
        if each["type"] == kind and all(each[name] == value for name, value in named.items())
    )
    return line


HOSTS = {"old": "merchantpro", "new": "external-order", "sizing": "robosize"}


def made(job: Job) -> Counter[str]:
    return Counter({host: job.stage.count(api) for host, api in HOSTS.items()})


def check_foretold(job: Job) -> None:
    """A plan, then the run: the first says how many requests the second makes."""
    planned = job.run(command="plan")
    before = made(job)
    assert job.run().code == planned.code
    now = made(job)
    foretold = requests(planned)
    for host in HOSTS:
        slack = SLACK if host == "old" else 0
        assert abs(now[host] - before[host] - foretold[host]) <= slack, (host, now - before, foretold)


def test_the_requests_of_each_host_are_those_that_the_run_makes(job: Job) -> None:
    job.with_all_routes()
    check_foretold(job)


def test_so_they_are_where_rows_are_there_to_be_changed_and_the_list_is_looked_at_again(
    sandbox: Stages, job: Job
) -> None:
    stage = sandbox(orders=120, targets_existing=9, targets_matching=40, targets_doubled=5)
    job = Job(job.folder, stage).with_all_routes()
    job.routes["products"]["confirm"] = "all"
    job.top = {"sweep": "always", "keep_before": True}
    check_foretold(job)


def test_writes_are_counted_as_they_are_batched(job: Job) -> None:
    job.with_all_routes().routes["orders"]["batch_size"] = 30
    planned = job.run(command="plan")
    orders, products = len(job.stage.orders), len(job.stage.products)
    assert steps(planned, "orders")["writing"] == (-(-orders // 30), -(-orders // 30))
    assert steps(planned, "fitting")["writing"] == (orders, orders)
    linked = steps(planned, "products")["writing"]
    assert 1 <= linked[0] <= products
    assert steps(planned, "orders")["reading"][1] == -(-orders // 100)


def test_a_share_of_each_window_and_the_host_that_holds_all_up_are_told(job: Job) -> None:
    job.hosts["old"] |= {"rate": ["1000/s", "3000/min", "60/h"], "burst": 1}
    job.hosts["new"] |= {"rate": ["12/s"], "burst": 1}
    job.with_orders(batch_size=10)
    planned = job.run(command="plan")
    wanted = requests(planned)
    hour = one(planned, "quota", host="old", window="60/h")
    assert hour["share"] == pytest.approx(wanted["old"] / 60, abs=0.001)
    second = one(planned, "quota", host="new", window="12/s")
    assert second["least_s"] == pytest.approx((wanted["new"] - 1) / 12, abs=0.1)
    told = one(planned, "time")
    assert (told["bottleneck"]["host"], told["bottleneck"]["limit"]) == ("new", "12/s")
    begun = time.monotonic()
    assert job.run().code == 0
    took = time.monotonic() - begun
    assert told["low_s"] * 0.97 <= took <= told["high_s"] + 1, (told, took)
    assert 0 < told["bottleneck"]["share"] <= 1


def test_a_sample_foretells_the_whole(job: Job) -> None:
    job.with_all_routes()
    whole = requests(job.run(command="plan"))
    sample = job.run("--sample", "60", command="plan")
    told = one(sample, "time")
    assert not told["is_partial"]
    assert told["scale"] == pytest.approx(len(job.stage.orders) / 60)
    for host, count in requests(sample).items():
        assert count == pytest.approx(whole[host], rel=0.35, abs=12), host


def test_the_disk_that_a_ledger_needs_is_measured(job: Job) -> None:
    job.with_orders()
    planned = one(job.run(command="plan"), "disk")
    assert job.run().code == 0
    took = sum(file.stat().st_size for file in job.folder.glob("job.ledger.db*"))
    assert took <= planned["bytes"] <= took + 5_000_000
    assert planned["free"] > 0


def test_what_the_ledger_holds_already_is_told_and_the_plan_is_of_the_whole(job: Job) -> None:
    job.with_orders()
    assert job.run("--limit", "40").code == 0
    planned = job.run(command="plan")
    held = one(planned, "ledger", route="orders")
    assert (held["read"], held["written"], held["is_finished"], held["changed"]) == (40, 40, False, [])
    assert one(planned, "plan")["read"] == len(job.stage.orders)
    job.routes["orders"]["options"]["shop"] = 3
    assert one(job.run(command="plan"), "ledger", route="orders")["changed"] == ["options"]
