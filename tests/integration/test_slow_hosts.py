"""A host that answers slowly and takes much: its rate is used up all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from bulkmove.events import Event, HostSample
from bulkmove.pipeline.migration import open_migration
from bulkmove.sandbox.conditions import Latency
from bulkmove.sandbox.process import sandbox_process
from bulkmove.sandbox.settings import SandboxSettings

MIGRATION = """
name = "slow"
[hosts.old]
api = "merchantpro"
url = "{url}"
credentials = {{ key = "demo-key", secret = "demo-secret" }}
rate = "100/s"
[hosts.new]
api = "external-order"
url = "{url}"
credentials = {{ token = "demo-token" }}
rate = "{rate}"
concurrency = 64
[routes.orders]
source = "old.orders"
target = "new.orders"
mapper = "merchantpro-to-external-order"
batch_size = 1
options = {{ shop = 2 }}
"""


class _Busiest:
    """The most requests that were in flight to host `new` when it was looked at."""

    def __init__(self) -> None:
        self.in_flight = 0

    def on_event(self, event: Event) -> None:
        if isinstance(event, HostSample) and event.host == "new":
            self.in_flight = max(self.in_flight, event.in_flight)


@pytest.mark.parametrize(("rate", "least", "most"), [("100/s", 40, 60), ("10/s", 3, 12)])
async def test_as_many_writes_are_on_their_way_as_the_rate_lets_in_while_one_is_answered(
    tmp_path: Path, rate: str, least: int, most: int
) -> None:
    file, seen = tmp_path / "migration.toml", _Busiest()
    orders = 2 * int(rate.partition("/")[0])
    settings = SandboxSettings(orders=orders, products=10, latency=Latency(0.5, 0.5))
    async with sandbox_process(settings) as sandbox:
        file.write_text(MIGRATION.format(url=sandbox.url, rate=rate), encoding="utf-8")
        async with open_migration(file) as migration:
            summary = await migration.run(observer=seen)
    assert summary.routes["orders"].written == orders
    assert least <= seen.in_flight <= most
