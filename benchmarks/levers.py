"""What each means of going faster is worth: orders a second with all of them, and with one taken away or added.

    python -m benchmarks.levers [--orders 20000] [--rounds 5]

Each run is a process of its own over one sandbox, all of them in turn in each round; the ratio is that of the round.
Rows that begin with "with" were tried and left out, since they do not pay.
"""

from __future__ import annotations

import argparse
import gc
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import NamedTuple
from unittest.mock import patch

import anyio
import msgspec

from benchmarks.end_to_end import FIELDS, Figures, timed, with_bulkmove
from bulkmove.cli.tuning import tune
from bulkmove.pipeline import backlog
from bulkmove.sandbox.process import sandbox_process
from bulkmove.sandbox.settings import SandboxSettings

_BLOCKS_KEPT = "glibc.malloc.mmap_threshold=268435456:glibc.malloc.trim_threshold=536870912"


class Lever(NamedTuple):
    """`change` is called in the process before it begins; `environment` is set for it."""

    name: str
    change: Callable[[], object] = lambda: None
    environment: dict[str, str] = {}  # noqa: RUF012  a named tuple's default, never changed
    is_uvloop: bool = True
    fields: str = "fields used"


def _plain_collector() -> None:
    gc.unfreeze()
    gc.set_threshold(700, 10, 10)


def _many_readers() -> None:
    backlog.LEAST_READERS = backlog.FIRST_READERS = 1000


def _decode_by_msgspec() -> None:
    for user in ("merchantpro.source", "external_order.target"):
        patch(f"bulkmove.connectors.{user}.decode_json", msgspec.json.decode).start()


LEVERS = (
    Lever("as shipped"),
    Lever("without asking for the fields used alone", fields="all fields"),
    Lever("without uvloop", is_uvloop=False),
    Lever("without a tuned collector (freeze, higher threshold)", _plain_collector),
    Lever("without fewer readers while pages wait", _many_readers),
    Lever("with msgspec to decode, in place of orjson", _decode_by_msgspec),
    Lever("with malloc told to keep its blocks", environment={"GLIBC_TUNABLES": _BLOCKS_KEPT}),
)


def run_one(number: int, url: str, orders: int) -> None:
    """In a process of its own: prints its figures."""
    lever = LEVERS[number]
    tune()
    lever.change()
    job = partial(with_bulkmove, fields=FIELDS[lever.fields])
    found: Figures = anyio.run(timed, job, url, orders, backend_options={"use_uvloop": lever.is_uvloop})
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(found.orders_per_s, found.cpu_us, peak_mb)


def measured(number: int, url: str, orders: int) -> tuple[float, ...]:
    command = [
        sys.executable,
        "-m",
        "benchmarks.levers",
        "--one",
        str(number),
        "--url",
        url,
        "--orders",
        str(orders),
    ]
    environment = {**os.environ, **LEVERS[number].environment}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return tuple(map(float, done.stdout.split()))


async def compare(orders: int, rounds: int) -> None:
    rows: list[list[tuple[float, ...]]] = [[] for _ in LEVERS]
    async with sandbox_process(SandboxSettings(orders=orders, products=200)) as sandbox:
        await anyio.to_thread.run_sync(measured, 0, sandbox.url, orders)  # warms the sandbox
        for _ in range(rounds):
            for number, found in enumerate(rows):
                found.append(await anyio.to_thread.run_sync(measured, number, sandbox.url, orders))
    print(f"{orders:,} orders, medians of {rounds} rounds in turn, {os.cpu_count()} cores")
    print(f"{'':<54} {'orders/s':>9} {'cpu us':>7} {'peak MB':>8} {'of as shipped':>14}")
    for lever, found in zip(LEVERS, rows, strict=True):
        rate, cpu, peak = (statistics.median(column) for column in zip(*found, strict=True))
        ratio = statistics.median(a[0] / b[0] for a, b in zip(found, rows[0], strict=True))
        print(f"{lever.name:<54} {rate:>9,.0f} {cpu:>7.1f} {peak:>8.0f} {ratio:>14.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one is None:
        anyio.run(compare, arguments.orders, arguments.rounds)
    else:
        run_one(arguments.one, arguments.url, arguments.orders)


if __name__ == "__main__":
    main()
