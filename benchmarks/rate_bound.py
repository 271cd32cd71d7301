"""How close a run comes to the least time that its hosts' limits allow, and that no limit is ever overstepped.

    python benchmarks/rate_bound.py [--orders 60000] [--rate 20] [--latency 100]

The sandbox refuses, strictly, what goes beyond its sliding window, and holds each answer back. The bound is
max over hosts of (requests ÷ rate), taken from the first to the last request of each host.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import anyio

from bulkmove.pipeline.migration import open_migration
from bulkmove.sandbox.process import SandboxRecord, sandbox_process
from bulkmove.sandbox.settings import Latency, RateWindow, SandboxSettings

PAGE = 100
MOST_OVER_BOUND = 1.03
MOST_EXTRA_REQUESTS = 1.05

MIGRATION = """
name = "rate-bound"
[hosts.old]
api = "merchantpro"
url = "{url}"
credentials = {{ key = "demo-key", secret = "demo-secret" }}
rate = "{rate}/s"
[hosts.new]
api = "external-order"
url = "{url}"
credentials = {{ token = "demo-token" }}
rate = "{rate}/s"
[routes.orders]
source = "old.orders"
target = "new.orders"
mapper = "merchantpro-to-external-order"
options = {{ shop = 2 }}
"""


async def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=60_000)
    parser.add_argument("--rate", type=int, default=20, help="requests a second that each host allows")
    parser.add_argument("--latency", type=int, default=100, help="milliseconds that each answer is held back")
    arguments = parser.parse_args()
    sandbox = SandboxSettings(
        orders=arguments.orders,
        products=10,
        rates=(RateWindow(arguments.rate, 1.0),),
        latency=Latency(arguments.latency / 1000, arguments.latency / 1000),
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "migration.toml"
        async with sandbox_process(sandbox) as handle, SandboxRecord(handle.url) as record:
            file.write_text(MIGRATION.format(url=handle.url, rate=arguments.rate), encoding="utf-8")
            started = time.perf_counter()
            async with open_migration(file) as migration:
                summary = await migration.run()
            wall_s = time.perf_counter() - started
            stats = await record.stats()
    if summary.exit_code or summary.routes["orders"].written != arguments.orders:
        raise SystemExit(f"the run ended with {summary}")
    return report(stats, arguments, wall_s)


def report(stats: dict[str, dict[str, object]], arguments: argparse.Namespace, wall_s: float) -> int:
    print(
        f"{arguments.orders:,} orders, {arguments.rate}/s on each host, {arguments.latency} ms latency: {wall_s:.1f} s"
    )
    pages = -(-arguments.orders // PAGE)
    used = [api for api in ("merchantpro", "external-order") if stats[api]["total"]]
    totals = {api: int(str(stats[api]["total"])) for api in used}
    first = min(float(str(stats[api]["first_at"])) for api in used)
    last = max(float(str(stats[api]["last_at"])) for api in used)
    bound_s = max(totals.values()) / arguments.rate
    over = (last - first) / bound_s
    refused = sum(int(str(stats[api]["too_many"])) for api in used)
    for api in used:
        print(f"  {api:<15} {totals[api]:>6} requests for {pages} pages ({totals[api] / pages:.3f})")
    print(
        f"  first to last request {last - first:.1f} s, bound {bound_s:.1f} s: {over:.3f} of the bound; 429: {refused}"
    )
    is_met = over <= MOST_OVER_BOUND and not refused and max(totals.values()) <= pages * MOST_EXTRA_REQUESTS
    print("  goals met" if is_met else "  GOALS MISSED")
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(anyio.run(main, backend_options={"use_uvloop": True}))
