"""Peak memory of a run, and the size of its ledger, over the number of orders.

    python benchmarks/memory.py [--orders 10000 100000 1000000]

Each run is a process of its own, as a user starts it; the kernel tells its largest resident size.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import anyio

from bulkmove.sandbox.process import sandbox_process
from bulkmove.sandbox.settings import SandboxSettings

MOST_MB = 200

MIGRATION = """
name = "memory"
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


async def measure(orders: int) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "migration.toml"
        async with sandbox_process(
            SandboxSettings(orders=orders, products=10), ready_within_s=300
        ) as sandbox:
            file.write_text(MIGRATION.format(url=sandbox.url), encoding="utf-8")
            command = [sys.executable, "-m", "bulkmove", "run", str(file), "--quiet", "--progress", "never"]
            started = time.perf_counter()
            peak_mb, code = await anyio.to_thread.run_sync(_run, command)
            wall_s = time.perf_counter() - started
        ledger_mb = (Path(folder) / "memory.ledger.db").stat().st_size / 1e6
    print(
        f"{orders:>9,} orders: peak {peak_mb:6.1f} MB, ledger {ledger_mb:7.1f} MB,"
        f" {wall_s:6.1f} s, {orders / wall_s:,.0f} orders/s, exit {code}",
        flush=True,
    )
    return code == 0 and peak_mb < MOST_MB


def _run(command: list[str]) -> tuple[float, int]:
    pid = os.posix_spawn(command[0], command, dict(os.environ))
    _, status, usage = os.wait4(pid, 0)
    return usage.ru_maxrss / 1024, os.waitstatus_to_exitcode(status)


async def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    is_flat = [await measure(orders) for orders in parser.parse_args().orders]
    return 0 if all(is_flat) else 1


if __name__ == "__main__":
    sys.exit(anyio.run(main))
