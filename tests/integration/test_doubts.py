"""Answers that are lost, late, cut or lies, on every kind of write and on reads: nothing lost, doubled or wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.integration.moving import Job, Stages

# Where a write can go wrong: an array of orders, one order, one change of many products.
PLACES = {("external-order", "POST"): 0.5, ("robosize", "POST"): 0.1, ("robosize", "PATCH"): 0.1}

_A_MINUTE = [pytest.mark.long, pytest.mark.timeout(200)]

BAD_QUANTITY = """
from bulkmove.mapping.builtin.external_order import order_to_external_order

def some_bad(record, context):
    body = order_to_external_order(record, context)
    if BAD(int(float(record['id']))):
        body['order_items'][0]['quantity'] = 'a pair'
    return body
"""


def _is_bad(order: dict[str, Any]) -> bool:
    return int(float(order["id"])) % 37 == 0


@pytest.mark.parametrize(
    "fault",
    [
        "error-500", "error-502-before", "error-502-after", "applied-late", "dropped", "dropped-after", "cut-body",
        "cut-json", "html-200", "short-answer",
    ],
)  # fmt: skip
def test_writes_that_are_in_doubt_are_settled_by_what_is_there(job: Job, fault: str) -> None:
    """Some of ten arrays, of three hundred orders and of two hundred changes go wrong, all in one run."""
    job.with_orders(batch_size=30).with_fitting().with_products()
    for (api, method), share in PLACES.items():
        if fault != "short-answer" or api == "external-order":
            job.stage.add_fault(fault, api=api, methods=[method], share=share, times=2)
    ended = job.run()
    assert ended.code == 0, ended.told
    assert all(counts["written"] == counts["read"] for counts in ended.routes.values())
    faults = {api: counts["faults"].get(fault, 0) for api, counts in job.stage.stats().items()}
    assert 1 <= faults["external-order"] <= 2, "the fault came about"
    assert faults["robosize"] == (0 if fault == "short-answer" else 4), "the fault came about"
    job.check_all_equal()


@pytest.mark.parametrize("drf", ["list", "indexed"])
@pytest.mark.parametrize("fault", [None, "not-atomic", "partial-200"])
def test_bad_orders_of_an_array_cost_themselves_alone(
    sandbox: Stages, tmp_path: Path, fault: str | None, drf: str
) -> None:
    """Whether the host writes the good ones of a refused array, or none, or says 200 and names the bad ones."""
    job = Job(tmp_path, sandbox(drf=drf)).with_orders(mapper="mappers.py:some_bad", batch_size=50)
    job.with_mapper(BAD_QUANTITY + "BAD = lambda number: number % 37 == 0\n")
    if fault is not None:
        job.stage.add_fault(fault)
    bad = {str(order["id"]) for order in job.stage.orders if _is_bad(order)}
    assert 3 < len(bad) < 30
    ended = job.run()
    assert ended.code == 3, ended.told
    assert ended.counts("orders") == {"read": 300, "written": 300 - len(bad), "rejected": len(bad)}
    failures = job.failures()
    assert {number for _, number in failures} == bad
    assert all(outcome == "rejected" and "quantity" in said for outcome, _, said in failures.values())
    assert not any("a pair" in said for _, _, said in failures.values()), "a host's message quotes no value"
    check = job.checks()["orders"]
    assert check.is_good, str(check)
    assert (check.found, len(check.left_out)) == (300 - len(bad), len(bad))


@pytest.mark.parametrize(
    "wait",
    [
        "seconds", "date", "past",
        # Nobody knows how long these are meant to be: a minute each.
        pytest.param("none", marks=_A_MINUTE), pytest.param("rubbish", marks=_A_MINUTE),
    ],
)  # fmt: skip
def test_a_429_is_waited_out_however_it_names_its_wait(sandbox: Stages, tmp_path: Path, wait: str) -> None:
    job = Job(tmp_path, sandbox(wait_seconds=0.2)).with_all_routes()
    for api, method in PLACES:
        job.stage.add_fault("too-many-429", wait=wait, api=api, methods=[method], times=1)
    ended = job.run()
    assert ended.code == 0, ended.told
    assert [job.stage.stats()[api]["too_many"] for api in ("external-order", "robosize")] == [1, 2]
    job.check_all_equal()


@pytest.mark.parametrize(
    "fault",
    [
        "error-500",
        "passing-error",
        "error-502-after",
        "cut-body",
        "cut-json",
        "html-200",
        "dropped",
        "too-many-429",
    ],
)
def test_reads_that_go_wrong_are_made_again_and_the_lists_are_complete(job: Job, fault: str) -> None:
    job.with_all_routes()
    for api in ("merchantpro", "external-order", "robosize"):
        wait = {"wait": "past"} if fault == "too-many-429" else {}
        job.stage.add_fault(fault, api=api, methods=["GET"], share=0.6, times=2, **wait)
    ended = job.run()
    assert ended.code == 0, ended.told
    assert job.stage.stats()["merchantpro"]["faults"] == {fault: 2}
    job.check_all_equal()


@pytest.mark.parametrize(
    "settings",
    [
        {"created_after": "exclusive", "stable_ties": True},
        {"undated": 7},
        {"external_list": "array", "created_at": "absent", "external_created_after": "ignored"},
        {"robosize_max_limit": 30, "robosize_order": "updated"},
    ],
    ids=["exclusive", "undated", "array", "clamped"],
)
def test_whatever_the_hosts_leave_open_the_job_comes_to_the_same_end(
    sandbox: Stages, tmp_path: Path, settings: dict[str, Any]
) -> None:
    job = Job(tmp_path, sandbox(**settings)).with_all_routes()
    job.stage.add_fault("dropped-after", api="external-order", methods=["POST"], times=1)
    job.stage.add_fault("error-502-after", api="robosize", methods=["POST"], times=1)
    ended = job.run()
    assert ended.code == 0, ended.told
    if "undated" in settings:
        assert any("7 rows of old.orders have no date" in note for note in ended.notes), ended.told
        assert ended.routes["orders"]["written"] == 293
    else:
        job.check_all_equal()


def test_an_update_in_doubt_is_settled_by_reading_the_order(sandbox: Stages, tmp_path: Path) -> None:
    """Lines without an id would be added once more by a second sending."""
    job = Job(tmp_path, sandbox(orders=60)).with_orders(batch_size=10)
    assert job.run().code == 0
    again = Job(tmp_path, job.stage, name="again").with_orders(mapper="mappers.py:more", batch_size=10)
    again.with_mapper(
        "from bulkmove.mapping.builtin.external_order import order_to_external_order\n"
        "def more(record, context):\n"
        "    body = order_to_external_order(record, context)\n"
        "    body['order_items'].append({'order_status': 'new', 'quantity': 1, 'product': 104392})\n"
        "    return body\n"
    )
    for fault in ("error-502-after", "dropped-after", "applied-late", "error-500"):
        job.stage.add_fault(fault, api="external-order", methods=["POST"], share=0.5, times=1)
    ended = again.run()
    assert ended.code == 0, ended.told
    assert ended.counts("orders") == {"read": 60, "written": 60}
    lines = {str(order["id"]): len(order["line_items"]) for order in job.stage.orders}
    assert {row["rrn"]: len(row["order_items"]) - 1 for row in job.stage.rows("external-orders")} == lines


def test_a_host_that_fails_on_every_write_leaves_all_pending_and_the_next_run_goes_on(
    sandbox: Stages, tmp_path: Path
) -> None:
    job = Job(tmp_path, sandbox(orders=40)).with_fitting()
    job.hosts["sizing"]["give_up_after_s"] = 2
    job.stage.add_fault("error-500", api="robosize", methods=["POST"])
    ended = job.run()
    assert ended.code == 5, ended.told
    assert ended.routes["fitting"]["written"] == 0
    assert ended.routes["fitting"]["rejected"] == ended.routes["fitting"]["unknown"] == 0
    assert "sizing" in ended.stderr
    assert "run again" in ended.stderr.lower()
    job.stage.clear_faults()
    ended = job.run()
    assert ended.code == 0, ended.told
    job.check_all_equal()
