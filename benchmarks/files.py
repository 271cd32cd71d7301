"""Rows a second from file to file, beside a bare loop that does the same without any promise, in the same run.

    python -m benchmarks.files [--rows 100000] [--rounds 3] [--profile jsonl]

The rows are MerchantPro orders of some 3 KB. Both read a file row by row, decode it, encode it again and write it; the
loop with the same compression, in members of as many bytes, but with neither ledger nor intents, and one fsync at the
end. With --profile, where the time of one such run of bulkmove goes.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import resource
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import orjson

from bulkmove.cli.tuning import tune
from bulkmove.connectors.files.compression import Compression, pack, unpack
from bulkmove.connectors.files.rows import lines_of
from bulkmove.load.batching import MAX_BATCH_BYTES
from bulkmove.pipeline.migration import open_migration
from bulkmove.sandbox.process import SandboxRecord, sandbox_process
from bulkmove.sandbox.settings import SandboxSettings

KINDS: dict[str, tuple[str, Compression]] = {
    "jsonl": ("", "none"),
    "jsonl.gz": (".gz", "gzip"),
    "jsonl.zst": (".zst", "zstd"),
}
DISTINCT = 1000
CHUNK = 256 * 1024
LONGEST = 64 * 1024 * 1024

MIGRATION = """
name = "files"
[hosts.here]
api = "files"
url = "{source}"
[hosts.there]
api = "files"
url = "{target}"
options = {{ compression = "{compression}" }}
[routes.orders]
source = "here.orders"
target = "there.orders"
mapper = "as-it-is"
"""
Job = Callable[[Path, Path, Compression], Awaitable[int]]


async def orders() -> list[dict[str, Any]]:
    async with (
        sandbox_process(SandboxSettings(orders=DISTINCT, products=200)) as sandbox,
        SandboxRecord(sandbox.url) as record,
    ):
        return await record.rows("orders")


def fill(path: Path, templates: list[dict[str, Any]], rows: int, compression: Compression) -> int:
    """The file to read, in members as a route writes them; how many bytes its rows have."""
    size = 0
    lines: list[bytes] = []
    with path.open("wb") as file:
        for number in range(rows):
            lines.append(orjson.dumps({**templates[number % len(templates)], "id": 10_000_000 + number}))
            size += len(lines[-1]) + 1
            if len(lines) == 300 or number == rows - 1:
                file.write(pack(b"\n".join(lines) + b"\n", compression))
                lines.clear()
    return size


async def bare_loop(source: Path, target: Path, compression: Compression) -> int:
    """Read, decode, encode, write: the least that the job is."""
    return await anyio.to_thread.run_sync(_copy, source, target / source.name, compression)


def _copy(source: Path, target: Path, compression: Compression) -> int:
    count = size = 0
    lines: list[bytes] = []
    with source.open("rb", buffering=0) as read, target.open("wb", buffering=0) as written:
        for text in _lines(iter(lambda: read.read(CHUNK), b""), compression):
            lines.append(orjson.dumps(orjson.loads(text)) + b"\n")
            size += len(lines[-1])
            count += 1
            if size >= MAX_BATCH_BYTES:
                written.write(pack(b"".join(lines), compression))
                lines, size = [], 0
        written.write(pack(b"".join(lines), compression))
        os.fsync(written.fileno())
    return count


def _lines(chunks: Iterator[bytes], compression: Compression) -> Iterator[bytes]:
    for line in lines_of((piece.data for piece in unpack(chunks, compression)), LONGEST):
        if line.text is not None:
            yield line.text


async def with_bulkmove(source: Path, target: Path, compression: Compression) -> int:
    """The same with every guarantee on: ledger with FULL synchronisation, intents, appends on the disk before they count."""
    file = target / "migration.toml"
    file.write_text(
        MIGRATION.format(source=source.parent, target=target, compression=compression), encoding="utf-8"
    )
    async with open_migration(file) as migration:
        summary = await migration.run()
    if summary.exit_code:
        raise SystemExit(f"the run ended with {summary.exit_code}: {summary.notes}")
    return summary.routes["orders"].written


async def timed(job: Job, source: Path, compression: Compression, rows: int) -> tuple[float, float]:
    """Rows a second of wall time, and microseconds of this process's CPU a row."""
    with tempfile.TemporaryDirectory(dir=source.parent.parent) as folder:
        cpu, wall = _cpu_s(), time.perf_counter()
        written = await job(source, Path(folder), compression)
        wall, cpu = time.perf_counter() - wall, _cpu_s() - cpu
    if written != rows:
        raise SystemExit(f"{written} of {rows} rows were written")
    return rows / wall, cpu / rows * 1e6


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def compare(
    kind: str, folder: Path, templates: list[dict[str, Any]], *, rows: int, rounds: int
) -> None:
    ending, compression = KINDS[kind]
    source = folder / kind / f"orders.jsonl{ending}"
    source.parent.mkdir()
    size = fill(source, templates, rows, compression)
    figures: dict[str, list[tuple[float, float]]] = {"bare loop": [], "bulkmove": []}
    for _ in range(rounds):
        figures["bare loop"].append(await timed(bare_loop, source, compression, rows))
        figures["bulkmove"].append(await timed(with_bulkmove, source, compression, rows))
    print(f"{kind}: {size / rows:,.0f} bytes a row, {source.stat().st_size / 1e6:,.0f} MB")
    for name, measured in figures.items():
        rate, cpu = (statistics.median(column) for column in zip(*measured, strict=True))
        print(f"  {name:>9}: {rate:>9,.0f} rows/s {cpu:>7.1f} us of CPU a row")
    ratio = statistics.median(
        ours[0] / bare[0] for ours, bare in zip(figures["bulkmove"], figures["bare loop"], strict=True)
    )
    print(f"      ratio: {ratio:.2f} of the bare loop", flush=True)
    source.unlink()


async def profiled(kind: str, folder: Path, templates: list[dict[str, Any]], rows: int) -> None:
    ending, compression = KINDS[kind]
    source = folder / kind / f"orders.jsonl{ending}"
    source.parent.mkdir()
    fill(source, templates, rows, compression)
    profile = cProfile.Profile()
    profile.enable()
    await timed(with_bulkmove, source, compression, rows)
    profile.disable()
    pstats.Stats(profile).sort_stats("tottime").print_stats(30)


async def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", choices=list(KINDS))
    arguments = parser.parse_args()
    tune()  # as `bulkmove run` does, for both
    templates = await orders()
    with tempfile.TemporaryDirectory(prefix="bulkmove-files-") as folder:
        if arguments.profile:
            await profiled(arguments.profile, Path(folder), templates, arguments.rows)
            return
        print(
            f"{arguments.rows:,} rows, medians of {arguments.rounds} rounds in turn, {os.cpu_count()} cores"
        )
        for kind in KINDS:
            await compare(kind, Path(folder), templates, rows=arguments.rows, rounds=arguments.rounds)


if __name__ == "__main__":
    anyio.run(main, backend_options={"use_uvloop": True})
