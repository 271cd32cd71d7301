"""Puts boundaries around what a run does to its ledger, to its hosts and to its files. For a process of its own."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import client_reqrep

from tests.crash.boundaries import Boundaries

# What may fail on a full disk; a file can always be cut, or be taken away.
_NEED_ROOM = frozenset({"fsync", "replace"})


def around_sqlite(boundaries: Boundaries, *, checkpoint_pages: int | None) -> None:
    """Before and after each COMMIT, each step of the schema, and the last checkpoint, which closing makes.

    `checkpoint_pages`: how full the log may be before a commit brings it over into the database.
    """
    connect = sqlite3.connect

    class Connection(sqlite3.Connection):
        is_writing = False

        def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
            if statement != "COMMIT":
                return super().execute(statement, *values)
            boundaries.at("commit before")
            cursor = super().execute(statement)
            boundaries.at("commit after")
            return cursor

        def executescript(self, script: str) -> sqlite3.Cursor:
            boundaries.at("schema before")
            cursor = super().executescript(script)
            boundaries.at("schema after")
            return cursor

        def close(self) -> None:
            if self.is_writing:
                boundaries.at("ledger close before")
            super().close()
            if self.is_writing:
                boundaries.at("ledger close after")

    def connect_here(database: str, **options: Any) -> sqlite3.Connection:
        connection: Connection = connect(database, factory=Connection, **options)
        if database.endswith("mode=rwc"):
            connection.is_writing = True
            if checkpoint_pages is not None:
                connection.execute(f"PRAGMA wal_autocheckpoint = {checkpoint_pages}")
        return connection

    sqlite3.connect = connect_here  # type: ignore[assignment]


def around_requests(boundaries: Boundaries) -> None:
    """Before a request goes out, when its bytes are out, when an answer is there, and when that was read."""
    send, start, close = (
        client_reqrep.ClientRequest.send,
        aiohttp.ClientResponse.start,
        aiohttp.ClientResponse.close,
    )
    answered: set[int] = set()

    async def send_here(request: Any, connection: Any) -> aiohttp.ClientResponse:
        boundaries.at(f"{request.method} before")
        return await send(request, connection)

    async def start_here(answer: Any, connection: Any) -> aiohttp.ClientResponse:
        while _is_unsent(answer, connection):  # noqa: ASYNC110  the transport tells nobody when it has written
            await asyncio.sleep(0)
        boundaries.at(f"{answer.method} sent")
        started = await start(answer, connection)
        boundaries.at(f"{answer.method} answered")
        answered.add(id(answer))
        return started

    def close_here(answer: Any) -> None:
        if id(answer) in answered:
            answered.remove(id(answer))
            boundaries.at(f"{answer.method} read")
        close(answer)

    client_reqrep.ClientRequest.send = send_here  # type: ignore[method-assign,assignment]
    aiohttp.ClientResponse.start = start_here  # type: ignore[method-assign,assignment]
    aiohttp.ClientResponse.close = close_here  # type: ignore[method-assign,assignment]


def _is_unsent(answer: Any, connection: Any) -> bool:
    if answer._writer is not None and not answer._writer.done():
        return True
    transport = connection.transport
    return transport is not None and not transport.is_closing() and transport.get_write_buffer_size() > 0


def around_files(boundaries: Boundaries) -> None:
    """Before each write (and in the middle of it), each fsync, rename, cut and removal."""

    def before(name: str) -> Callable[..., Any]:
        do = getattr(os, name)

        def done_here(*arguments: Any, **options: Any) -> Any:
            boundaries.at(f"{name} before")
            if name in _NEED_ROOM:
                boundaries.room(_name_of(arguments[0]))
            done = do(*arguments, **options)
            boundaries.at(f"{name} after")
            return done

        return done_here

    write = os.write

    def write_here(descriptor: int, data: Any) -> int:
        boundaries.at("write before")
        boundaries.at("write torn", torn=lambda: write(descriptor, bytes(data)[: len(data) // 2]))
        boundaries.room(_name_of(descriptor))
        return write(descriptor, data)

    os.write = write_here
    for name in ("fsync", "replace", "ftruncate", "unlink"):
        setattr(os, name, before(name))


def _name_of(place: object) -> str:
    return str(Path(f"/proc/self/fd/{place}").readlink()) if isinstance(place, int) else str(place)
