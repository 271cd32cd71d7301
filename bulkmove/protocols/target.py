"""What is written to: a list, and what some lists can do beside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, runtime_checkable

from bulkmove.model import (
    BatchRule,
    JsonObject,
    WriteItem,
    WriteResult,
)
from bulkmove.protocols.source import Source

KeepRows = Callable[[Sequence[tuple[str, JsonObject]]], Awaitable[None]]


class Target(Protocol):
    """A list that can be written.

    `id_field` names the target's own id in a mapped body and in its rows; it never travels in an update's body.
    `natural_key` is the field by which a written row is found again. `rules` says what one request carries.

    `write` sends the items (all of one action, at most `rules[action].max_items`; for "joined" all of one
    body) in one request, and returns a result for each, in order. It raises InDoubtError where none of them
    is settled. A 400 is not an error: the items that it names are REJECTED, the others HELD. Refused for its size, all
    of a request is TOO_LARGE.

    `comparable` reduces a body or a row to the fields that come back on reading, in one normal form, so that
    a written body equals its row. Fields that are never returned are left out of both.
    """

    @property
    def id_field(self) -> str: ...

    @property
    def natural_key(self) -> str: ...

    @property
    def rules(self) -> Mapping[str, BatchRule]: ...

    @property
    def never_returned(self) -> frozenset[str]: ...

    def list(self) -> Source: ...

    def comparable(self, row: JsonObject) -> JsonObject: ...

    async def write(self, items: Sequence[WriteItem]) -> Sequence[WriteResult]: ...


@runtime_checkable
class StagedTarget(Protocol):
    """What a Target is too whose list comes to be as a whole, or not at all: a file that is renamed when it is complete.

    `open_list` is held while a route works on it. `written`: how many bodies the ledger says are there, `in_doubt`: how
    many more there may be; both 0 where the route begins. It raises ConfigError where something is in the way of a
    beginning, which is what `obstacle` tells, and LedgerError where the list is not what the ledger says.
    `close_list` is called within it when all records are settled, and may be called again for a list that is complete.
    It raises BadAnswerError where the list does not hold `written` rows.
    """

    async def obstacle(self) -> str | None: ...

    def open_list(self, *, written: int, in_doubt: int) -> AbstractAsyncContextManager[None]: ...

    async def close_list(self, written: int) -> None: ...


@runtime_checkable
class WatchesKeys(Protocol):
    """A Target that learns from answers whether its host keeps the natural key of what is created.

    `is_key_kept` None: no answer showed it yet. Unless it is True, a key that the list does not show is no proof that
    its row is not there.
    """

    @property
    def is_key_kept(self) -> bool | None: ...


@runtime_checkable
class SeesDeletions(Protocol):
    """A Target that deletes. `has_deleted`: a row of this route was deleted before, so that its address is right."""

    has_deleted: bool


@runtime_checkable
class LooksFirst(Protocol):
    """A Target that reads a row before it changes it.

    `keep_before`, where it is set, is handed each such row, by its id; the change is sent when it has returned.
    """

    keep_before: KeepRows | None


@runtime_checkable
class RemovesLines(Protocol):
    """A Target whose changes take no line of a row away, which another call of its host does.

    `removes_lines`: lines that a row has beyond those of its body are taken away before the body is written.
    """

    removes_lines: bool
