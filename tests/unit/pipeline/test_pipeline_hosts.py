"""One host of a migration, looked at by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest

from bulkmove.model import Record
from bulkmove.pipeline.hosts import _Enough, _watch_pauses
from bulkmove.transport import HostTransport


def records(*ids: str) -> list[Record]:
    return [Record(id, None, None, {}) for id in ids]  # noqa: A001


@dataclass
class Taker:
    """Takes rows slowly, one call at a time; has enough of them at `enough`."""

    taken: list[str | None]
    enough: int = 1000
    busy: int = 0

    async def take(self, rows: Sequence[Record]) -> bool:
        self.busy += 1
        assert self.busy == 1
        await anyio.lowlevel.checkpoint()
        self.taken += [row.id for row in rows]
        self.busy -= 1
        return len(self.taken) < self.enough


@pytest.mark.parametrize("limit", [1, 3, 5, None])
async def test_rows_handed_on_side_by_side_come_one_call_at_a_time_up_to_the_limit(limit: int | None) -> None:
    taker = Taker([])
    with anyio.CancelScope() as scope:
        enough = _Enough(taker.take, limit, scope)
        async with anyio.create_task_group() as tasks:
            for pair in ("ab", "cd", "ef"):
                tasks.start_soon(enough.sink, records(*pair))
    assert taker.taken == list("abcdef")[:limit]
    assert scope.cancel_called is (limit is not None)


async def test_a_taker_that_has_enough_ends_the_reading() -> None:
    taker = Taker([], enough=1)
    with anyio.CancelScope() as scope:
        enough = _Enough(taker.take, None, scope)
        await enough.sink(records("a"))
        await anyio.sleep_forever()
    assert (taker.taken, scope.cancelled_caught) == (["a"], True)


async def test_a_pause_is_told_once() -> None:
    told: list[tuple[float, str]] = []
    looks = iter([0.0, 30.0, 29.75, 29.5, 0.0, 60.0])

    def sample() -> Any:
        try:
            return SimpleNamespace(paused_s=next(looks), reason="it asked to wait (429)")
        except StopIteration:
            scope.cancel()
            return SimpleNamespace(paused_s=0.0, reason=None)

    with anyio.CancelScope() as scope:
        await _watch_pauses(
            cast("HostTransport", SimpleNamespace(sample=sample)),
            lambda seconds, reason: told.append((seconds, reason)),
            every_s=0.0,
        )
    assert told == [(30.0, "it asked to wait (429)"), (60.0, "it asked to wait (429)")]
