"""Promises taken out of the product, one at a time: a simulation that does not notice is worth nothing.

Here alone the package's own code is replaced.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

from bulkmove import clock
from bulkmove.connectors.external_order import target as external_target
from bulkmove.entries import Intent, Member
from bulkmove.extract import cover
from bulkmove.ledger import putting
from bulkmove.ledger.loading import LedgerLoading
from bulkmove.load import verdicts
from bulkmove.load.delivery import Lane
from bulkmove.model import Verdict, WriteItem, WriteResult
from bulkmove.pipeline import claiming, route, settling
from bulkmove.pipeline.job import RouteJob
from tests.simulation import life
from tests.simulation.life import Focus


@contextmanager
def _without(place: Any, name: str, stand_in: Any) -> Iterator[None]:
    real = getattr(place, name)
    setattr(place, name, stand_in)
    try:
        yield
    finally:
        setattr(place, name, real)


def _intents() -> AbstractContextManager[None]:
    async def open_intent(loading: LedgerLoading, name: str, members: Sequence[Member]) -> int:
        del name, members
        return loading._store.reserve_request()

    return _without(LedgerLoading, "open_intent", open_intent)


def _settling_time() -> AbstractContextManager[None]:
    async def at_once(job: RouteJob, due: float) -> bool:
        del due
        return not job.stop.is_set()

    return _without(settling, "_wait_until", at_once)


def _reading_back() -> AbstractContextManager[None]:
    async def let_go(job: RouteJob, intents: Sequence[Intent]) -> None:
        for intent in intents:
            await job.ledger.settle(job.name, (), intent=intent.id)

    return _without(settling, "settle_doubts", let_go)


def _keys_of_the_target() -> AbstractContextManager[None]:
    async def nothing(job: RouteJob) -> None:
        del job

    return _without(claiming, "ensure_keys", nothing)


def _chain_of_pages() -> AbstractContextManager[None]:
    return _without(cover, "chains", lambda *_: True)


def _atomicity() -> AbstractContextManager[None]:
    real = route._lane

    def lane(job: RouteJob, *args: Any) -> Lane:
        return replace(real(job, *args), is_atomic=lambda: True)

    return _without(route, "_lane", lane)


def _reading_of_answers() -> AbstractContextManager[None]:
    def all_well(items: Sequence[WriteItem], answer: Any, **_: Any) -> list[WriteResult]:
        rows = answer if isinstance(answer, list) else []
        ids = [str(row.get("order_id")) for row in rows if isinstance(row, dict)] + [""] * len(items)
        return [WriteResult(Verdict.WRITTEN, target_id=each) for _, each in zip(items, ids, strict=False)]

    return _without(external_target, "settled", all_well)


@contextmanager
def _steady_clock() -> Iterator[None]:
    def by_the_clock() -> float:
        return time.time()

    with _without(clock, "now", by_the_clock), _without(life, "start_clock", lambda _: None):
        yield


def _other_spellings() -> AbstractContextManager[None]:
    return _without(verdicts, "loosely", lambda key: key)


def _one_transaction() -> AbstractContextManager[None]:
    """What a page brought is noted as read, and what it became is lost with the process."""
    real = putting.insert_entries

    def forgetful(connection: Any, **kept: Any) -> None:
        if kept["chunk"] % 3:
            real(connection, **kept)

    return _without(putting, "insert_entries", forgetful)


def _looking_back() -> AbstractContextManager[None]:
    """A page proves one second more than it holds."""
    real = cover.advance

    def too_far(reached: int | None, proof: cover.Proof, *, upper: int) -> int:
        return min(real(reached, proof, upper=upper) + 1, upper)

    return _without(cover, "advance", too_far)


class Mutation(NamedTuple):
    """`take_out`: the promise is not kept while the context lasts. `focus`: where it shows soonest.

    `is_rare`: even there it takes some dozens of seeds. `first_seed`: where they begin, so that what one seed of a hundred
    shows is shown soon.
    """

    take_out: Callable[[], AbstractContextManager[None]]
    focus: Focus = Focus()
    is_rare: bool = False
    first_seed: int = 0


_LATE = Focus("orders created", is_late=True)

MUTATIONS: Mapping[str, Mutation] = {
    "intents": Mutation(_intents, _LATE),
    "the time to settle": Mutation(_settling_time, _LATE),
    "a clock that nobody sets": Mutation(_steady_clock, _LATE, first_seed=1100),
    "reading back before sending again": Mutation(_reading_back),
    "the target's keys": Mutation(_keys_of_the_target, Focus("orders put into place")),
    "the chain of pages": Mutation(_chain_of_pages, Focus("orders of a busy shop")),
    "the edge of what a page proves": Mutation(_looking_back, Focus("orders of a busy shop")),
    "the verdict on refused arrays": Mutation(_atomicity, Focus("orders of which some are bad")),
    "the look at each row of an answer": Mutation(_reading_of_answers, Focus("orders created")),
    "keys in other spellings": Mutation(
        _other_spellings, Focus("orders put into place", is_late=True), is_rare=True
    ),
    "a page and its progress in one transaction": Mutation(_one_transaction),
}
