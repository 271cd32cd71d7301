"""Faults fall where their dice say, and only where they fit."""

from __future__ import annotations

from collections import Counter
from email.utils import parsedate_to_datetime

import orjson

from bulkmove.sandbox.calls import json_answer
from bulkmove.sandbox.conditions import Fault
from bulkmove.sandbox.faults import FaultPlan, spoilt, too_many


def _drawn(
    plan: FaultPlan, count: int, *, api: str = "robosize", method: str = "GET", kind: str = "orders"
) -> list[bool]:
    return [plan.draw(api, method, kind) is not None for _ in range(count)]


def test_one_seed_draws_the_same_faults_and_their_share_is_kept() -> None:
    first, again, other = (
        _drawn(FaultPlan([Fault("error-500", 0.1)], seed=seed), 2000) for seed in (3, 3, 4)
    )
    assert first == again != other
    assert 150 < sum(first) < 250


def test_a_second_fault_leaves_the_first_where_it_was() -> None:
    alone = _drawn(FaultPlan([Fault("error-500", 0.1)], seed=1), 300)
    with_more = FaultPlan([Fault("error-500", 0.1), Fault("slow", 0.3)], seed=1)
    names = [
        drawn.fault.name if (drawn := with_more.draw("robosize", "GET", "orders")) else "" for _ in alone
    ]
    assert [name == "error-500" for name in names] == alone


def test_a_fault_keeps_to_its_api_methods_and_kinds() -> None:
    plan = FaultPlan([Fault("error-500", 1.0, api="robosize", methods=("POST",), kinds=("orders",))], seed=1)
    assert plan.draw("robosize", "POST", "orders")
    assert not plan.draw("merchantpro", "POST", "orders")
    assert not plan.draw("robosize", "GET", "orders")
    assert not plan.draw("robosize", "POST", "products")


def test_faults_of_writes_do_not_fall_on_reads() -> None:
    plan = FaultPlan([Fault("applied-late"), Fault("not-atomic"), Fault("passing-error")], seed=1)
    assert not plan.draw("external-order", "GET", "list")
    assert plan.draw("external-order", "POST", "upsert")


def test_a_fault_ends_after_its_times() -> None:
    plan = FaultPlan([Fault("error-500", times=2)], seed=1)
    counts: Counter[str] = Counter()
    for _ in range(5):
        if (rule := plan.draw("robosize", "GET", "orders")) is not None:
            plan.spend(rule, counts)
    assert counts == {"error-500": 2}


def test_clearing_one_name_leaves_the_others() -> None:
    plan = FaultPlan([Fault("error-500"), Fault("slow")], seed=1)
    plan.clear("slow")
    assert [fault.name for fault, _ in plan.rules()] == ["error-500"]
    plan.clear()
    assert plan.rules() == []


def test_a_429_names_its_wait_in_each_way() -> None:
    now = 1_750_000_000.0
    assert too_many("robosize", "seconds", wait_s=2.2, now=now).headers["Retry-After"] == "3"
    dated = too_many("robosize", "date", wait_s=2.0, now=now).headers["Retry-After"]
    assert 2 <= parsedate_to_datetime(dated).timestamp() - now <= 4
    reset = too_many("merchantpro", "reset-time", wait_s=2.0, now=now)
    assert orjson.loads(reset.body)["error"]["details"] == {"reset_time": 1_750_000_002}
    assert "Retry-After" not in reset.headers
    assert "Retry-After" not in too_many("merchantpro", "none", wait_s=2.0, now=now).headers


def test_a_spoilt_answer_is_short_or_no_json() -> None:
    answer = json_answer(201, [{"order_id": number} for number in range(10)])
    assert len(orjson.loads(spoilt("short-answer", answer).body)) == 5
    cut = spoilt("cut-json", answer)
    assert answer.body.startswith(cut.body)
    assert len(cut.body) < len(answer.body)
    assert spoilt("error-502-after", answer).status == 502
