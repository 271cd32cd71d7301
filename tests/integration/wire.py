"""A transport on real sockets, and servers of this machine that answer it as no server should."""

from __future__ import annotations

import asyncio
import socket
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import orjson
import pytest
from aiohttp import web

from bulkmove.errors import BulkmoveError
from bulkmove.model import Request
from bulkmove.protocols import Signature, Transport
from bulkmove.settings import HostSettings, Window
from bulkmove.transport import HostTransport, Timing, open_transport

SECRET = "s3cret"
SIGN = Signature({"API-Token": f"header-{SECRET}"}, {"api_key": f"query-{SECRET}"})
GET = Request("GET", "/orders/", {"page": "1"}, is_repeatable=True, decode=orjson.loads)
POST = Request("POST", "/orders/", body=b'{"rrn": "1"}', decode=orjson.loads)
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
HTTP_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


@asynccontextmanager
async def served(answer: Answer) -> AsyncIterator[str]:
    """The address of a server that answers everything so."""
    app = web.Application(client_max_size=2**24)
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


class RawServer:
    """Answers the nth request of all with the nth bytes; None closes the connection instead, b"" never answers."""

    def __init__(self, answers: Sequence[bytes | None]) -> None:
        self._answers = iter(answers)
        self.heads: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if b"Content-Length: " in head:
                    await reader.readexactly(int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0]))
                self.heads.append(head)
                answer = next(self._answers, HTTP_OK)
                if answer is None:
                    return
                writer.write(answer)
                await writer.drain()
                if answer and not answer.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: application/json"):
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def served_raw(answers: Sequence[bytes | None]) -> AsyncIterator[tuple[str, RawServer]]:
    raw = RawServer(answers)
    server = await asyncio.start_server(raw, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", raw
    finally:
        server.close()


@asynccontextmanager
async def opened(
    url: str, *, windows: Sequence[Window] = (), timing: Timing | None = None, **settings: Any
) -> AsyncIterator[HostTransport]:
    """A transport whose retries wait next to nothing."""
    host = HostSettings("old", "none", url, **{"timeout_s": 5.0, **settings})
    timing = timing or Timing(chance=lambda: 0.0)
    async with open_transport(host, windows=windows, sign=SIGN, timing=timing) as transport:
        yield transport


async def raised(transport: Transport, request: Request) -> BulkmoveError:
    """What it raises; nothing that can be printed of it holds a secret or a query."""
    with pytest.raises(BulkmoveError) as caught:
        await transport.send(request)
    assert_shows_no_secret(caught.value)
    return caught.value


def assert_shows_no_secret(error: BaseException) -> None:
    shown = ["".join(traceback.format_exception(error))]
    link: BaseException | None = error
    while link is not None:
        shown += [str(link), repr(link), repr(link.args), repr(vars(link))]
        link = link.__cause__ or link.__context__
    for text in shown:
        assert SECRET not in text
        assert "page=1" not in text
        assert "rrn" not in text
    assert "old" in str(error)


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


class Hurried:
    """A clock on which waits take no time."""

    def __init__(self) -> None:
        self.now = 0.0

    def timing(self) -> Timing:
        return Timing(clock=lambda: self.now + time.monotonic(), sleep=self.sleep, chance=lambda: 0.0)

    async def sleep(self, seconds: float) -> None:
        self.now += seconds + 1.5
        await anyio.lowlevel.checkpoint()
