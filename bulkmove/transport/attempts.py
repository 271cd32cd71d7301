"""Tells who sends a request what became of each attempt: when it was sent, how it was answered, whether that settles it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

_lists: ContextVar[tuple[list[Attempt], ...]] = ContextVar("attempts", default=())


class Attempt(NamedTuple):
    """One attempt. `sent_at`: epoch seconds. `said`: how it was answered, in words that may be shown.

    `is_unsettled`: the host may still be working on it. `refusal`: the beginning of the answer's body where it is a
    4xx, credentials left out; it may hold what was sent, and is for the ledger alone.
    """

    sent_at: float
    said: str
    is_unsettled: bool = False
    refusal: str | None = None


@contextmanager
def noted_attempts() -> Iterator[list[Attempt]]:
    """The attempts made inside the context, in the order in which they ended. Contexts that nest all see them."""
    attempts: list[Attempt] = []
    token = _lists.set((*_lists.get(), attempts))
    try:
        yield attempts
    finally:
        _lists.reset(token)


def note_attempt(attempt: Attempt) -> None:
    for attempts in _lists.get():
        attempts.append(attempt)
