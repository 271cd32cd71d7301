"""The job by a bare aiohttp loop: what the machine could do. It knows all offsets, keeps nothing, believes every answer."""

from __future__ import annotations

import base64
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

import aiohttp
import anyio
import orjson
from aiolimiter import AsyncLimiter

from benchmarks.peers.job import KEY, OPTIONS, PAGE, READ_FROM, SECRET, TOKEN, WRITE_TO, Job, do
from bulkmove.mapping.builtin.external_order import order_to_external_order
from bulkmove.mapping.context import RouteContext

Turns = AbstractAsyncContextManager[None]


async def bare_loop(job: Job) -> int:
    """Read every page, map it, post it: the least that the job is. Returns how many rows were answered."""
    context = RouteContext("orders", OPTIONS, {}, lambda _route, _id: ())
    basic = "Basic " + base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
    reads, writes = _turns(job.rate), _turns(job.rate)
    starts = iter(range(0, job.orders, PAGE))
    written = 0
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=job.in_flight)) as session:

        async def work() -> None:
            nonlocal written
            for start in starts:
                page = await _answer(
                    session,
                    reads,
                    "GET",
                    job.url + READ_FROM,
                    params=job.page(start),
                    headers={"Authorization": basic},
                )
                bodies = [order_to_external_order(row, context) for row in page["data"]]
                rows = await _answer(
                    session,
                    writes,
                    "POST",
                    job.url + WRITE_TO,
                    data=orjson.dumps(bodies),
                    headers={"API-Token": TOKEN, "Content-Type": "application/json"},
                )
                written += len(rows)

        async with anyio.create_task_group() as tasks:
            for _ in range(job.in_flight):
                tasks.start_soon(work)
    return written


def _turns(rate: int | None) -> Turns:
    """One turn each 1/rate seconds, from a limiter such as scripts use, where there is a rate."""
    return nullcontext() if rate is None else AsyncLimiter(1, 1 / rate)


async def _answer(session: aiohttp.ClientSession, turns: Turns, method: str, url: str, **asked: Any) -> Any:
    while True:
        async with turns, session.request(method, url, **asked) as answer:
            body = await answer.read()
        if answer.status != 429:
            answer.raise_for_status()
            return orjson.loads(body)
        await anyio.sleep(float(answer.headers["Retry-After"]))


if __name__ == "__main__":
    do(lambda job: anyio.run(bare_loop, job, backend_options={"use_uvloop": True}))
