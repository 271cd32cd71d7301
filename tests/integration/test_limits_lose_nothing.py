"""A limit cuts pages while other spans are being split: in steps, everything arrives all the same."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from bulkmove.pipeline.migration import open_migration
from bulkmove.sandbox.conditions import Latency
from bulkmove.sandbox.process import SandboxRecord, sandbox_process
from bulkmove.sandbox.settings import SandboxSettings

ORDERS = 4000
MIGRATION = """
name = "steps"
[hosts.old]
api = "merchantpro"
url = "{url}"
credentials = {{ key = "demo-key", secret = "demo-secret" }}
rate = "1000/s"
[hosts.new]
api = "external-order"
url = "{url}"
credentials = {{ token = "demo-token" }}
rate = "1000/s"
[routes.orders]
source = "old.orders"
target = "new.orders"
mapper = "merchantpro-to-external-order"
options = {{ shop = 2 }}
"""


@pytest.mark.parametrize("seed", [3, 7])
async def test_steps_of_a_limit_bring_every_order_once(tmp_path: Path, seed: int) -> None:
    steps = random.Random(seed)
    file = tmp_path / "migration.toml"
    settings = SandboxSettings(orders=ORDERS, products=10, seed=seed, latency=Latency(0.001, 0.02))
    async with sandbox_process(settings) as sandbox, SandboxRecord(sandbox.url) as record:
        file.write_text(MIGRATION.format(url=sandbox.url), encoding="utf-8")
        for _ in range(100):
            async with open_migration(file) as migration:
                summary = await migration.run(limit=steps.randint(120, 700))
            assert summary.exit_code == 0
            if "orders" in summary.finished:
                break
        source = {str(row["id"]) for row in await record.rows("orders")}
        written = [row["rrn"] for row in await record.rows("external-orders")]
    assert set(written) == source
    assert len(written) == len(source) == summary.routes["orders"].written
