"""Each part of a request has its deadline, and a failure says which one passed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from socket import socket

import anyio
import pytest

from bulkmove.errors import HostUnavailableError, InDoubtError
from bulkmove.model import Request
from tests.integration.wire import GET, HTTP_OK, POST, Hurried, opened, raised, served_raw

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
Drip = Callable[[asyncio.StreamWriter], Awaitable[None]]


async def drip_body(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD)
    while True:
        writer.write(b" ")
        await writer.drain()
        await anyio.sleep(0.02)


async def drip_chunks(writer: asyncio.StreamWriter) -> None:
    writer.write(CHUNKED)
    while True:
        writer.write(b"1\r\n \r\n")
        await writer.drain()
        await anyio.sleep(0.02)


async def stop_after_the_head(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD)
    await anyio.sleep_forever()


async def answer_nothing(writer: asyncio.StreamWriter) -> None:
    del writer
    await anyio.sleep_forever()


async def drip_head(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(10_000):
        writer.write(b"X-%d: 1\r\n" % number)
        await writer.drain()
        await anyio.sleep(0.05)


async def ask_to_continue_for_ever(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await writer.drain()
        await anyio.sleep(0.02)


@asynccontextmanager
async def dripping(drip: Drip) -> AsyncIterator[str]:
    """The first request on each connection is answered so."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await drip(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@contextmanager
def black_hole() -> Iterator[str]:
    """An address where connections are neither taken nor refused: the queue of a listener is full."""
    with socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        crowd = [socket() for _ in range(4)]
        try:
            for one in crowd:
                one.setblocking(False)
                one.connect_ex(full.getsockname())
            yield f"http://127.0.0.1:{full.getsockname()[1]}"
        finally:
            for one in crowd:
                one.close()


@pytest.mark.parametrize("request_", [GET, POST], ids=["GET", "POST"])
async def test_no_connection_in_time_is_surely_not_applied_and_tried_again(request_: Request) -> None:
    with black_hole() as url:
        async with opened(url, timeout_s=30, connect_timeout_s=0.1, timing=Hurried().timing()) as transport:
            error = await raised(transport, request_)
            assert type(error) is HostUnavailableError
            assert "no connection came about in 0.1 s" in str(error)
            assert transport.requests >= 3


@pytest.mark.parametrize(
    "drip",
    [answer_nothing, drip_head, ask_to_continue_for_ever],
    ids=["nothing", "a head for ever", "100 for ever"],
)
@pytest.mark.parametrize("first_byte_s", [0.2, None], ids=["first byte", "whole"])
async def test_an_answer_that_does_not_begin_leaves_a_write_in_doubt(
    drip: Drip, first_byte_s: float | None
) -> None:
    timeout_s = 0.2 if first_byte_s is None else 30.0
    began = time.monotonic()
    async with (
        dripping(drip) as url,
        opened(url, timeout_s=timeout_s, first_byte_timeout_s=first_byte_s) as transport,
    ):
        error = await raised(transport, POST)
        assert type(error) is InDoubtError
        assert "no first byte of an answer in 0.2 s" in str(error)
        assert transport.requests == 1
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    "drip",
    [drip_body, drip_chunks, stop_after_the_head],
    ids=["a body for ever", "chunks for ever", "the head alone"],
)
async def test_a_body_that_does_not_end_leaves_a_write_in_doubt(drip: Drip) -> None:
    began = time.monotonic()
    async with dripping(drip) as url, opened(url, timeout_s=0.3, first_byte_timeout_s=0.2) as transport:
        error = await raised(transport, POST)
        assert type(error) is InDoubtError
        assert "the body was not whole after 0.3 s" in str(error)
        assert transport.requests == 1
    assert time.monotonic() - began < 2


async def test_a_read_is_asked_again_when_a_deadline_passed() -> None:
    async with served_raw([b""]) as (url, raw), opened(url, first_byte_timeout_s=0.1) as transport:
        assert (await transport.send(GET)).data == {}
        assert len(raw.heads) == 2


async def test_the_first_byte_is_waited_for_from_when_the_request_goes_out_and_the_body_longer() -> None:
    async def late(writer: asyncio.StreamWriter) -> None:
        await anyio.sleep(0.2)
        writer.write(HTTP_OK[:-2])
        await writer.drain()
        await anyio.sleep(0.5)
        writer.write(HTTP_OK[-2:])
        await writer.drain()

    async with dripping(late) as url, opened(url, timeout_s=5, first_byte_timeout_s=0.4) as transport:
        assert (await transport.send(POST)).data == {}


async def test_after_a_deadline_passed_the_slot_is_free_and_the_host_is_asked_on() -> None:
    async with (
        served_raw([b"", b"", b""]) as (url, _),
        opened(url, first_byte_timeout_s=0.1, concurrency=1) as transport,
    ):
        for _ in range(3):
            assert type(await raised(transport, POST)) is InDoubtError
        assert transport.sample().in_flight == 0
        await transport.send(POST)
