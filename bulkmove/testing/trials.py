"""What an author gives to the suites: the object to be tried, and what is known of it without asking it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from bulkmove.model import JsonObject
from bulkmove.protocols import Ledger, Source, StagedTarget, Target
from bulkmove.testing.faulty import FaultyTransport

# Fewer rows make no pages.
FEWEST_ROWS = 20


@dataclass(frozen=True, slots=True)
class SourceTrial:
    """A list at rest of 20 rows or more, all of which fit one page.

    `ids`: those of its rows; on a keyset list each row has a key. `narrowed`: the same list as a route with filters
    reads it, and the ids of the rows that meet them. `transport`: what the source sends through; with it the suite
    tries what a host may answer.
    """

    source: Source
    ids: Collection[str]
    narrowed: tuple[Source, Collection[str]] | None = None
    transport: FaultyTransport | None = None


@dataclass(frozen=True, slots=True)
class TargetTrial:
    """A list that can be written; its rows fit one page, also with the new ones.

    `bodies`: to be created, all of them different, five or more of them; none where the target only updates: then
    rows stand there already, two or more. `change`: a body that updates the row it is given, so that the row shows
    another value, the same for every row where changes are joined; None where nothing can be updated. `bad`: a body
    to be created that the host refuses. `no_row`: an id as the host has them, of no row.
    """

    target: Target
    bodies: Sequence[JsonObject] = ()
    change: Callable[[JsonObject], JsonObject] | None = None
    bad: JsonObject | None = None
    no_row: str = "999999999"
    transport: FaultyTransport | None = None


@dataclass(frozen=True, slots=True)
class DeletionTrial:
    """The target of a route of mode "delete". `ids`: of rows that stand on its list, three or more."""

    target: Target
    ids: Sequence[str]
    transport: FaultyTransport | None = None


@dataclass(frozen=True, slots=True)
class StagedTrial:
    """A target whose list comes to be as a whole. `anew` gives another object for the same list, as a later run has it.

    `is_there`: whether the list is there for others to read.
    """

    anew: Callable[[], tuple[Target, StagedTarget]]
    bodies: Sequence[JsonObject]
    is_there: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class LedgerTrial:
    """A store that a ledger is kept in.

    `open`: a run's hold of it, which begins a new run; its routes are `orders` and `products`, its one target list is
    `new.orders`. `after_crash`: the same store as a run would find it whose machine lost its power now, while it is open.
    """

    open: Callable[[], AbstractAsyncContextManager[Ledger]]
    after_crash: Callable[[], AbstractAsyncContextManager[Ledger]] | None = None


ROUTE, OTHER_ROUTE, LIST = "orders", "products", "new.orders"
