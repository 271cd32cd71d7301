"""A host that answers slowly and takes much: its rate is used up all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from bulkmove.events import Event, HostSample
from bulkmove.pipeline.migration import open_migration
from tests.integration.moving import Job, Stages


class _Busiest:
    """The most requests that were in flight to host `new` when it was looked at."""

    def __init__(self) -> None:
        self.in_flight = 0

    def on_event(self, event: Event) -> None:
        if isinstance(event, HostSample) and event.host == "new":
            self.in_flight = max(self.in_flight, event.in_flight)


@pytest.mark.parametrize(("rate_per_s", "least", "most"), [(100, 40, 60), (10, 3, 12)])
async def test_as_many_writes_are_on_their_way_as_the_rate_lets_in_while_one_is_answered(
    sandbox: Stages, tmp_path: Path, rate_per_s: int, least: int, most: int
) -> None:
    orders, seen = 2 * rate_per_s, _Busiest()
    job = Job(tmp_path, sandbox(orders=orders, latency="500ms")).with_orders(batch_size=1)
    job.hosts["new"] |= {"rate": f"{rate_per_s}/s", "burst": 1, "concurrency": 64}
    job.write()
    async with open_migration(job.file) as migration:
        summary = await migration.run(observer=seen)
    assert sum((summary.routes["orders"].written, summary.routes["orders"].rejected)) == orders
    assert least <= seen.in_flight <= most
