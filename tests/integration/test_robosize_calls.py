"""Every documented call of Robosize against the emulated API, and routes that delete there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bulkmove.connectors.robosize import CONNECTOR
from bulkmove.connectors.robosize.api import RobosizeApi
from bulkmove.errors import RefusedError
from bulkmove.pipeline.opening import open_host
from bulkmove.settings import HostSettings, Secret, Window
from tests.integration.moving import Job, Stage, Stages

Row = dict[str, Any]


@pytest.fixture
def stage(sandbox: Stages) -> Stage:
    return sandbox()


@pytest.fixture
async def api(stage: Stage) -> AsyncIterator[RobosizeApi]:
    async with open_host(host_at(stage.url), CONNECTOR) as transport:
        yield RobosizeApi(transport)


def host_at(url: str) -> HostSettings:
    secrets = {"api_key": Secret("demo-api-key")}
    return HostSettings("sizing", "robosize", url, secrets, windows=(Window(1000, 1.0),), burst=50)


async def test_an_order_lives_through_all_its_calls(api: RobosizeApi) -> None:
    created = await api.create_order({"store_id": "A1", "device_id": "d", "data": {"total": 0.1}})
    order_id = str(created["id"])
    changed = await api.update_order(order_id, {"store_id": "A2"})
    assert (changed["store_id"], changed["data"]) == ("A2", {"total": 0.1})
    page = await api.list_orders(limit=10, offset=0)
    assert (page["count"], [row["store_id"] for row in page["results"]]) == (1, ["A2"])
    await api.delete_order(order_id)
    assert (await api.list_orders())["count"] == 0
    with pytest.raises(RefusedError) as gone:
        await api.delete_order(order_id)
    assert gone.value.status == 404


async def test_a_product_lives_through_all_its_calls(api: RobosizeApi, stage: Stage) -> None:
    count = (await api.list_products(limit=1))["count"]
    created = await api.create_product({"name": "Rochie", "store_id": "P1", "tags": ["a"], "type": "top"})
    other = (await api.list_products(limit=1, offset=0))["results"][0]["id"]
    done = await api.update_products([created["id"], other], {"name": "Fustă", "tags": ["b"]})
    assert (created["created"], done) == (1, {"message": "Products updated"})
    rows = {row["id"]: row for row in stage.rows("robosize-products")}
    assert {rows[row_id]["name"] for row_id in (created["id"], other)} == {"Fustă"}
    assert rows[created["id"]]["store_id"] == "P1"
    await api.delete_product(created["id"])
    assert (await api.list_products(limit=1))["count"] == count


async def test_the_emulated_host_is_examined_by_five_reads(stage: Stage) -> None:
    before = stage.count("robosize")
    async with open_host(host_at(stage.url), CONNECTOR) as transport:
        found = {finding.question: finding for finding in await CONNECTOR.examine(transport)}
    assert stage.count("robosize") - before <= 5
    assert (found["products: list"].verdict, found["products: offset"].verdict) == ("good", "good")
    assert (found["slash"].verdict, found["slash"].text.split()[2:4]) == ("good", ["one", "redirect;"])


# Routes of mode "delete"

DELETE = """
def by_store_id(row, context):
    return {"store_id": row["id"], "data": "is not looked at"}

def by_id(row, context):
    return {"id": row["id"]} if row["store_id"] != context.options.get("keep") else None
"""


def test_orders_of_the_service_are_deleted_by_their_natural_key(job: Job) -> None:
    job.with_fitting().run()
    assert len(job.stage.rows("robosize-orders")) == len(job.stage.orders)
    away = Job(job.folder, job.stage, name="away").with_mapper(DELETE)
    away.routes["away"] = {
        "source": "old.orders",
        "target": "sizing.orders",
        "mapper": "mappers.py:by_store_id",
        "mode": "delete",
    }
    ended = away.run()
    assert (ended.code, away.run().code) == (0, 0)
    assert ended.counts("away") == {"read": len(job.stage.orders), "written": len(job.stage.orders)}
    assert job.stage.rows("robosize-orders") == []
    assert job.stage.count("robosize", "DELETE order") == len(job.stage.orders)


def test_products_of_the_service_are_deleted_on_their_own_list(job: Job) -> None:
    kept = job.stage.products[0]["store_id"]
    job.with_mapper(DELETE)
    job.routes["away"] = {
        "source": "sizing.products",
        "target": "sizing.products",
        "mapper": "mappers.py:by_id",
        "mode": "delete",
        "options": {"keep": kept},
    }
    job.stage.add_fault("error-502-after", methods=["DELETE"], times=3)
    ended = job.run()
    assert ended.code == 0, ended.told
    # A deletion whose answer was lost is sent again, and finds the product gone.
    counts = ended.routes["away"]
    assert counts["written"] + counts["unchanged"] == len(job.stage.products) - 1
    assert counts["unchanged"] in {1, 2, 3}
    assert counts["skipped"] == 1
    assert [row["store_id"] for row in job.stage.rows("robosize-products")] == [kept]
