"""Answers as bytes on the wire, whatever they are: an answer, or an error of ours, without a secret and in time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from hypothesis import example, given
from hypothesis import strategies as st

from bulkmove.exact import decode_json, is_utf8
from bulkmove.model import Request
from bulkmove.protocols import Signature
from bulkmove.settings import HostSettings
from bulkmove.transport.answers import Failure, described, verdict_on
from bulkmove.transport.client import open_client
from tests.fuzz.conftest import Run
from tests.fuzz.odd_hosts import CANARY, check_message
from tests.fuzz.odd_json import TEXTS, bytes_of

SIGN = Signature({"API-Token": CANARY}, {"api_key": CANARY})
MOST_BYTES = 2000
NAMES = (
    "Content-Type", "Content-Length", "Content-Encoding", "Transfer-Encoding", "Connection", "Date", "Retry-After", "Location",
    "Set-Cookie", "RateLimit-Reset", "X-RateLimit-Remaining", "Link", "Upgrade", "Trailer", "WWW-Authenticate", "", "X y", "ă",
)  # fmt: skip
VALUES = (
    "application/json", "text/html; charset=utf-7", "text/;x", "a/b" * 100, "0", "2", "-1", "+2", "2, 2", "0x2", "9" * 30, "chunked",
    "gzip", "gzip, chunked", "identity", "br", "deflate", "close", "keep-alive", "upgrade", "h2c", "Sun, 06 Nov 1994 08:49:37 GMT",
    f"https://shop.example/?api_key={CANARY}", f"//x/{CANARY}", "http://[::1", "mailto:x", "\xff\xfe", "a=b; Max-Age=x; Path=/",
    '<https://x>; rel="next"', "x" * 9000, "\x00", "\x7f", "\x1b[31m",
)  # fmt: skip
LATIN = {"errors": "replace"}
STATUS_LINES = st.one_of(
    st.sampled_from(
        [
            100,
            101,
            103,
            200,
            201,
            204,
            206,
            299,
            301,
            304,
            400,
            401,
            404,
            407,
            429,
            500,
            503,
            599,
            600,
            999,
            0,
        ]
    ).map(lambda status: f"HTTP/1.1 {status} said".encode()),
    st.sampled_from(
        [
            b"HTTP/1.0 200 OK",
            b"HTTP/2 200",
            b"HTTP/1.1 200",
            b"HTTP/1.1 2000 x",
            b"",
            b"ICY 200 OK",
            b"HTTP/1.1 200 \xff\xfe",
        ]
    ),
    st.binary(max_size=20),
)
HEADERS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(VALUES) | st.sampled_from(TEXTS)).map(
        lambda pair: f"{pair[0]}: {pair[1]}".encode("latin-1", "replace")
    )
    | st.binary(max_size=20),
    max_size=5,
)


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    body = draw(bytes_of({"next": f"/?api_key={CANARY}", "detail": f"no {CANARY}", "results": [{"id": 1}]}))
    headers = draw(HEADERS)
    match draw(st.integers(0, 3)):
        case 0:
            headers.append(b"Content-Length: %d" % len(body))
        case 1:
            headers.append(b"Transfer-Encoding: chunked")
            body = b"%x;a=b\r\n%s\r\n" % (len(body), body) + draw(
                st.sampled_from([b"0\r\n\r\n", b"zz\r\n", b"-1\r\n", b""])
            )
        case _:
            headers.append(b"Connection: close")
    return b"\r\n".join([draw(STATUS_LINES), *headers]) + b"\r\n\r\n" + body


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[str]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def ask(answer: bytes) -> None:
    request = Request("POST", "/orders/", body=b"{}", decode=decode_json)
    async with answering(answer) as url:
        host = HostSettings("shop", "none", url, timeout_s=0.5, max_response_bytes=MOST_BYTES)
        async with open_client(host, SIGN, wall_clock=time.time) as client:
            with anyio.fail_after(5):
                found = await client.send(request)
            check_message(described(found))
            response = found.response if isinstance(found, Failure) else found
            if response is not None:
                assert len(response.body) <= MOST_BYTES
                assert CANARY.encode() not in response.body
                assert all(is_utf8(value) for value in response.headers.values())
                check_message(client.redirect_target(request, response))
                verdict_on(response, lambda _: False)


@given(answer=answers() | st.binary(max_size=300))
@example(answer=b"HTTP/1.1 302 Found\r\nLocation: https://x/\xff\xfe\x1b[31m\r\nContent-Length: 0\r\n\r\n")
@example(answer=b"HTTP/1.1 400 No\r\nX-A: \xff\r\nContent-Length: 0\r\n\r\n")
@example(answer=b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n")
@example(answer=b"HTTP/1.1 200 OK\r\nContent-Type: text/\x1b[31m\r\nContent-Length: 1\r\n\r\n<")
def test_whatever_comes_back_is_an_answer_or_an_error_of_ours(answer: bytes, run: Run) -> None:
    run(ask(answer))
