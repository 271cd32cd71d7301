"""How many records are rehearsed without limits: all, or two sizes that differ by enough to tell something."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from bulkmove.cutover.bench.sizing import without_limits
from bulkmove.cutover.bench.wishes import Conditions, Staged


class OpenedError(Exception):
    """A stage is asked for: of how many records is all that matters."""


@pytest.mark.parametrize(("most", "first"), [(70, 70), (5_001, 5_001), (9_999, 9_999), (10_000, 5_000)])
async def test_a_second_size_is_taken_only_where_it_is_twice_the_first(most: int, first: int) -> None:
    sizes: list[int] = []

    @asynccontextmanager
    async def open_stage(records: int, conditions: Mapping[str, Conditions]) -> AsyncIterator[Staged]:
        assert list(conditions) == ["old"]
        sizes.append(records)
        raise OpenedError
        yield

    with pytest.raises(OpenedError):
        await without_limits(open_stage, {"old": Conditions()}, most=most)
    assert sizes == [first]
