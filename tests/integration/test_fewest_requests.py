"""The fewest requests, counted by the host: changes divided by field, and what a plan says of them beforehand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.moving import Job, Stage, by, stage
from tests.integration.test_plan_forecast import steps

TAGS, TYPES = 6, 5
CROSSED = f"""
def crossed(record, context):
    number = int(record["id"])
    return {{
        "id": record["id"], "tags": [f"sezon {{number % {TAGS}}}"],
        "type": ("top", "rochie", "fusta", "palton", "sacou")[number // {TAGS} % {TYPES}],
    }}
"""
LINKED = """
def linked(record, context):
    return {"id": record["id"], "tags": ["mutat"], "type": "top", "store_id": record["store_id"] + "-nou"}
"""


@pytest.fixture(scope="module")
def shop() -> Iterator[Stage]:
    with stage(orders=40, products=90) as running:
        yield running


@pytest.fixture
def job(shop: Stage, tmp_path: Path) -> Iterator[Job]:
    shop.clean()
    yield Job(tmp_path, shop)
    shop.clean()


def patches(job: Job) -> int:
    return job.stage.count("robosize", "PATCH products")


def test_products_that_share_tags_with_some_and_their_type_with_others_take_a_request_a_value(
    job: Job,
) -> None:
    job.with_mapper(CROSSED).with_products(mapper="mappers.py:crossed")
    planned = job.run(command="plan")
    assert steps(planned, "products")["writing"] == (TAGS + TYPES, TAGS + TYPES)
    assert job.run().counts("products") == {"read": 90, "written": 90}
    assert patches(job) == TAGS + TYPES
    rows = by(job.stage.rows("robosize-products"), "id")
    for before in job.stage.products:
        number = int(before["id"])
        assert rows[before["id"]]["tags"] == [{"name": f"sezon {number % TAGS}"}]


def test_a_store_id_of_its_own_takes_a_request_which_carries_the_rest(job: Job) -> None:
    """Divided, they would take one more: one for what all share, and one for each number."""
    job.with_mapper(LINKED).with_products(mapper="mappers.py:linked")
    planned = job.run(command="plan")
    assert steps(planned, "products")["writing"] == (90, 90)
    assert job.run().code == 0
    assert patches(job) == 90


def test_each_piece_can_be_undone(job: Job) -> None:
    job.with_mapper(CROSSED.replace('"type"', '"name"')).with_products(mapper="mappers.py:crossed")
    job.top = {"keep_before": True}
    assert job.run().code == 0
    assert patches(job) == TAGS + TYPES
    assert job.run("--yes", command="undo").code == 0
    rows = by(job.stage.rows("robosize-products"), "id")
    for before in job.stage.products:
        for name in ("name", "tags", "store_id"):
            assert rows[before["id"]][name] == before[name], (before["id"], name)


def test_a_host_that_loses_answers_gets_all_of_them_all_the_same(job: Job) -> None:
    job.with_mapper(CROSSED.replace('"type"', '"name"')).with_products(
        mapper="mappers.py:crossed", confirm="all"
    )
    job.stage.add_fault("error-502-after", share=0.5, methods=["PATCH"], times=6)
    assert job.run().counts("products") == {"read": 90, "written": 90}
    assert job.run(command="verify").code == 0
