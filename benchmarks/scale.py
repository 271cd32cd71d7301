"""What grows with the number of orders, and what does not: memory, ledger, seconds, and how soon a killed run goes on.

    python -m benchmarks.scale [--orders 10000 100000 1000000] [--records 1000000] [--simulated 10000000] [--quick]

1. Runs of so many orders over the sandbox, each a process of its own; the last of them is killed when nine tenths are
   written, and run again. The kernel tells the largest resident size of each process.
2. The first request of a run that goes on, on ledgers filled by the ledger's own functions, in three states that a run
   leaves behind; beside it, a ledger without them.
3. With `--simulated N`: so many orders through the real pipeline without a network (benchmarks/simulated.py).

Each figure stands beside its goal; ends with 1 where one is missed.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

import anyio

from benchmarks.filled_ledger import fill, write_migration
from benchmarks.timed_commands import (
    QUIETLY,
    Watched,
    environment,
    first_request,
    run_command,
    timed,
    watched,
)
from bulkmove.config import load_migration
from bulkmove.model import State
from bulkmove.pipeline.status import status_of
from bulkmove.sandbox.process import SandboxRecord, sandbox_process
from bulkmove.sandbox.settings import SandboxSettings

MOST_MB = 200
MOST_GROWTH = 1.1
MOST_FIRST_S = 1.0
MOST_STATUS_S = 0.5
# Below so many orders a run is still growing to its size.
LEAST_TO_BE_FLAT = 100_000
KILLED_AT = 0.9
_STATES = (
    ("stopped while it read", State.WRITTEN, False),
    ("killed with batches in flight", State.WRITTEN, True),
    ("nothing of it sent yet", State.PENDING, False),
)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--records", type=int, default=1_000_000, help="in the ledgers that are filled")
    parser.add_argument("--simulated", type=int, metavar="N", help="so many orders without a network, too")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="10,000 and 50,000 orders, 100,000 records")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.orders, arguments.records = [10_000, 50_000], 100_000
    return arguments


async def main() -> int:
    arguments = _arguments()
    missed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="bulkmove-scale-") as folder:
        environ = environment(Path(folder))
        await _sizes(arguments, Path(folder), environ, missed)
        await _resumed(arguments, Path(folder), environ, missed)
    if arguments.simulated:
        print(f"\n{arguments.simulated:,} orders, simulated", flush=True)
        command = [sys.executable, "-m", "benchmarks.simulated", "--orders", str(arguments.simulated)]
        if (await anyio.run_process(command, stdout=None, stderr=None, check=False)).returncode:
            missed.append("simulated: see above")
    print("\n" + ("\n".join(f"missed: {each}" for each in missed) or "all goals are met"))
    return int(bool(missed))


async def _sizes(
    arguments: argparse.Namespace, folder: Path, environ: dict[str, str], missed: list[str]
) -> None:
    print(
        f"{'orders':>10}{'seconds':>9}{'orders/s':>10}{'peak MB':>9}{'growth':>8}{'ledger MB':>11}"
        f"{'s/million':>11}{'MB/million':>12}{'status s':>10}"
    )
    print(
        f"{'goal':>10}{'':9}{'':10}{f'< {MOST_MB}':>9}{f'<= {MOST_GROWTH}':>8}{'':11}{'':11}{'':12}"
        f"{f'< {MOST_STATUS_S}':>10}",
        flush=True,
    )
    for orders in sorted(arguments.orders):
        is_last = orders == max(arguments.orders)
        settings = SandboxSettings(orders=orders, products=10)
        async with (
            sandbox_process(settings, ready_within_s=600) as handle,
            SandboxRecord(handle.url) as record,
        ):
            place = folder / str(orders)
            place.mkdir()
            file = write_migration(place, handle.url, name="scale")
            run = ["run", str(file), *QUIETLY]
            kill_at = int(KILLED_AT * orders) if is_last else None
            runs = [await watched(run, environ, record, kill_at=kill_at)]
            if is_last:
                runs.append(await watched(run, environ, record))
        status_s = statistics.median(timed(["status", str(file)], environ) for _ in range(arguments.repeat))
        _tell_size(orders, runs, file, status_s=status_s, missed=missed)
        shutil.rmtree(place)


def _tell_size(orders: int, runs: list[Watched], file: Path, *, status_s: float, missed: list[str]) -> None:
    seconds, peak_mb = sum(run.seconds for run in runs), max(run.peak_mb for run in runs)
    ledger_mb = sum(each.stat().st_size for each in file.parent.glob("*.ledger.db*")) / 1e6
    million, growth = orders / 1e6, runs[0].growth
    print(
        f"{orders:10,}{seconds:9.1f}{orders / seconds:10,.0f}{peak_mb:9.1f}{growth:8.2f}{ledger_mb:11.1f}"
        f"{seconds / million:11.1f}{ledger_mb / million:12.1f}{status_s:10.2f}",
        flush=True,
    )
    counts = status_of(load_migration(file, with_credentials=False)).routes["orders"]
    created = sum(run.created for run in runs)
    if runs[-1].code or not counts.written == created == orders:
        missed.append(
            f"{orders:,} orders: exit {runs[-1].code}, {counts.written:,} written, {created:,} at the target"
        )
    if peak_mb >= MOST_MB:
        missed.append(f"{orders:,} orders: {peak_mb:.0f} MB")
    if orders >= LEAST_TO_BE_FLAT and growth > MOST_GROWTH:
        missed.append(f"{orders:,} orders: memory grew by {growth:.2f} in the second half")
    if status_s >= MOST_STATUS_S:
        missed.append(f"{orders:,} orders: status took {status_s:.2f} s")
    if len(runs) > 1:
        first_s = runs[1].first_request_s
        print(
            f"           killed at {KILLED_AT:.0%} and run again: first request after {first_s:.2f} s"
            f" (goal < {MOST_FIRST_S:g}); {created:,} orders at the target"
        )
        if first_s >= MOST_FIRST_S:
            missed.append(f"{orders:,} orders: first request after a kill took {first_s:.2f} s")


async def _resumed(
    arguments: argparse.Namespace, folder: Path, environ: dict[str, str], missed: list[str]
) -> None:
    async with sandbox_process(SandboxSettings(orders=3000, products=10)) as handle:
        for records in (0, arguments.records):
            print(f"\na filled ledger of {records:,} records, a run that goes on, and status (seconds)")
            for name, state, is_in_flight in _STATES:
                place = Path(tempfile.mkdtemp(dir=folder))
                file = write_migration(place, handle.url, name="scale")
                ledger = place / "scale.ledger.db"
                async with SandboxRecord(handle.url) as record:
                    await record.reset(stats=True)
                    run_command(["run", str(file), "--limit", "150", "--quiet"], environ)
                    fill(ledger, records=records, state=state, is_in_flight=is_in_flight)
                    firsts = [await _goes_on(file, ledger, environ, record) for _ in range(arguments.repeat)]
                first_s = statistics.median(firsts)
                status_s = statistics.median(
                    timed(["status", str(file)], environ) for _ in range(arguments.repeat)
                )
                _tell_resumed(name, records, first_s=first_s, status_s=status_s, missed=missed)
                shutil.rmtree(place)


async def _goes_on(file: Path, ledger: Path, environ: dict[str, str], record: SandboxRecord) -> float:
    """On a copy, so that each run finds the same."""
    copy = ledger.with_name("copy.ledger.db")
    for old in ledger.parent.glob("copy.ledger.db*"):
        old.unlink()
    shutil.copyfile(ledger, copy)
    return await first_request(["run", str(file), "--ledger", str(copy), *QUIETLY], environ, record)


def _tell_resumed(name: str, records: int, *, first_s: float, status_s: float, missed: list[str]) -> None:
    print(
        f"  {name:32}first request {first_s:5.2f} (goal < {MOST_FIRST_S:g})"
        f"   status {status_s:5.2f} (goal < {MOST_STATUS_S:g})",
        flush=True,
    )
    if first_s >= MOST_FIRST_S:
        missed.append(f"{name}, {records:,} records: first request after {first_s:.2f} s")
    if status_s >= MOST_STATUS_S:
        missed.append(f"{name}, {records:,} records: status took {status_s:.2f} s")


if __name__ == "__main__":
    sys.exit(anyio.run(main))
