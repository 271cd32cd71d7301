"""Orders a second from page to ledger, beside a bare loop with neither ledger nor limiter, in the same run.

    python -m benchmarks.end_to_end [--orders 30000] [--rounds 5]

Both move MerchantPro orders to the external-order API of one sandbox in a process of its own, with the same
mapper, 100 orders a page and a batch, and as many requests in flight. The loop knows all offsets beforehand,
keeps nothing, and believes every answer: it is what the machine could do.

An order has 3.2 KB. Of those bulkmove asks for the fields that its mapper reads, 1.4 KB; a script asks for all.
So each is measured both ways, and held against the loop that asks for the same. Exits with 1 where the goal is missed.
"""

from __future__ import annotations

import argparse
import base64
import gc
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import anyio
import orjson

from benchmarks import migration_texts as texts
from bulkmove.cli.tuning import tune
from bulkmove.connectors.merchantpro.source import list_parameters
from bulkmove.mapping.builtin.external_order import order_to_external_order
from bulkmove.mapping.builtin.fields import ORDER_FIELDS
from bulkmove.mapping.context import RouteContext
from bulkmove.pipeline.migration import open_migration
from bulkmove.sandbox.process import SandboxRecord, sandbox_process
from bulkmove.sandbox.settings import SandboxSettings

PAGE = 100
IN_FLIGHT = 4
OPTIONS = {"shop": 2}
GOAL_ORDERS_PER_S, GOAL_RATIO = 40_000, 0.6

_fields_used = order_to_external_order.fields_used
FIELDS: dict[str, tuple[str, ...]] = {
    "fields used": (_fields_used(OPTIONS) if _fields_used else None) or (),
    "all fields": ORDER_FIELDS,
}


class Figures(NamedTuple):
    """`cpu_us`: of this process, an order; the sandbox's is not in it."""

    orders_per_s: float
    cpu_us: float


Job = Callable[[str, int], Awaitable[int]]


async def bare_loop(url: str, orders: int, *, fields: tuple[str, ...] | None = None) -> int:
    """Read every page, map it, post it: the least that the job is."""
    context = RouteContext("orders", OPTIONS, {}, lambda _route, _id: ())
    starts = iter(range(0, orders, PAGE))
    written = 0
    asked = {"limit": str(PAGE), **list_parameters(fields)}
    auth = {"Authorization": "Basic " + base64.b64encode(b"demo-key:demo-secret").decode()}
    headers = {"API-Token": "demo-token", "Content-Type": "application/json"}
    async with aiohttp.ClientSession() as session:

        async def work() -> None:
            nonlocal written
            for start in starts:
                params = {"start": str(start), **asked}
                async with session.get(f"{url}/api/v2/orders", params=params, headers=auth) as answer:
                    page: dict[str, Any] = orjson.loads(await answer.read())
                bodies = [order_to_external_order(row, context) for row in page["data"]]
                async with session.post(
                    f"{url}/external/external-order/", data=orjson.dumps(bodies), headers=headers
                ) as answer:
                    written += len(orjson.loads(await answer.read()))

        async with anyio.create_task_group() as tasks:
            for _ in range(IN_FLIGHT):
                tasks.start_soon(work)
    return written


async def with_bulkmove(url: str, _orders: int, *, fields: tuple[str, ...] = FIELDS["fields used"]) -> int:
    """The same job with every guarantee on: limiter, ledger with FULL synchronisation, intents, proven reading."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "migration.toml"
        old, new = texts.host("old", url, rate=texts.NO_LIMIT), texts.host("new", url, rate=texts.NO_LIMIT)
        file.write_text(
            texts.migration("end-to-end", old, new, texts.orders(fields_used=fields)), encoding="utf-8"
        )
        async with open_migration(file) as migration:
            summary = await migration.run()
    if summary.exit_code:
        raise SystemExit(f"the run ended with {summary.exit_code}: {summary.notes}")
    return summary.routes["orders"].written


async def timed(job: Job, url: str, orders: int) -> Figures:
    async with SandboxRecord(url) as record:
        await record.reset()
    gc.collect()
    cpu, wall = _cpu_s(), time.perf_counter()
    written = await job(url, orders)
    wall, cpu = time.perf_counter() - wall, _cpu_s() - cpu
    if written != orders:
        raise SystemExit(f"{written} of {orders} orders were written")
    return Figures(orders / wall, cpu / orders * 1e6)


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def median(rows: list[Figures]) -> Figures:
    return Figures(*(statistics.median(column) for column in zip(*rows, strict=True)))


async def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=30_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    tune()  # as `bulkmove run` does, for both
    bare: dict[str, list[Figures]] = {name: [] for name in FIELDS}
    ours: dict[str, list[Figures]] = {name: [] for name in FIELDS}
    async with sandbox_process(SandboxSettings(orders=arguments.orders, products=200)) as sandbox:
        await timed(bare_loop, sandbox.url, arguments.orders)  # warms the sandbox
        for _ in range(arguments.rounds):
            for name, fields in FIELDS.items():
                loop = partial(bare_loop, fields=fields)
                bare[name].append(await timed(loop, sandbox.url, arguments.orders))
                run = partial(with_bulkmove, fields=fields)
                ours[name].append(await timed(run, sandbox.url, arguments.orders))
    print(
        f"{arguments.orders:,} orders, medians of {arguments.rounds} rounds in turn, {os.cpu_count()} cores"
    )
    print(f"{'':<12} {'bare loop':>22} {'bulkmove':>22} {'ratio':>14}")
    best = 0.0
    for name in FIELDS:
        a, b = median(bare[name]), median(ours[name])
        ratio = statistics.median(
            ours_.orders_per_s / bare_.orders_per_s
            for ours_, bare_ in zip(ours[name], bare[name], strict=True)
        )
        best = max(best, ratio)
        columns = (f"{each.orders_per_s:>9,.0f}/s {each.cpu_us:>5.1f} us cpu" for each in (a, b))
        print(f"{name:<12} {' '.join(columns)} {ratio:>5.2f} (goal {GOAL_RATIO})")
    rate = median(ours["fields used"]).orders_per_s
    is_met = rate >= GOAL_ORDERS_PER_S and best >= GOAL_RATIO
    print(
        f"as shipped: {rate:,.0f} orders/s of a goal of {GOAL_ORDERS_PER_S:,}: {'met' if is_met else 'MISSED'}"
    )
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(anyio.run(main, backend_options={"use_uvloop": True}))
