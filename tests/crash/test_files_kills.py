"""A run that writes files is killed with SIGKILL, and run again: each order is in each file, once, as it was read."""

from __future__ import annotations

import csv
import gzip
import io
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import orjson
import pytest
import zstandard

import bulkmove
from bulkmove.connectors.files.cells import cell_of
from bulkmove.sandbox.process import SandboxRecord, sandbox_process
from bulkmove.sandbox.settings import Latency, SandboxSettings

ORDERS = 600
# Appends of a few rows each, and answers that take a while: a kill meets appends that are whole, torn, or not noted.
BATCH = 5
LATENCY = Latency(0.02, 0.04)
WRITING_S = 0.6
LONGEST_RUN_S = 40.0

HOSTS = """
name = "files"
[hosts.old]
api = "merchantpro"
url = "{url}"
credentials = {{ key = "demo-key", secret = "demo-secret" }}
rate = "100000/s"
concurrency = 3
[hosts.disk]
api = "files"
url = "disk"
"""
ROUTE = """
[routes.{stream}]
source = "old.orders"
target = "disk.{stream}"
mapper = "mapper.py:{mapper}"
batch_size = {batch}
options = {{ format = "{format}", compression = "{compression}" }}
"""
# The old host leaves fields out here and there, and a CSV file has one header for all.
FIELDS = ("id", "customer_note", "billing_name", "total_amount", "line_items")
MAPPER = f"""
def whole(record, context):
    return record

def part(record, context):
    return {{name: record.get(name) for name in {FIELDS}}}
"""


@dataclass(frozen=True, slots=True)
class Kind:
    """One way of writing, and how to read it without what wrote it."""

    format: str
    compression: str
    file: str
    unpack: Callable[[bytes], bytes]

    def rows(self, data: bytes) -> list[dict[str, Any]]:
        text = self.unpack(data)
        if self.format == "csv":
            return list(csv.DictReader(io.StringIO(text.decode(), newline="")))
        return [orjson.loads(line) for line in text.splitlines()]

    def row(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """What an order of the old host has to be."""
        if self.format == "csv":
            return {name: cell_of(order.get(name)) for name in FIELDS}
        return {name: value for name, value in order.items() if name != "_writes"}


def _unzstd(data: bytes) -> bytes:
    return zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read()


KINDS = {
    "plain": Kind("jsonl", "none", "plain.jsonl", bytes),
    "gz": Kind("jsonl", "gzip", "gz.jsonl.gz", gzip.decompress),
    "zst": Kind("jsonl", "zstd", "zst.jsonl.zst", _unzstd),
    "table": Kind("csv", "gzip", "table.csv.gz", gzip.decompress),
}


@dataclass(slots=True)
class Rig:
    """One migration to files, a route each, whose runs are real processes, killed for real."""

    folder: Path
    kills: int = 0
    told: list[str] = field(default_factory=list)

    @property
    def disk(self) -> Path:
        return self.folder / "disk"

    def set_up(self, url: str) -> None:
        self.folder.mkdir()
        (self.folder / "mapper.py").write_text(MAPPER, "utf-8")
        routes = (
            ROUTE.format(
                stream=stream,
                mapper="part" if kind.format == "csv" else "whole",
                batch=BATCH,
                format=kind.format,
                compression=kind.compression,
            )
            for stream, kind in KINDS.items()
        )
        (self.folder / "migration.toml").write_text(HOSTS.format(url=url) + "".join(routes), "utf-8")

    @asynccontextmanager
    async def started(self) -> AsyncIterator[anyio.abc.Process]:
        said = self.folder / "said.txt"
        with said.open("wb") as output:
            command = [
                sys.executable,
                "-m",
                "bulkmove",
                "run",
                str(self.folder / "migration.toml"),
                "--quiet",
            ]
            async with await anyio.open_process(command, stdin=None, stdout=output, stderr=output) as process:
                yield process
                with anyio.fail_after(LONGEST_RUN_S):
                    await process.wait()
        self.told.append(said.read_text("utf-8", "replace"))
        self.kills += process.returncode == -signal.SIGKILL

    async def run(self) -> int | None:
        async with self.started() as process:
            pass
        return process.returncode

    async def kill_when(self, is_time: Callable[[], bool], more_s: float = 0.0) -> None:
        """A run that is killed a while after `is_time`; it may end before."""
        async with self.started() as process:
            while process.returncode is None and not is_time():  # noqa: ASYNC110  files are another process's
                await anyio.sleep(0.001)
            await anyio.sleep(more_s)
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)

    def is_writing(self) -> bool:
        return any(path.stat().st_size for path in self.disk.glob(".*.part"))

    def is_closing(self) -> bool:
        return any((self.disk / kind.file).exists() for kind in KINDS.values())


async def campaign(folder: Path, *, kills: int, seed: int) -> Rig:
    """Kill runs while they write, and one as it closes a file; let the last one end, and compare."""
    dice = random.Random(f"files {seed}")
    rig = Rig(folder)
    settings = SandboxSettings(orders=ORDERS, products=50, seed=seed, latency=LATENCY)
    async with sandbox_process(settings) as sandbox, SandboxRecord(sandbox.url) as record:
        rig.set_up(sandbox.url)
        for _ in range(kills):
            await rig.kill_when(rig.is_writing, dice.uniform(0, WRITING_S / kills))
        await rig.kill_when(rig.is_closing)
        assert await rig.run() == 0, rig.told
        orders = await record.rows("orders")
    for stream, kind in KINDS.items():
        rows = kind.rows((rig.disk / kind.file).read_bytes())
        assert len(rows) == ORDERS, stream
        assert {str(row["id"]): row for row in rows} == {str(row["id"]): kind.row(row) for row in orders}
    assert {path.name for path in rig.disk.iterdir()} == {kind.file for kind in KINDS.values()}
    async with bulkmove.open_migration(folder / "migration.toml") as migration:
        for counts in migration.status().routes.values():
            assert (counts.read, counts.written) == (ORDERS, ORDERS)
        assert migration.in_doubt() == 0
    return rig


async def test_killed_runs_leave_every_order_in_each_file_once(tmp_path: Path) -> None:
    rig = await campaign(tmp_path / "rig", kills=2, seed=1)
    assert rig.kills >= 2


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(2, 32))
async def test_runs_killed_again_and_again_leave_every_order_in_each_file_once(
    tmp_path: Path, seed: int
) -> None:
    rig = await campaign(tmp_path / "rig", kills=6, seed=seed)
    assert rig.kills >= 3
