"""What the parts of an open ledger share: its lanes, the numbers of routes and lists, and of the run."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from bulkmove.ledger import questions
from bulkmove.ledger.handed_over import HandedOver
from bulkmove.ledger.lane import NearLane, ReadLane, WriteLane

_T = TypeVar("_T")


class Connections(NamedTuple):
    """To one ledger, by who uses them: a thread that writes and one that reads, the event loop, and whoever maps."""

    write: sqlite3.Connection
    read: sqlite3.Connection
    near: sqlite3.Connection
    look: sqlite3.Connection


class Store:
    """`run` is 0 until one is begun; `routes` and `lists` are the numbers of those that are saved, by name."""

    def __init__(self, path: Path, connections: Connections) -> None:
        write = connections.write
        self.path = path
        self.writer = WriteLane(write, path)
        self.reader = ReadLane(connections.read, path)
        self.near = NearLane(connections.near, self.reader)
        self.handed_over = HandedOver()
        self.run = 0
        self.routes = questions.routes(write)
        self.lists = questions.lists(write)
        self._next_chunk = max(_next_id(write, "chunks"), _next_id(write, "pages"))
        self._next_request = max(_next_id(write, "intents"), _next_id(write, "requests"))

    def reserve_chunk(self) -> int:
        """The number of the next page's chunk; numbers rise in the order in which pages are mapped."""
        number = self._next_chunk
        self._next_chunk += 1
        return number

    def reserve_request(self) -> int:
        """The number of a write request that needs no intent; an intent's number is its request's."""
        number = self._next_request
        self._next_request += 1
        return number

    async def ask(self, question: Callable[[sqlite3.Connection], _T]) -> _T:
        """What the ledger says, with all that was handed over."""
        await self.writer.flush()
        return await self.reader.run(question)


def _next_id(connection: sqlite3.Connection, table: str) -> int:
    newest: int | None = connection.execute(f"SELECT max(id) FROM {table}").fetchone()[0]  # noqa: S608  our own names
    return 1 if newest is None else max(0, newest) + 1
