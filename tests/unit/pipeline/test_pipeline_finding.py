"""Rows asked for by their ids, of hosts that bring less than was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bulkmove.model import Record
from bulkmove.pipeline.whole import find_all


@dataclass
class Short:
    """Brings some rows at a time, and nothing at all for the first few times."""

    rows: set[str]
    most: int
    silent: int = 0
    asked: list[int] = field(default_factory=list)
    find_at_once: int = 100

    async def find(self, ids: Sequence[str]) -> Sequence[Record]:
        self.asked.append(len(ids))
        if len(self.asked) <= self.silent:
            return []
        there = [each for each in ids if each in self.rows]
        return [Record(each, None, None, {}) for each in there[: self.most]]


async def test_pages_that_are_cut_short_hide_no_row() -> None:
    ids = [str(number) for number in range(50)]
    source = Short(set(ids[:40]), most=7)
    assert set(await find_all(source, ids)) == set(ids[:40])
    assert source.asked == [50, 43, 36, 29, 22, 15, 10, 10]


async def test_one_empty_answer_is_no_proof() -> None:
    assert set(await find_all(Short({"1"}, most=5, silent=1), ["1", "2"])) == {"1"}
