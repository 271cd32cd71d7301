"""Answers that never end or that swell, by name, and a client in a process of its own that tells what memory they cost it."""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import orjson

from bulkmove.errors import BulkmoveError
from bulkmove.model import Request
from bulkmove.protocols import Signature
from bulkmove.settings import HostSettings
from bulkmove.transport import open_transport

MEGABYTE = 1024 * 1024
MOST_BYTES = 4 * MEGABYTE
TIMEOUT_S = 0.6


def swelling(wbits: int) -> Iterator[bytes]:
    """One packed stream of a gigabyte, in about a megabyte."""
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    spaces = b" " * MEGABYTE
    yield packer.compress(b"[") + packer.flush(zlib.Z_FULL_FLUSH)
    packer.compress(spaces)
    packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(spaces) + packer.flush(zlib.Z_FULL_FLUSH)
    yield block * 1024


def packed(coding: bytes, parts: Callable[[], Iterator[bytes]]) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Encoding: " + coding + b"\r\n\r\n"
    yield from parts()


def endless(head: bytes, part: bytes) -> Iterator[bytes]:
    yield head
    while True:
        yield part


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ANSWERS: dict[str, Callable[[], Iterator[bytes]]] = {
    "gzip": lambda: packed(b"gzip", lambda: swelling(31)),
    "deflate": lambda: packed(b"deflate", lambda: swelling(15)),
    "raw-deflate": lambda: packed(b"deflate", lambda: swelling(-15)),
    "gzip-in-gzip": lambda: packed(b"gzip, gzip", lambda: endless(b"", gzip.compress(b" " * MEGABYTE))),
    "members": lambda: packed(b"gzip", lambda: endless(b"", gzip.compress(b" " * MEGABYTE))),
    "empty-members": lambda: packed(b"gzip", lambda: endless(b"", gzip.compress(b"") * 1000)),
    "brotli": lambda: packed(b"br", lambda: endless(b"", b"\x0b" * MEGABYTE)),
    "zstd": lambda: packed(b"zstd", lambda: endless(b"", b"\x28\xb5\x2f\xfd" * 1000)),
    "body": lambda: endless(b"HTTP/1.1 200 OK\r\n\r\n", b" " * MEGABYTE),
    "chunks": lambda: endless(CHUNKED, b"1\r\n \r\n" * 10_000),
    "extension": lambda: endless(CHUNKED + b"1;", b"a" * MEGABYTE),
    "trailers": lambda: endless(CHUNKED + b"0\r\n", b"X-A: b\r\n" * 10_000),
    "headers": lambda: endless(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n" * 10_000),
    "header": lambda: endless(b"HTTP/1.1 200 OK\r\nX-A: ", b"a" * MEGABYTE),
    "status": lambda: endless(b"HTTP/1.1 200 ", b"O" * MEGABYTE),
    "continue": lambda: endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "short-length": lambda: endless(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", b" " * MEGABYTE),
    "long-length": lambda: iter([b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{}"]),
    "huge-length": lambda: iter([b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 400 + b"\r\n\r\n{}"]),
    "huge-chunk": lambda: iter([CHUNKED + b"F" * 400 + b"\r\n{}"]),
    "two-lengths": lambda: iter([b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 9\r\n\r\n{}"]),
}  # fmt: skip


async def answer_by_name(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Writes as fast as the client reads, until it leaves."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        name = head.split(b" ")[1].strip(b"/").decode()
        for part in ANSWERS[name]():
            writer.write(part)
            await writer.drain()
        await reader.read()
    except (asyncio.IncompleteReadError, ConnectionError):
        return
    finally:
        writer.close()


def _peak_bytes() -> int:
    """The most memory since it was last forgotten."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


async def _cost_of(url: str) -> None:
    """A line a name: how the attempt ended, and how far memory rose for it."""
    host = HostSettings("old", "none", url, timeout_s=TIMEOUT_S, max_response_bytes=MOST_BYTES)
    for name in ANSWERS:
        async with open_transport(host, windows=(), sign=Signature({}, {})) as transport:
            _forget_peak()
            before = _peak_bytes()
            request = Request("POST", f"/{name}", body=b"{}", decode=orjson.loads)
            try:
                ended = f"answered {(await transport.send(request)).status}"
            except BulkmoveError as error:
                ended = f"{type(error).__name__}: {error}"
            risen = _peak_bytes() - before
        print(json.dumps({"name": name, "ended": ended, "risen": risen}), flush=True)  # noqa: T201


if __name__ == "__main__":
    anyio.run(_cost_of, sys.argv[1])
