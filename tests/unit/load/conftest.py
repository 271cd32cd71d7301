"""A loader between a shop in memory and a ledger on a real file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bulkmove.entries import Entry, Item, Member, Settled
from bulkmove.ledger import SqliteLedger, open_ledger
from bulkmove.load.delivery import Lane
from bulkmove.load.gate import ListGate
from bulkmove.mapping.encode import encode_body
from bulkmove.model import JsonObject, State
from tests.doubles import Shop, ShopTarget, Trap


@dataclass
class Bench:
    """`lane` leads to `shop`; `settled` is what an answer told."""

    shop: Shop
    ledger: SqliteLedger
    is_atomic: bool | None = None
    settled: list[Settled] = field(default_factory=list)
    gate: ListGate = field(default_factory=ListGate)

    def lane(self, trap: Trap | None = None) -> Lane:
        return Lane(
            route="r",
            target=ShopTarget(self.shop),
            target_list="l",
            ledger=self.ledger if trap is None else trap.around(self.ledger),
            gate=self.gate,
            is_atomic=lambda: self.is_atomic,
            on_settled=self.settled.extend,
        )

    async def put_down(self, *bodies: JsonObject) -> list[Item]:
        """Items of a new page, which update where a body has an id; their source ids are their values."""
        chunk = self.ledger.reserve_chunk()
        items = []
        for body in bodies:
            fields = {name: value for name, value in body.items() if name != "id"}
            member = Member(str(body["value"]), 0, chunk)
            items.append(Item(member, body.get("id"), body.get("key"), encode_body(fields), fields))
        entries = [
            Entry(i.member.source_id, 0, State.PENDING, body=i.encoded, target_id=i.target_id, key=i.key)
            for i in items
        ]
        await self.ledger.add_page("r", entries, chunk=chunk)
        return items

    async def open_ids(self) -> list[str]:
        """The source ids that have no outcome."""
        found, chunk = [], 0
        while (page := await self.ledger.next_pending("r", chunk)) is not None:
            chunk = page[0]
            found += [item.member.source_id for item in page[1]]
        return sorted(found)

    async def doubtful_ids(self) -> list[str]:
        return sorted(m.source_id for intent in await self.ledger.intents("r") for m in intent.members)


OpenBench = Callable[[Shop], AbstractAsyncContextManager[Bench]]


@pytest.fixture
def bench(tmp_path: Path) -> OpenBench:
    @asynccontextmanager
    async def open_it(shop: Shop) -> AsyncIterator[Bench]:
        async with open_ledger(tmp_path / "a.ledger.db", synchronous="normal") as ledger:
            await ledger.begin_run()
            await ledger.save_route("r", "{}")
            await ledger.save_list("l")
            yield Bench(shop, ledger)

    return open_it


def bodies(*values: int) -> Sequence[JsonObject]:
    return [{"key": f"k{value}", "value": value} for value in values]
