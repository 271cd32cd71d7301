"""A ledger as a retry works with it: which failed records are worked how, and the changes that put them to work."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial

from bulkmove import clock
from bulkmove.entries import Entry, Intent, Member, Refusal
from bulkmove.ledger import again, choosing, delta
from bulkmove.ledger.again import Claims
from bulkmove.ledger.choosing import Asked, Plan
from bulkmove.ledger.delta_work import Passing
from bulkmove.ledger.sqlite import SqliteLedger

# Before a run is begun all that failed did so before it.
_NEVER = 1 << 62


class Retrying:
    """One route of a retry. All changes are durable when they return."""

    def __init__(self, ledger: SqliteLedger, route: str, asked: Asked) -> None:
        self._ledger = ledger
        self._name = route
        self._route = ledger.number_of(route)
        self._asked = asked
        self._contested: Mapping[str, int | None] | None = None

    async def plan(
        self, *, after: str | None = None, among: Sequence[str] | None = None, most: int = 500
    ) -> Plan:
        """What is done with the next chosen records behind the id `after`; those that this run has put down are done.

        `among`: of these records alone.
        """
        if self._contested is None:
            self._contested = await self._ledger.ask(partial(choosing.contested_rows, route=self._route))
        question = partial(
            choosing.plan_slice,
            route=self._route,
            asked=self._asked,
            before_run=self._ledger.run or _NEVER,
            after=after,
            among=among,
            most=most,
            contested=self._contested,
        )
        return await self._ledger.ask(question)

    async def left_open(self) -> int:
        """How many bodies are open that a retry put to work and that nothing has settled."""
        return await self._ledger.ask(partial(again.left_open, route=self._route))

    async def reopen(
        self, members: Sequence[Member], *, is_looked_for: bool, is_unknown: bool = False
    ) -> None:
        """Let failed bodies be open again. `is_looked_for`: they go nowhere before the target was looked at."""
        if not members:
            return
        intent = None
        if is_looked_for:
            number = self._ledger.reserve_request()
            refusal: Refusal | None = None if is_unknown else "rejected"
            intent = Intent(id=number, sent_at=0.0, members=members, refusal=refusal)
        change = partial(
            again.reopen, route=self._route, run=self._ledger.run, members=members, intent=intent
        )
        await self._ledger.change(change)

    async def replace(
        self, entries: Sequence[Entry], *, was: Mapping[str, int | None], target_list: str
    ) -> int:
        """Put entries in the place of all that their records had become. `was`: the page of each record so far.

        Returns how many updates were rejected because another record wrote their row since.
        """
        by_page: dict[int | None, list[Entry]] = defaultdict(list)
        for entry in entries:
            by_page[was[entry.source_id]].append(entry)
        pages = {self._ledger.reserve_chunk(): page for page in by_page.values()}
        replace = partial(
            again.replace_records,
            route=self._route,
            run=self._ledger.run,
            put_at=clock.now(),
            pages=pages,
            claims=Claims(self._ledger.number_of_list(target_list), self._name),
            intent=self._ledger.reserve_request(),
        )
        rejected: list[int] = []
        await self._ledger.change(lambda connection: rejected.append(replace(connection)))
        return rejected[-1]

    @property
    def passing(self) -> Passing:
        """What changes records that have rows of the target already."""
        return Passing(self._ledger, self._name)

    async def written_before(self, ids: Sequence[str]) -> set[str]:
        """Those of the records that had been written when a later pass over the source found them changed."""
        return await self._ledger.ask(partial(delta.written_before, route=self._route, ids=ids))

    async def take_keys(self, *, of: str, to: str) -> None:
        """The keys of a list as they were read into another just now, where no record of this migration stands by them."""
        change = partial(
            again.take_keys,
            of=self._ledger.number_of_list(of),
            to=self._ledger.number_of_list(to),
            route=self._route,
            route_name=self._name,
        )
        await self._ledger.change(change)
