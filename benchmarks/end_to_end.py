"""Orders a second from page to ledger, beside a bare loop with neither ledger nor limiter, in the same run.

    python benchmarks/end_to_end.py [--orders 30000] [--rounds 3]

Both move MerchantPro orders to the external-order API of one sandbox in a process of its own, with the same
mapper, 100 orders a page and a batch, and as many requests in flight. The loop knows all offsets beforehand,
keeps nothing, and believes every answer: it is what the machine could do.
"""

from __future__ import annotations

import argparse
import base64
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import orjson

from bulkmove.cli.tuning import tune
from bulkmove.mapping.builtin.external_order import order_to_external_order
from bulkmove.mapping.context import RouteContext
from bulkmove.pipeline.migration import open_migration
from bulkmove.sandbox.process import SandboxRecord, sandbox_process
from bulkmove.sandbox.settings import SandboxSettings

PAGE = 100
IN_FLIGHT = 4
OPTIONS = {"shop": 2}

MIGRATION = """
name = "end-to-end"
[hosts.old]
api = "merchantpro"
url = "{url}"
credentials = {{ key = "demo-key", secret = "demo-secret" }}
rate = "1000000/s"
[hosts.new]
api = "external-order"
url = "{url}"
credentials = {{ token = "demo-token" }}
rate = "1000000/s"
[routes.orders]
source = "old.orders"
target = "new.orders"
mapper = "merchantpro-to-external-order"
options = {{ shop = 2 }}
"""


async def bare_loop(url: str, orders: int) -> int:
    """Read every page, map it, post it: the least that the job is."""
    context = RouteContext("orders", OPTIONS, {}, lambda _route, _id: ())
    starts = iter(range(0, orders, PAGE))
    written = 0
    async with aiohttp.ClientSession() as session:

        async def work() -> None:
            nonlocal written
            for start in starts:
                params = {
                    "start": str(start),
                    "limit": str(PAGE),
                    "include": "line_items",
                    "sort": "date_created",
                }
                auth = {"Authorization": "Basic " + base64.b64encode(b"demo-key:demo-secret").decode()}
                async with session.get(f"{url}/api/v2/orders", params=params, headers=auth) as answer:
                    page: dict[str, Any] = orjson.loads(await answer.read())
                bodies = [order_to_external_order(row, context) for row in page["data"]]
                headers = {"API-Token": "demo-token", "Content-Type": "application/json"}
                async with session.post(
                    f"{url}/external/external-order/", data=orjson.dumps(bodies), headers=headers
                ) as answer:
                    written += len(orjson.loads(await answer.read()))

        async with anyio.create_task_group() as tasks:
            for _ in range(IN_FLIGHT):
                tasks.start_soon(work)
    return written


async def with_bulkmove(url: str, _orders: int) -> int:
    """The same job with every guarantee on: limiter, ledger with FULL synchronisation, intents, proven reading."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "migration.toml"
        file.write_text(MIGRATION.format(url=url), encoding="utf-8")
        async with open_migration(file) as migration:
            summary = await migration.run()
    if summary.exit_code:
        raise SystemExit(f"the run ended with {summary.exit_code}: {summary.notes}")
    return summary.routes["orders"].written


async def timed(job: Callable[[str, int], Awaitable[int]], url: str, orders: int) -> tuple[float, float]:
    """Orders a second of wall time, and microseconds of this process's CPU an order."""
    async with SandboxRecord(url) as record:
        await record.reset()
    cpu, wall = _cpu_s(), time.perf_counter()
    written = await job(url, orders)
    wall, cpu = time.perf_counter() - wall, _cpu_s() - cpu
    if written != orders:
        raise SystemExit(f"{written} of {orders} orders were written")
    return orders / wall, cpu / orders * 1e6


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=30_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    tune()  # as `bulkmove run` does, for both
    figures: dict[str, list[tuple[float, float]]] = {"bare loop": [], "bulkmove": []}
    async with sandbox_process(SandboxSettings(orders=arguments.orders, products=200)) as sandbox:
        await timed(bare_loop, sandbox.url, arguments.orders)  # warms the sandbox
        for _ in range(arguments.rounds):
            figures["bare loop"].append(await timed(bare_loop, sandbox.url, arguments.orders))
            figures["bulkmove"].append(await timed(with_bulkmove, sandbox.url, arguments.orders))
    print(
        f"{arguments.orders:,} orders, medians of {arguments.rounds} rounds in turn, {os.cpu_count()} cores"
    )
    for name, rows in figures.items():
        rate, cpu = (statistics.median(column) for column in zip(*rows, strict=True))
        print(f"{name:>10}: {rate:>9,.0f} orders/s {cpu:>7.1f} us of CPU an order")
    ratio = statistics.median(
        ours[0] / bare[0] for ours, bare in zip(figures["bulkmove"], figures["bare loop"], strict=True)
    )
    print(f"     ratio: {ratio:.2f} of the bare loop")


if __name__ == "__main__":
    anyio.run(main, backend_options={"use_uvloop": True})
