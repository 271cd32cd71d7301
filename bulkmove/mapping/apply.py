"""A mapper put to a page of records: what each becomes, or why it is not moved."""

from __future__ import annotations

import copy
import inspect
import traceback
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import anyio
from anyio import to_thread
from anyio.lowlevel import checkpoint_if_cancelled

from bulkmove.errors import BulkmoveError, RejectedError, single_error
from bulkmove.mapping.context import RouteContext
from bulkmove.mapping.lookups.asking import Asking, Misses, Need, asking
from bulkmove.mapping.lookups.collecting import Miss
from bulkmove.mapping.lookups.endings import DECIDED, UNRESOLVED
from bulkmove.model import JsonObject
from bulkmove.protocols import MapContext, Mapper

# Records of one page that an async mapper works on at a time.
ASYNC_MAPPERS = 32
# Values of one page that are asked for at a time.
MOST_ASKED = 64
# Each brings a new value: one that is asked for within another, or after the mapper could do nothing with a stand-in.
MOST_ROUNDS = 1000
_LONGEST_MESSAGE = 4000
_MOST_NAMED = 8


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a record is not moved. `cause` is one stable word, `message` for a person."""

    cause: str
    message: str


@dataclass(frozen=True, slots=True)
class Skip:
    """Why a record is skipped by what a person decided on one of its values."""

    cause: str
    message: str


Result = list[JsonObject] | Rejection | Skip
_CANCELLED = Rejection("mapper-error", "the mapper was cancelled by what it waited for")
_ENDLESS = Rejection(
    "mapper-error", f"the mapper still asked for new values when it was called {MOST_ROUNDS} times"
)


async def map_page(
    mapper: Mapper,
    records: Sequence[JsonObject],
    context: MapContext,
    *,
    in_thread: bool = False,
    ids: Sequence[str] | None = None,
) -> list[Result]:
    """What each record becomes, in order; an empty list: skipped on purpose.

    Each record is given to the mapper once; where the mapper says `is_pure` (it changes nothing, its record neither,
    and gives the same for the same), again when look-ups had to ask a host for values meanwhile. `in_thread`: a plain
    function is called in a worker thread, for mappers that ask the ledger. `ids`: what the records are called, for what
    look-ups put down. Where those only put down what they lack, a record that would be rejected for it is mapped once
    more, as it came, by look-ups that raise: a mapper may know better. Whatever a mapper raises costs its own record only; a host that a look-up could not ask raises
    what its transport does.
    """
    page = _Page(mapper, records, context, ids)
    if inspect.iscoroutinefunction(mapper):
        await page.map_side_by_side()
    elif getattr(mapper, "is_pure", False):
        await page.map_in_rounds(in_thread=in_thread)
    else:
        await page.map_once(in_thread=in_thread)
    return page.results


class _Page:
    """The records of one page and what became of them so far."""

    def __init__(
        self, mapper: Mapper, records: Sequence[JsonObject], context: MapContext, ids: Sequence[str] | None
    ) -> None:
        self.results: list[Result] = [[] for _ in records]
        self._mapper = mapper
        self._records = records
        self._context = context
        self._ids = ids
        self._is_collecting = isinstance(context, RouteContext) and context.is_collecting
        # What was put down for records that are mapped once more, by look-ups that raise.
        self._doubted: dict[int, Misses] = {}

    async def map_once(self, *, in_thread: bool) -> None:
        """All records, for a mapper that may change them."""
        as_they_came = copy.deepcopy(self._records) if self._is_collecting else self._records
        again = await self.map_in_turn(range(len(self._records)), Asking(), in_thread=in_thread)
        if again:
            self._records = as_they_came
            await self.map_in_turn(list(again), Asking(), in_thread=in_thread)

    async def map_in_rounds(self, *, in_thread: bool) -> None:
        """All records; then those again that needed values, which were asked for meanwhile; until none does."""
        answers: dict[Hashable, Any] = {}
        places: Sequence[int] = range(len(self._records))
        for _ in range(MOST_ROUNDS):
            here = Asking(can_repeat=True, answers=answers)
            needs = await self.map_in_turn(places, here, in_thread=in_thread)
            if not needs:
                return
            # None are asked for where records are only doubted.
            await _fetch({need: None for found in needs.values() for need in found}, answers)
            places = list(needs)
        for place in places:
            self.results[place] = _ENDLESS

    async def map_in_turn(
        self, places: Sequence[int], here: Asking, *, in_thread: bool
    ) -> dict[int, list[Need]]:
        """The records at these places, one after the other; what those need, if anything, that have to be mapped again.

        Whatever became of a record that needs values, it was made with stand-ins.
        """
        if in_thread:
            return await to_thread.run_sync(self._map_in_turn, places, here)
        return self._map_in_turn(places, here)

    def _map_in_turn(self, places: Sequence[int], here: Asking) -> dict[int, list[Need]]:
        mapper, records, context, results = self._mapper, self._records, self._context, self.results
        needs: dict[int, list[Need]] = {}
        with asking(here):
            for place in places:
                here.raises_misses = place in self._doubted
                try:
                    results[place] = _bodies(mapper(records[place], context))
                except (Exception, SystemExit) as error:  # noqa: BLE001  whatever a user's mapper raises costs one record
                    results[place] = _rejection(error)
                if here.is_touched or here.raises_misses:
                    if here.needs or self._is_to_be_doubted(place, here):
                        needs[place] = list(here.needs)
                    else:
                        self._conclude(place, here)
                    here.begin()
        return needs

    async def map_side_by_side(self) -> None:
        free = anyio.CapacityLimiter(ASYNC_MAPPERS)
        failures: list[BulkmoveError] = []

        async def map_one(place: int) -> None:
            async with free:
                record = self._records[place]
                as_it_came = copy.deepcopy(record) if self._is_collecting else record
                here = await self._map_aside(place, record)
                if here.failure is None and self._is_to_be_doubted(place, here):
                    here = await self._map_aside(place, as_it_came)
            if here.failure is not None:
                failures.append(here.failure)
                tasks.cancel_scope.cancel()
            elif here.is_touched or here.raises_misses:
                self._conclude(place, here)

        async with anyio.create_task_group() as tasks:
            for place in range(len(self._records)):
                tasks.start_soon(map_one, place, name="mapper")
        if failures:
            raise failures[0]

    async def _map_aside(self, place: int, record: JsonObject) -> Asking:
        call = cast("Callable[[JsonObject, MapContext], Awaitable[Any]]", self._mapper)
        with asking(Asking()) as here:
            here.raises_misses = place in self._doubted
            try:
                self.results[place] = _bodies(await call(record, self._context))
            except (Exception, SystemExit) as error:  # noqa: BLE001  whatever a user's mapper raises costs one record
                self.results[place] = _rejection(error)
            except anyio.get_cancelled_exc_class():
                # Raises where the run itself is cancelled. Else the mapper waited for something that was:
                # passed on, that would take the page's other records with it.
                await checkpoint_if_cancelled()
                self.results[place] = _CANCELLED
        return here

    def _is_to_be_doubted(self, place: int, here: Asking) -> bool:
        """Whether look-ups would reject the record, and its mapper was not yet asked whether it takes their word."""
        if not self._is_collecting or here.raises_misses or here.skipped is not None:
            return False
        if not any(here.misses.values()):
            return False
        self._doubted[place] = here.misses
        return True

    def _conclude(self, place: int, here: Asking) -> None:
        """What the look-ups say of a record goes before what its mapper made of it, maybe out of stand-ins."""
        doubted = self._doubted.pop(place, None)
        if here.skipped is not None:
            self.results[place] = Skip(DECIDED, here.skipped)
            return
        if doubted is not None and isinstance(self.results[place], Rejection):
            here.misses = doubted
        rejecting = here.count_misses(self._ids[place] if self._ids is not None else None)
        if rejecting:
            self.results[place] = Rejection(UNRESOLVED, _said(rejecting))


async def _fetch(needs: dict[Need, None], answers: dict[Hashable, Any]) -> None:
    """Ask for all that a page needs, some at a time; the answers are kept for the page, whatever a cache forgets."""
    left = iter(needs)

    async def ask() -> None:
        for need in left:
            lookup, what = need
            answers[need] = await lookup.fetch(what)

    with single_error():
        async with anyio.create_task_group() as tasks:
            for _ in range(min(MOST_ASKED, len(needs))):
                tasks.start_soon(ask, name="looking up")


def _said(misses: Sequence[Miss]) -> str:
    named = [
        f"lookups.{each.lookup} has {'more than one value for' if each.is_ambiguous else 'no'} {each.value[:80]!r}"
        for each in misses[:_MOST_NAMED]
    ]
    more = len(misses) - len(named)
    return "; ".join(named) + (f"; and {more} more" if more else "")


def _bodies(mapped: Any) -> list[JsonObject]:
    if mapped is None:
        return []
    if isinstance(mapped, dict):
        return [mapped]
    if isinstance(mapped, Iterable) and not isinstance(mapped, (str, bytes)):
        return list(mapped)
    raise RejectedError(
        f"the mapper returned a {type(mapped).__name__}; it should be a dict, several dicts, or None",
        cause="mapper-error",
    )


def _rejection(error: Exception | SystemExit) -> Rejection:
    if isinstance(error, RejectedError):
        return Rejection(cause=error.cause, message=str(error)[:_LONGEST_MESSAGE])
    # The frames of this module say nothing about the user's mistake.
    frames = traceback.TracebackException.from_exception(error)
    del frames.stack[:1]
    text = f"{type(error).__name__}: {error}\n" + "".join(frames.format())
    return Rejection(cause="mapper-error", message=text[:_LONGEST_MESSAGE])
