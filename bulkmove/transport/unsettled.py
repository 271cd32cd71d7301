"""Tells who sent a repeatable write which of its attempts nothing settled: the host may still work on them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_attempts: ContextVar[list[float] | None] = ContextVar("unsettled_attempts", default=None)


@contextmanager
def unsettled_attempts() -> Iterator[list[float]]:
    """The times, epoch seconds, at which attempts were sent inside the context whose fate no answer told."""
    attempts: list[float] = []
    token = _attempts.set(attempts)
    try:
        yield attempts
    finally:
        _attempts.reset(token)


def note_unsettled(sent_at: float) -> None:
    attempts = _attempts.get()
    if attempts is not None:
        attempts.append(sent_at)
