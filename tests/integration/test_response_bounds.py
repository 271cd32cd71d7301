"""`max_response_bytes` bounds what an answer costs, whatever it says of itself and however it is packed."""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
import zlib
from pathlib import Path

import pytest
from aiohttp import web

from bulkmove.errors import InDoubtError
from bulkmove.model import Request
from tests.integration.hoggish import ANSWERS, MEGABYTE, MOST_BYTES, answer_by_name
from tests.integration.wire import GET, HTTP_OK, POST, opened, raised, served, served_raw

PROJECT = Path(__file__).parents[2]
# What a connection, a piece that is being unpacked and the allocator take beside the body.
BESIDE_BYTES = 12 * MEGABYTE


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is measured as Linux tells it")
async def test_no_answer_costs_more_memory_than_max_response_bytes_and_a_little() -> None:
    server = await asyncio.start_server(answer_by_name, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        client = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.integration.hoggish",
            url,
            cwd=PROJECT,
            stdout=asyncio.subprocess.PIPE,
        )
        told, _ = await client.communicate()
    finally:
        server.close()
    found = {line["name"]: line for line in map(json.loads, told.splitlines())}
    assert found.keys() == ANSWERS.keys()
    for name, line in found.items():
        assert line["risen"] < MOST_BYTES + BESIDE_BYTES, name
        if name == "short-length" and line["ended"] == "answered 200":
            continue  # The body that it promised had come, and nothing more yet.
        assert line["ended"].startswith("InDoubtError"), name
    for name in ("gzip", "deflate", "members", "empty-members", "body", "long-length"):
        assert "answered 200 with more than 4.1943 MB" in found[name]["ended"]
    for name in ("brotli", "zstd", "gzip-in-gzip"):
        assert "packed in a way that was not asked for" in found[name]["ended"]


def packed(coding: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Encoding: {coding}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


LARGE = b'"' + b"ab" * 1_500_000 + b'"'


@pytest.mark.parametrize(
    "answer",
    [
        packed("gzip", gzip.compress(LARGE)),
        packed("GZip ", gzip.compress(LARGE)),
        packed("x-gzip", gzip.compress(LARGE[:777]) + gzip.compress(LARGE[777:])),
        packed("deflate", zlib.compress(LARGE)),
        packed("identity", LARGE),
    ],
    ids=["gzip", "spelling", "two members", "deflate", "identity"],
)
async def test_what_comes_packed_is_unpacked_up_to_the_last_byte_that_is_allowed(answer: bytes) -> None:
    async with served_raw([answer]) as (url, _), opened(url, max_response_bytes=len(LARGE)) as transport:
        assert (await transport.send(POST)).body == LARGE
    async with (
        served_raw([answer]) as (url, _),
        opened(url, max_response_bytes=len(LARGE) - 1) as transport,
    ):
        assert "answered 200 with more than 3 MB" in str(await raised(transport, POST))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (packed("gzip", gzip.compress(LARGE)[:-20]), "with a body that was cut short"),
        (packed("gzip", gzip.compress(LARGE)[:-1] + b"x"), "with a body that can't be unpacked"),
        (packed("gzip", gzip.compress(b"{}") + b"rest"), "with a body that can't be unpacked"),
        (packed("gzip", b"{}"), "with a body that can't be unpacked"),
        (packed("br", b"{}"), "packed in a way that was not asked for"),
        (packed("aws-chunked", b"{}"), "packed in a way that was not asked for"),
    ],
    ids=["cut", "bad sum", "rest", "not packed", "br", "unknown"],
)
async def test_a_packed_body_that_is_not_what_it_says_leaves_a_write_in_doubt(
    answer: bytes, said: str
) -> None:
    async with served_raw([answer]) as (url, _), opened(url) as transport:
        error = await raised(transport, POST)
        assert type(error) is InDoubtError
        assert said in str(error)


async def test_an_empty_body_that_says_it_is_packed_is_empty() -> None:
    answer = b"HTTP/1.1 400 Bad Request\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n"
    async with served_raw([answer]) as (url, _), opened(url) as transport:
        assert (await transport.send(POST)).body == b""


@pytest.mark.parametrize(
    ("status", "kind"), [(401, "CredentialsError"), (403, "CredentialsError"), (301, "ConfigError")]
)
async def test_what_a_status_says_by_itself_holds_whatever_its_body_is(status: int, kind: str) -> None:
    """A 401 that was asked again because its page was too large could lock the key out."""

    async def large(request: web.Request) -> web.Response:
        del request
        return web.Response(status=status, text="x" * 5000)

    async with served(large) as url, opened(url, max_response_bytes=4000) as transport:
        assert type(await raised(transport, GET)).__name__ == kind
        assert transport.requests == 1


async def test_a_429_with_a_body_that_is_too_large_is_waited_out() -> None:
    large = b"HTTP/1.1 429 Slow down\r\nRetry-After: 0\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000
    async with served_raw([large]) as (url, raw), opened(url, max_response_bytes=4000) as transport:
        await transport.send(POST)
        assert transport.throttled == 1
        assert len(raw.heads) == 2


async def test_an_answer_that_nobody_asked_for_does_not_pass_for_the_next_one() -> None:
    """Some hosts answer a request twice. Taken for the answer to the next write, it would settle what was never done."""
    late = asyncio.Event()
    seen: list[bytes] = []

    async def twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0]))
                seen.append(body)
                answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
                writer.write(answer)
                await writer.drain()
                if len(seen) == 1:
                    await late.wait()
                    writer.write(answer)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(twice, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        async with opened(url) as transport:
            first = await transport.send(Request("POST", "/orders/", body=b"first"))
            late.set()
            await asyncio.sleep(0.1)
            second = await transport.send(Request("POST", "/orders/", body=b"second"))
    finally:
        server.close()
    assert (first.body, second.body) == (b"first", b"second")
    assert seen == [b"first", b"second"]


async def test_a_body_of_one_more_byte_than_it_says_costs_its_connection_alone() -> None:
    surplus = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}{"
    async with served_raw([HTTP_OK, HTTP_OK]) as (url, _), opened(url) as transport:
        await transport.send(GET)
    async with served_raw([surplus]) as (url, _), opened(url) as transport:
        for _ in range(3):
            assert (await transport.send(GET)).data == {}
