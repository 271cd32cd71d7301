"""What one record asks for while it is mapped, kept beside the mapper's call: in a thread, in turn, or side by side."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

from bulkmove.errors import BulkmoveError
from bulkmove.mapping.lookups.collecting import Collector, Miss


class SkipRecordError(BulkmoveError):
    """A person decided that records with this value are skipped. Never leaves the mapping."""


class StandIn(int):
    """Stands for a value that is not known yet, so that a mapper can go on: a whole number to whoever looks at it.

    A body that was made with one is never used.
    """

    __slots__ = ()


# Positive, whole to a double, and no id that a table is likely to hold.
STAND_IN = StandIn(987_654_321_987_654)


class Asked(Protocol):
    """A look-up that is asked for single values, as far as a page needs to know it."""

    async def fetch(self, need: str) -> Any: ...


Need = tuple[Asked, str]
# What did not resolve, and whether it would reject its record.
Misses = dict[tuple[Collector, Miss], bool]


class Asking:
    """What the record that is being mapped met on its way through the look-ups.

    `can_repeat`: its mapper may be called again for the same record, so that a look-up that has to ask its host
    answers with a stand-in and puts down what it needs in `needs`. `answers`: what was fetched for such needs, for
    one page. `raises_misses`: look-ups that only put down what they lack are to raise where they would reject. `skipped`:
    who decided that the record is skipped, and why. `failure`: a host did not answer, which is no fault of the record.
    """

    __slots__ = (
        "answers",
        "can_repeat",
        "failure",
        "is_touched",
        "misses",
        "needs",
        "raises_misses",
        "skipped",
    )

    def __init__(self, *, can_repeat: bool = False, answers: dict[Hashable, Any] | None = None) -> None:
        self.can_repeat = can_repeat
        self.answers: dict[Hashable, Any] = {} if answers is None else answers
        self.raises_misses = False
        self.begin()

    def begin(self) -> None:
        """A record is mapped from its beginning."""
        self.is_touched = False
        self.skipped: str | None = None
        self.failure: BulkmoveError | None = None
        self.needs: dict[Need, None] = {}
        self.misses: Misses = {}

    def need(self, need: Need) -> None:
        self.is_touched = True
        self.needs[need] = None

    def miss(self, collector: Collector, miss: Miss, *, is_rejecting: bool) -> None:
        self.is_touched = True
        self.misses[collector, miss] = is_rejecting

    def skip(self, said: str) -> None:
        self.is_touched = True
        self.skipped = said

    def fail(self, error: BulkmoveError) -> None:
        self.is_touched = True
        self.failure = error

    def count_misses(self, source_id: str | None) -> list[Miss]:
        """Count what did not resolve; those for which the record is rejected."""
        for collector, miss in self.misses:
            collector.count((miss,), source_id)
        return [miss for (_, miss), is_rejecting in self.misses.items() if is_rejecting]


_ASKING: ContextVar[Asking | None] = ContextVar("asking", default=None)


def current() -> Asking | None:
    """What belongs to the record that is mapped by the caller; None where no page is being mapped."""
    return _ASKING.get()


@contextmanager
def asking(what: Asking) -> Iterator[Asking]:
    token = _ASKING.set(what)
    try:
        yield what
    finally:
        _ASKING.reset(token)
