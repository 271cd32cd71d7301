"""What the transport costs over bare aiohttp, and how near it comes to the rates that it is allowed.

    python -m benchmarks.transport_overhead [--uvloop] [--seconds 4]

The first table interleaves short rounds of GETs and POSTs through aiohttp alone and through the transport, and prints the
ratio of the medians. The second runs each window for some seconds and prints the share of the allowed rate that
was used, and the most requests that the server saw in any half-open interval of the window's length.
The server is a process of its own that answers the same bytes to everything, and notes when.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import statistics
import struct
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from typing import cast

import aiohttp
import anyio
import orjson
import uvloop

from bulkmove.model import Request
from bulkmove.protocols import Signature
from bulkmove.settings import HostSettings, Window
from bulkmove.transport import open_transport
from bulkmove.transport.gate import Gate

BODY = orjson.dumps({"id": "1", "status": "new"})
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
)
WORKERS = 16
ROUNDS = 12
Send = Callable[[], Awaitable[object]]


class Server(asyncio.Protocol):
    """Answers every request the same; `GET /seen` with the times of all others since it was last asked."""

    def __init__(self, seen: list[float]) -> None:
        self._seen = seen
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"GET /seen"):
            times = struct.pack(f"{len(self._seen)}d", *self._seen)
            self._seen.clear()
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(times), times))
        elif data.startswith((b"GET ", b"POST ")):
            self._seen.append(time.monotonic())
            self._transport.write(ANSWER)


def serve(pipe: Connection) -> None:
    async def run() -> None:
        seen: list[float] = []
        server = await asyncio.get_running_loop().create_server(lambda: Server(seen), "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(run())


async def rate_of(send: Send, seconds: float) -> float:
    """Sends a second, with all workers at it."""
    count = 0
    end = time.monotonic() + seconds

    async def work() -> None:
        nonlocal count
        while time.monotonic() < end:
            await send()
            count += 1

    started = time.monotonic()
    async with anyio.create_task_group() as group:
        for number in range(WORKERS):
            group.start_soon(work, name=f"worker {number}")
    return count / (time.monotonic() - started)


async def overhead(url: str, method: str, body: bytes | None, windows: list[Window]) -> None:
    """Rounds of both, in turns, so that a busy machine is busy for both."""
    request = Request(method, "/x", {"page": "1"}, body, is_repeatable=True, decode=orjson.loads)
    host = HostSettings("bench", "none", url, concurrency=WORKERS)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=WORKERS)) as session:

        async def bare() -> object:
            async with session.request(method, f"{url}/x", params={"page": "1"}, data=body) as answer:
                return orjson.loads(await answer.read())

        async with open_transport(host, windows=windows, sign=Signature()) as transport:

            async def ours() -> object:
                return (await transport.send(request)).data

            rates: dict[str, list[float]] = {"bare": [], "ours": []}
            for number in range(ROUNDS):
                pairs = [("bare", bare), ("ours", ours)]
                for name, send in pairs if number % 2 else reversed(pairs):
                    rates[name].append(await rate_of(send, 0.4))
    bare_rate, our_rate = (statistics.median(rates[name]) for name in ("bare", "ours"))
    shown = ", ".join(map(str, windows)) or "unlimited"
    print(
        f"{method:5} {shown:12} bare {bare_rate:7.0f}/s  transport {our_rate:7.0f}/s  ratio {our_rate / bare_rate:.3f}"
    )


async def efficiency(url: str, windows: list[Window], seconds: float, burst: int = 1) -> None:
    host = HostSettings("bench", "none", url, concurrency=WORKERS, burst=burst)
    request = Request("GET", "/x", is_repeatable=True)
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{url}/seen") as answer:
            await answer.read()
        async with open_transport(host, windows=windows, sign=Signature()) as transport:
            await rate_of(lambda: transport.send(request), seconds)
        async with session.get(f"{url}/seen") as answer:
            packed = await answer.read()
    times = struct.unpack(f"{len(packed) // 8}d", packed)
    allowed = min(window.count / window.period_s for window in windows)
    # In whole periods, after the first: an end in the middle of one would flatter or belittle.
    period = max(window.count for window in windows)
    counted = (len(times) - period - 1) // period * period
    used = counted / (times[period + counted] - times[period])
    worst = ", ".join(f"{most_in(times, window.period_s)} of {window.count}" for window in windows)
    shown = ", ".join(map(str, windows))
    print(f"{shown:16} burst {burst:2}  {used:8.2f}/s  {used / allowed:7.2%}   at most {worst} in a window")


async def gate_cost() -> None:
    """What the gate alone costs a request that has not to wait."""
    for windows in (
        [],
        [Window(10**6, 1.0)],
        [Window(10**6, 1.0), Window(10**7, 60.0), Window(10**9, 3600.0)],
    ):
        gate = Gate(windows, burst=10**5, concurrency=WORKERS, clock=time.monotonic)
        count = 50_000
        started = time.perf_counter()
        for _ in range(count):
            gate.release(await gate.acquire())
        cost_us = (time.perf_counter() - started) / count * 1e6
        print(f"gate with {len(windows)} windows: {cost_us:5.2f} µs a request")


def most_in(times: tuple[float, ...], period_s: float) -> int:
    """The most of `times` in any half-open interval of `period_s`."""
    most = first = 0
    for last, moment in enumerate(times):
        while moment - times[first] >= period_s:
            first += 1
        most = max(most, last - first + 1)
    return most


async def main(seconds: float) -> None:
    pipe, far_end = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(far_end,), daemon=True)
    server.start()
    try:
        url = f"http://127.0.0.1:{await anyio.to_thread.run_sync(pipe.recv)}"
        await gate_cost()
        for windows in ([], [Window(10**6, 1.0)]):
            await overhead(url, "GET", None, windows)
            await overhead(url, "POST", BODY * 100, windows)
        for count in (1, 4, 20, 100, 200, 1000):
            await efficiency(url, [Window(count, 1.0)], max(seconds, 5 / count))
        await efficiency(url, [Window(20, 1.0)], seconds, burst=5)
        await efficiency(url, [Window(20, 1.0), Window(60, 4.0)], max(seconds, 13))
    finally:
        server.terminate()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--uvloop", action="store_true", help="run the client on uvloop")
    parser.add_argument("--seconds", type=float, default=4.0, help="how long each window is run")
    options = parser.parse_args()
    runner = uvloop.run if options.uvloop else asyncio.run
    runner(main(options.seconds))
