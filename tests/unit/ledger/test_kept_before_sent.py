"""No body is sent before it is durable, also where its write needs no intent."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from bulkmove.model import BatchRule, JsonObject, Listing, WriteItem, WriteResult
from bulkmove.protocols import MapContext
from tests.doubles import JOINED, ONCE, SINGLE, Shop
from tests.trial import Trial

# Far more steps of the event loop than a write takes that does not wait for the disk.
ENOUGH_STEPS = 2000


@pytest.mark.parametrize("rules", [SINGLE, JOINED, ONCE], ids=["single", "joined", "with an intent"])
async def test_a_body_is_on_the_disk_before_it_is_sent(
    tmp_path: Path, rules: Mapping[str, BatchRule]
) -> None:
    """Sent, and then lost with a crash, a row that is read again might become another body: mapped twice."""
    disk = tmp_path / "trial.ledger.db"
    is_mapped = anyio.Event()
    stalled: list[sqlite3.Connection] = []
    on_disk: list[int] = []

    def stall_the_disk(record: JsonObject, context: MapContext) -> JsonObject:
        del context
        stalled.append(sqlite3.connect(disk, isolation_level=None))
        stalled[0].execute("BEGIN IMMEDIATE")
        is_mapped.set()
        return {"id": "1", "key": record["key"], "value": "new"}

    async def look(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        with sqlite3.connect(disk) as connection:
            on_disk.extend(connection.execute("SELECT count(*) FROM records").fetchone())
        return [shop.apply(item) for item in items]

    old = Shop.of([{"key": "k1"}], listing=Listing("passes", 10))
    new = Shop.of([{"key": "k1", "value": "old"}], rules=rules, answer=look)
    trial = Trial(tmp_path, {"old": old, "new": new}).route(mapper=stall_the_disk)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(trial.run)
        await is_mapped.wait()
        for _ in range(ENOUGH_STEPS):
            await anyio.lowlevel.checkpoint()
        stalled[0].execute("ROLLBACK")
        stalled[0].close()
    assert on_disk == [1]
    assert new.rows["1"]["value"] == "new"
