"""How long it takes from the start of the process to the first request of a run that goes on with a large ledger.

    python benchmarks/resume.py [--records 1000000] [--repeat 3]

A short run begins a migration; records are then put into its ledger with the ledger's own functions, in a state that
a run leaves behind. Each measured run is a process of its own, as a user starts it; the host notes its first request.
Beside the time stands the CPU time, which says more on a machine that has other work to do.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import anyio
import orjson

from bulkmove.entries import Entry, Intent, Member
from bulkmove.ledger import changes
from bulkmove.ledger.file import connect
from bulkmove.model import State
from bulkmove.sandbox.process import SandboxRecord, sandbox_process
from bulkmove.sandbox.settings import SandboxSettings

PAGE = 100
IN_FLIGHT = 40
MOST_S = 1.0
BODY = orjson.dumps({"rrn": "1", "shop": 2, "order_items": [{"product": 1, "quantity": 1}] * 3})
COMMAND = (sys.executable, "-m", "bulkmove")

MIGRATION = """
name = "resume"
[hosts.old]
api = "merchantpro"
url = "{url}"
credentials = {{ key = "demo-key", secret = "demo-secret" }}
rate = "1000/s"
[hosts.new]
api = "external-order"
url = "{url}"
credentials = {{ token = "demo-token" }}
rate = "1000/s"
settle_s = 31
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
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    slowest_s = 0.0
    async with sandbox_process(SandboxSettings(orders=3000, products=10)) as handle:
        for state in (0, arguments.records):
            slowest_s = max(slowest_s, await _measure_all(handle.url, state, arguments.repeat))
    print(f"slowest first request: {slowest_s:.2f} s (at most {MOST_S:.0f} s)")
    return int(slowest_s > MOST_S)


async def _measure_all(url: str, records: int, repeat: int) -> float:
    slowest_s = 0.0
    print(f"\na ledger of {records:,} records: seconds, and of CPU")
    for name, state, is_in_flight in (
        ("stopped while it read", State.WRITTEN, False),
        ("killed with batches in flight", State.WRITTEN, True),
        ("nothing of it sent yet", State.PENDING, False),
    ):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "migration.toml"
            ledger = Path(folder) / "resume.ledger.db"
            file.write_text(MIGRATION.format(url=url), encoding="utf-8")
            async with SandboxRecord(url) as record:
                await record.reset(stats=True)
                _command("run", str(file), "--limit", "150", "--quiet")
                await anyio.to_thread.run_sync(_fill, ledger, records, state, is_in_flight)
                runs = [await _first_request(file, ledger, record) for _ in range(repeat)]
            status_s = [_timed("status", str(file)) for _ in range(repeat)]
            size_mb = ledger.stat().st_size / 1e6
        first_s, cpu_s = (statistics.median(column) for column in zip(*runs, strict=True))
        slowest_s = max(slowest_s, first_s)
        print(
            f"  {name:30} first request {first_s:5.2f} ({cpu_s:.2f})   status {statistics.median(status_s):5.2f}"
            f"   {size_mb:5.0f} MB",
            flush=True,
        )
    return slowest_s


async def _first_request(file: Path, ledger: Path, record: SandboxRecord) -> tuple[float, float]:
    """On a copy, so that each run finds the same; it is stopped once its first request came. Seconds, and of CPU."""
    copy = ledger.with_name("copy.ledger.db")
    for suffix in ("", "-wal", "-shm"):
        copy.with_name(copy.name + suffix).unlink(missing_ok=True)
    shutil.copyfile(ledger, copy)
    await record.reset(targets=[], stats=True)
    command = [*COMMAND, "run", str(file), "--ledger", str(copy), "--quiet", "--progress", "never"]
    started = time.time()
    async with await anyio.open_process(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            while True:
                firsts = [api["first_at"] for api in (await record.stats()).values() if api["first_at"]]
                if firsts:
                    return float(min(firsts)) - started, _cpu_s(process.pid)
                if process.returncode is not None:
                    raise SystemExit(f"the run ended with {process.returncode} before its first request")
                await anyio.sleep(0.01)
        finally:
            process.kill()


def _cpu_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    except OSError:
        return float("nan")  # not every system tells
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _fill(path: Path, records: int, state: State, is_in_flight: bool) -> None:  # noqa: FBT001  called in a thread
    """Put records into the one route, with the ledger's own functions."""
    with closing(connect(path, synchronous="off")) as connection:
        (chunk,) = connection.execute("SELECT coalesce(max(id), 0) FROM pages").fetchone()
        connection.execute("BEGIN")
        for entries in _pages(records, state):
            chunk += 1
            _put(connection, chunk, entries)
        for number in range(IN_FLIGHT if is_in_flight else 0):
            chunk += 1
            entries = [_entry(f"f{number}-{place}", State.PENDING) for place in range(PAGE)]
            _put(connection, chunk, entries)
            members = [Member(entry.source_id, 0, chunk) for entry in entries]
            intent = Intent(id=1_000_000 + number, sent_at=time.time(), members=members)
            changes.save_intent(connection, intent=intent, route=1, run=1, is_parked=False)
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _pages(records: int, state: State) -> Iterator[list[Entry]]:
    for start in range(0, records, PAGE):
        yield [_entry(f"x{number:08}", state) for number in range(start, min(start + PAGE, records))]


def _entry(name: str, state: State) -> Entry:
    is_open = state is State.PENDING
    return Entry(
        source_id=name,
        part=0,
        state=state,
        body=BODY if is_open else None,
        target_id=None if is_open else name[1:],
        key=name,
        digest=b"0123456789abcdef",
        version="2024-01-01T00:00:00+02:00",
    )


def _put(connection: sqlite3.Connection, chunk: int, entries: list[Entry]) -> None:
    changes.insert_entries(connection, route=1, run=1, chunk=chunk, entries=entries, is_raw=False)
    changes.note_page(
        connection, route=1, run=1, page=chunk, put_at=time.time(), records=len(entries), was=None
    )
    changes.claim_keys(connection, list_id=1, route="orders", entries=entries)


def _command(*arguments: str) -> None:
    subprocess.run([*COMMAND, *arguments], check=True, stdout=subprocess.DEVNULL, env=os.environ)


def _timed(*arguments: str) -> float:
    started = time.perf_counter()
    _command(*arguments)
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(anyio.run(main))
