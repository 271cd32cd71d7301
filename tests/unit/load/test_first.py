"""Deletions before the first go one at a time, until one is durable."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from bulkmove.errors import RequestFailedError
from bulkmove.load import first
from bulkmove.load.batching import Batch
from bulkmove.load.delivery import deliver
from bulkmove.model import BatchRule, State, Verdict, WriteItem, WriteResult
from tests.doubles import Shop, ShopTarget
from tests.unit.load.conftest import OpenBench

ROWS = 6


class Deleting(ShopTarget):
    """Deletes what is asked for, but for `gone`; `seen`: for each write, how many others were on their way."""

    has_deleted = False

    def __init__(self, gone: int = 0) -> None:
        super().__init__(Shop())
        self.gone, self.busy = gone, 0
        self.seen: list[int] = []

    @property
    def rules(self) -> Mapping[str, BatchRule]:
        return {"update": BatchRule(max_items=1, shape="single", is_repeatable=True)}

    async def write(self, items: Sequence[WriteItem]) -> list[WriteResult]:
        self.seen.append(self.busy)
        self.busy += 1
        await anyio.sleep(0.01)
        self.busy -= 1
        if len(self.seen) <= self.gone:
            raise RequestFailedError("gone, or the address is wrong")
        self.has_deleted = True
        return [WriteResult(Verdict.WRITTEN, target_id=items[0].target_id)]


async def delete_all(bench: OpenBench, target: Deleting) -> None:
    async with bench(Shop()) as opened:
        lane = replace(opened.lane(), target=target)
        items = await opened.put_down(*({"id": str(n), "value": n} for n in range(ROWS)))
        async with anyio.create_task_group() as tasks:
            for item in items:
                tasks.start_soon(deliver, Batch("update", [item]), lane)


@pytest.mark.parametrize("gone", [0, 2])
async def test_until_one_is_durable_they_go_alone(bench: OpenBench, gone: int) -> None:
    target = Deleting(gone)
    await delete_all(bench, target)
    assert target.seen[: gone + 1] == [0] * (gone + 1)
    assert target.seen[gone + 1 :] == list(range(ROWS - gone - 1)), "then side by side"


async def test_where_one_was_deleted_before_none_waits(bench: OpenBench) -> None:
    target = Deleting()
    target.has_deleted = True
    await delete_all(bench, target)
    assert target.seen == list(range(ROWS))


async def test_where_very_many_are_gone_the_rest_go_side_by_side(
    bench: OpenBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first, "MOST_ALONE", 2)
    target = Deleting(gone=ROWS)
    await delete_all(bench, target)
    assert target.seen == [0, 0, *range(ROWS - 2)]


async def test_the_first_deletion_is_durable_before_the_next_is_sent(
    bench: OpenBench, tmp_path: Path
) -> None:
    """Read as another process would: what stands in the file when the next deletion is sent."""
    durable: list[int] = []

    class Looking(Deleting):
        async def write(self, items: Sequence[WriteItem]) -> list[WriteResult]:
            with closing(sqlite3.connect(tmp_path / "a.ledger.db")) as file:
                (written,) = file.execute(
                    "SELECT count(*) FROM records WHERE state = ?", (State.WRITTEN.value,)
                ).fetchone()
            durable.append(written)
            return await super().write(items)

    await delete_all(bench, Looking())
    assert durable[0] == 0
    assert min(durable[1:]) >= 1
