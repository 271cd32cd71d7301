"""How long a command takes to answer: `--help`, `run` to its first request, `status` on a ledger of a million records.

    python -m benchmarks.startup [--times 15] [--records 1000000] [--quick]

Each is a process of its own, as a user starts it, with its bytecode compiled beforehand (into a folder of its own, so
that neither the environment nor an older run decides it). `run` is timed from the start of the process to the first
request as the sandbox saw it, on a fresh ledger. Medians, with the fastest and the slowest; ends with 1 where one misses
its goal.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import anyio

from benchmarks.filled_ledger import fill, write_migration
from benchmarks.timed_commands import QUIETLY, environment, first_request, run_command, timed
from bulkmove.model import State
from bulkmove.sandbox.process import SandboxRecord, sandbox_process
from bulkmove.sandbox.settings import SandboxSettings

QUICK_TIMES = 10
QUICK_RECORDS = 100_000


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=15)
    parser.add_argument(
        "--records", type=int, default=1_000_000, help="in the ledger that status is asked of"
    )
    parser.add_argument(
        "--quick", action="store_true", help=f"{QUICK_TIMES} times, {QUICK_RECORDS:,} records"
    )
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.times, arguments.records = QUICK_TIMES, QUICK_RECORDS
    return arguments


async def main() -> int:
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="bulkmove-startup-") as folder:
        environ = environment(Path(folder))
        async with sandbox_process(SandboxSettings(orders=10, products=10)) as handle:
            file = write_migration(Path(folder), handle.url, name="startup")
            run = ["run", str(file), *QUIETLY]
            async with SandboxRecord(handle.url) as record:
                is_met = await _measure(arguments, environ, file=file, run=run, record=record)
    return 0 if is_met else 1


async def _measure(
    arguments: argparse.Namespace,
    environ: dict[str, str],
    *,
    file: Path,
    run: list[str],
    record: SandboxRecord,
) -> bool:
    ledger = file.with_name("startup.ledger.db")
    for words in (["--help"], run):  # compiles all that the measured ones import
        run_command(words, environ)
    helps = [timed(["--help"], environ) for _ in range(arguments.times)]
    firsts = [await _first(run, environ, record, ledger) for _ in range(arguments.times)]
    run_command(run, environ)  # those that were timed were stopped at their first request
    run_command(["status", str(file)], environ)
    fill(ledger, records=arguments.records, state=State.WRITTEN)
    statuses = [timed(["status", str(file)], environ) for _ in range(arguments.times)]
    print(f"{'':44}{'median':>8}{'fastest':>9}{'slowest':>9}{'goal':>8}   milliseconds")
    return all(
        [
            _told("bulkmove --help", helps, most_ms=150),
            _told("bulkmove run, to its first request", firsts, most_ms=400),
            _told(f"bulkmove status, {arguments.records:,} records", statuses, most_ms=500),
        ]
    )


def _told(name: str, seconds: Sequence[float], *, most_ms: int) -> bool:
    median, fastest, slowest = (
        1000 * figure for figure in (statistics.median(seconds), min(seconds), max(seconds))
    )
    is_met = median < most_ms
    verdict = "met" if is_met else f"missed by {median - most_ms:.0f}"
    print(f"{name:44}{median:8.0f}{fastest:9.0f}{slowest:9.0f}{f'< {most_ms}':>8}   {verdict}")
    return is_met


async def _first(words: Sequence[str], environ: dict[str, str], record: SandboxRecord, ledger: Path) -> float:
    """On a fresh ledger, which that of the run before is not."""
    for file in ledger.parent.glob(f"{ledger.name}*"):
        file.unlink()
    await record.reset()
    return await first_request(words, environ, record)


if __name__ == "__main__":
    sys.exit(anyio.run(main))
