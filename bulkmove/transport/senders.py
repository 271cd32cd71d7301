"""Requests that are sent for one purpose: what ends it for one ends it for all of them that are not out yet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import anyio

from bulkmove.transport.leaving import LeftError

_senders: ContextVar[Senders | None] = ContextVar("senders", default=None)


class Senders:
    """Tasks that send for one purpose, each inside `sending`.

    Once `leave` is called, none of them gets a slot any more, and those that wait for one are sent away at once; those
    that have one are answered. Keys that a host refused are so not shown to it again, and nobody waits for a host that
    is given up.
    """

    def __init__(self) -> None:
        self._why: str | None = None
        self._waiting: set[anyio.CancelScope] = set()

    @contextmanager
    def sending(self) -> Iterator[None]:
        token = _senders.set(self)
        try:
            yield
        finally:
            _senders.reset(token)

    def leave(self, why: str) -> None:
        """`why`: as "is paused by hand", of the host."""
        self._why = why
        for scope in self._waiting:
            scope.cancel()

    def check(self) -> None:
        """Raises LeftError where they have left."""
        if self._why is not None:
            raise LeftError(self._why)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Around a wait that takes nothing where it is cut off. Raises LeftError where they leave meanwhile."""
        self.check()
        with anyio.CancelScope() as scope:
            self._waiting.add(scope)
            try:
                yield
            finally:
                self._waiting.remove(scope)
        if scope.cancelled_caught:
            self.check()


def senders_here() -> Senders | None:
    """Those that this task sends for."""
    return _senders.get()
