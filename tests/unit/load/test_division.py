"""What is on its way of bodies that were divided, and what an attempt that nothing settled does to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from bulkmove.entries import Item, Member
from bulkmove.load.division import Division
from bulkmove.load.loader import open_loader
from bulkmove.model import Counts, WriteItem, WriteResult
from bulkmove.transport.attempts import Attempt, note_attempt
from tests.doubles import JOINED, Shop, apply_all

OpenBench = Callable[[Shop], AbstractAsyncContextManager[Any]]

TAGS, TYPES = 4, 3
ROWS = TAGS * TYPES

WHOLE = Item(Member("1", 0, 1), "1", None, b'{"a":1,"b":2}', {"a": 1, "b": 2})
FIRST = WHOLE._replace(encoded=b'{"a":1}', body={"a": 1})
SECOND = WHOLE._replace(encoded=b'{"b":2}', body={"b": 2})


def test_a_piece_waits_while_another_of_its_body_is_on_its_way_and_no_longer() -> None:
    division = Division()
    division.begin([[WHOLE]], [[FIRST], [SECOND]])
    assert not division.must_wait([FIRST])
    division.send([FIRST])
    assert division.must_wait([SECOND])
    assert division.end([FIRST]) == []
    assert not division.must_wait([SECOND])
    division.send([SECOND])
    assert division.end([SECOND]) == [WHOLE]


async def test_a_piece_with_an_attempt_that_may_land_yet_leaves_its_bodies_open(bench: OpenBench) -> None:
    """Although it was written: the attempt may land on top of the piece that follows."""

    async def time_out_first(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        if items[0].body == {"tags": 1}:
            note_attempt(Attempt(1.0, "no answer within 60 s", is_unsettled=True))
        return await apply_all(shop, items)

    async with bench(Shop.of([{"key": "x"}] * ROWS, rules=JOINED, answer=time_out_first)) as it:
        wanted = [{"tags": n % TAGS, "type": n // TAGS} for n in range(ROWS)]
        put_down = await it.put_down(
            *({"id": str(n + 1), "value": n, **body} for n, body in enumerate(wanted))
        )
        items = [
            item._replace(body=body, encoded=b'{"tags":%d,"type":%d}' % (body["tags"], body["type"]))
            for item, body in zip(put_down, wanted, strict=True)
        ]
        async with open_loader(it.lane(), batch_size=None, writers=1) as loader:
            await loader.put(items)
            await loader.flush()
        assert await it.open_ids() == sorted(str(n) for n in range(ROWS) if n % TAGS == 1)
        assert await it.ledger.counts("r") == Counts(written=ROWS - TYPES, pending=TYPES)
        _, again = await it.ledger.next_pending("r", 0)
        assert {item.attempts for item in again} == {1}
