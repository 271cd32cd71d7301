"""A mapper put to a page of records: what each becomes, or why it is not moved."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import anyio
from anyio import to_thread
from anyio.lowlevel import checkpoint_if_cancelled

from bulkmove.errors import RejectedError
from bulkmove.model import JsonObject
from bulkmove.protocols import MapContext, Mapper

# Records of one page that an async mapper works on at a time.
ASYNC_MAPPERS = 32
_LONGEST_MESSAGE = 4000


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a record is not moved. `cause` is one stable word, `message` for a person."""

    cause: str
    message: str


Result = list[JsonObject] | Rejection
_CANCELLED = Rejection("mapper-error", "the mapper was cancelled by what it waited for")


async def map_page(
    mapper: Mapper, records: Sequence[JsonObject], context: MapContext, *, in_thread: bool = False
) -> list[Result]:
    """What each record becomes, in order; an empty list: skipped on purpose.

    Each record is given to the mapper once. `in_thread`: a plain function is called in a worker thread, for
    mappers that ask the ledger. Whatever a mapper raises costs its own record only.
    """
    if inspect.iscoroutinefunction(mapper):
        return await _map_side_by_side(mapper, records, context)
    if in_thread:
        return await to_thread.run_sync(_map_in_turn, mapper, records, context)
    return _map_in_turn(mapper, records, context)


def _map_in_turn(mapper: Mapper, records: Sequence[JsonObject], context: MapContext) -> list[Result]:
    results: list[Result] = []
    for record in records:
        try:
            results.append(_bodies(mapper(record, context)))
        except (Exception, SystemExit) as error:  # noqa: BLE001  whatever a user's mapper raises costs one record
            results.append(_rejection(error))
    return results


async def _map_side_by_side(
    mapper: Mapper, records: Sequence[JsonObject], context: MapContext
) -> list[Result]:
    results: list[Result] = [[] for _ in records]
    call = cast("Callable[[JsonObject, MapContext], Awaitable[Any]]", mapper)
    places = anyio.CapacityLimiter(ASYNC_MAPPERS)

    async def map_one(place: int) -> None:
        async with places:
            try:
                results[place] = _bodies(await call(records[place], context))
            except (Exception, SystemExit) as error:  # noqa: BLE001  whatever a user's mapper raises costs one record
                results[place] = _rejection(error)
            except anyio.get_cancelled_exc_class():
                # Raises where the run itself is cancelled. Else the mapper waited for something that was:
                # passed on, that would take the page's other records with it.
                await checkpoint_if_cancelled()
                results[place] = _CANCELLED

    async with anyio.create_task_group() as tasks:
        for place in range(len(records)):
            tasks.start_soon(map_one, place, name="mapper")
    return results


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
