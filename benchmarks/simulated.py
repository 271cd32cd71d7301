"""Ten million orders through the real pipeline into a real ledger, without a network: what grows, and what does not.

    python -m benchmarks.simulated [--orders 10000000] [--folder DIR]

The hosts are formulas in this process; connectors, transport, mapper, loader and ledger are those of every run. A line
tells of each tenth; memory is this process's resident size, looked at twice a second. The goal is memory that is below
200 MB and flat: the highest of the second half is at most a tenth above the highest of the first.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio

from benchmarks.filled_ledger import write_migration
from benchmarks.formula_hosts import Orders, Written, connecting
from bulkmove.cli.tuning import tune
from bulkmove.config import load_migration
from bulkmove.events import Event
from bulkmove.ledger import open_ledger
from bulkmove.model import Summary
from bulkmove.pipeline.job import RunOptions
from bulkmove.pipeline.opening import open_host
from bulkmove.pipeline.plan import plan_migration
from bulkmove.pipeline.runner import run_migration
from bulkmove.pipeline.status import status_of

MOST_MB = 200
MOST_GROWTH = 1.1
MOST_STATUS_S = 0.5
_LOOK_EVERY_S = 0.5
_PAGE_BYTES = os.sysconf("SC_PAGESIZE")


@dataclass(slots=True)
class Watch:
    """How much memory there was, and how many orders were written then."""

    written: Written
    seen: list[tuple[int, float]] = field(default_factory=list)

    def on_event(self, event: Event) -> None:
        """An Observer, as every run has one; what is told here is told by the rows."""

    async def look(self, orders: int, ledger: Path) -> None:
        started, told = time.perf_counter(), 0
        while True:
            self.seen.append((self.written.count, resident_mb()))
            if self.written.count * 10 // orders > told:
                told = self.written.count * 10 // orders
                _tell(self.written.count, time.perf_counter() - started, self.seen[-1][1], ledger)
            await anyio.sleep(_LOOK_EVERY_S)

    def highest_mb(self, *, first: float, last: float) -> float:
        """Of the samples between two numbers of orders."""
        return max((mb for count, mb in self.seen if first <= count <= last), default=0.0)


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * _PAGE_BYTES / 1e6


def size_mb(ledger: Path) -> float:
    return sum(file.stat().st_size for file in ledger.parent.glob(f"{ledger.name}*")) / 1e6


def _tell(count: int, seconds: float, mb: float, ledger: Path) -> None:
    speed = count / seconds if seconds else 0.0
    print(
        f"{count:>12,} orders  {seconds:7.1f} s  {speed:8,.0f}/s  {mb:6.1f} MB resident"
        f"  {size_mb(ledger):8.1f} MB ledger",
        flush=True,
    )


async def _move(file: Path, orders: int, watch: Watch) -> Summary:
    plan = plan_migration(load_migration(file))
    hosts: dict[str, Orders | Written] = {"old": Orders(orders), "new": watch.written}
    ledger_file = plan.settings.ledger
    async with open_ledger(ledger_file, synchronous=plan.settings.synchronous) as ledger:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch.look, orders, ledger_file, name="look at memory")
            summary = await run_migration(
                plan,
                ledger,
                options=RunOptions(),
                observer=watch,
                stop=anyio.Event(),
                open_host=partial(open_host, connect=connecting(hosts)),
            )
            tasks.cancel_scope.cancel()
        return summary


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=10_000_000)
    parser.add_argument("--folder", help="where the ledger is made for as long as this takes")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bulkmove-simulated-", dir=arguments.folder) as folder:
        file = write_migration(Path(folder), "http://shop.invalid", name="simulated")
        watch = Watch(Written())
        tune()
        started = time.perf_counter()
        summary = anyio.run(_move, file, arguments.orders, watch, backend_options={"use_uvloop": True})
        seconds = time.perf_counter() - started
        settings = load_migration(file)
        asked = time.perf_counter()
        status_of(settings)
        return _report(
            arguments.orders,
            watch,
            summary,
            seconds=seconds,
            status_s=time.perf_counter() - asked,
            ledger_mb=size_mb(settings.ledger),
        )


def _report(
    orders: int, watch: Watch, summary: Summary, *, seconds: float, status_s: float, ledger_mb: float
) -> int:
    counts = summary.routes["orders"]
    early = watch.highest_mb(first=orders * 0.1, last=orders * 0.5)
    late = watch.highest_mb(first=orders * 0.5, last=orders)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    growth = late / early if early else float("nan")
    rows = [
        ("exit code", f"{summary.exit_code}", "0", summary.exit_code == 0),
        ("orders written", f"{counts.written:,}", f"{orders:,}", counts.written == orders),
        ("highest resident size", f"{peak:.0f} MB", f"< {MOST_MB} MB", peak < MOST_MB),
        ("second half over the first", f"{growth:.2f}", f"<= {MOST_GROWTH}", growth <= MOST_GROWTH),
        ("asking how far it is", f"{status_s:.3f} s", f"< {MOST_STATUS_S} s", status_s < MOST_STATUS_S),
    ]
    for name, figure, goal, is_met in rows:
        print(f"{name:30}{figure:>14}{goal:>14}   {'met' if is_met else 'missed'}")
    million = orders / 1e6
    print(f"a million takes {seconds / million:.1f} s and {ledger_mb / million:.1f} MB of ledger")
    return 0 if all(is_met for *_, is_met in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
