"""The ids that passes saw."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkmove.extract import Tally

passes = st.lists(st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=5), max_size=4), max_size=5)


@settings(max_examples=60, deadline=None)
@given(passes)
def test_a_tally_knows_what_sets_would(pages_by_pass: list[list[list[str]]]) -> None:
    async def run() -> None:
        known: set[str] = set()
        before: set[str] = set()
        async with Tally() as tally:
            for number, pages in enumerate(pages_by_pass, 1):
                seen: set[str] = set()
                for ids in [[], *pages]:
                    assert await tally.add(number, ids) == set(ids) - known
                    known |= set(ids)
                    seen |= set(ids)
                assert await tally.count(number) == len(seen)
                assert await tally.agree(number) == (seen == before)
                assert await tally.size() == len(known)
                assert await tally.missing(sorted(known)) == known - seen
                before = seen

    anyio.run(run)


async def test_many_ids_are_looked_up_at_once() -> None:
    ids = [str(number) for number in range(5000)]
    async with Tally() as tally:
        assert len(await tally.add(1, ids)) == 5000
        assert await tally.add(2, ids[:-1]) == set()
        assert not await tally.agree(2)
        assert await tally.missing(ids) == {"4999"}


async def test_calls_at_once_lose_nothing() -> None:
    async with Tally() as tally, anyio.create_task_group() as tasks:
        for start in range(0, 2000, 50):
            tasks.start_soon(tally.add, 1, [str(number) for number in range(start, start + 100)])
    assert await tally.size() == 2050


async def test_a_tally_is_used_inside_its_context_alone() -> None:
    with pytest.raises(RuntimeError, match="async with"):
        await Tally().add(1, ["a"])
