"""The demo: a shop is moved, the run is killed half way, goes on, and every record is held against its source."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.abc

from bulkmove.demo.check import Check, ExternalOrders, RobosizeOrders, RobosizeProducts, Rules, check_sandbox
from bulkmove.errors import BulkmoveError
from bulkmove.model import Summary
from bulkmove.pipeline.migration import Migration, open_migration
from bulkmove.sandbox.conditions import Latency, RateWindow
from bulkmove.sandbox.process import SandboxRecord, sandbox_process
from bulkmove.sandbox.settings import SandboxSettings

SHOP = 2
# The sandbox refuses what goes faster; the configuration below keeps to the same.
LIMITS = {"merchantpro": 40, "external-order": 20, "robosize": 900}
LATENCY = Latency(0.005, 0.02)
KILL_AT = 0.5
GIVE_UP_AFTER_S = 120.0

MIGRATION = """\
# Written by `bulkmove demo`. The hosts are one sandbox on this machine, which ends with the demo.
name = "demo"

[hosts.old]                       # the shop that is left
api = "merchantpro"
url = "{url}"
credentials = {{ key = "demo-key", secret = "demo-secret" }}
rate = "{merchantpro}/s"

[hosts.new]                       # the shop that is moved to
api = "external-order"
url = "{url}"
credentials = {{ token = "demo-token" }}
rate = "{external_order}/s"
timeout_s = 2
settle_s = 3                      # a write in doubt is read back so long after it was sent

[hosts.sizing]                    # the sizing service that stays, and has to know the new numbers
api = "robosize"
url = "{url}"
credentials = {{ api_key = "demo-api-key" }}
rate = "{robosize}/s"
timeout_s = 2
settle_s = 3

[routes.orders]                   # the order history, 100 orders a request
source = "old.orders"
target = "new.orders"
mapper = "merchantpro-to-external-order"
options = {{ shop = {shop}, products = "ids.csv" }}

[routes.fitting]                  # the same orders for the sizing service, one a request
source = "old.orders"
target = "sizing.orders"
mapper = "merchantpro-to-robosize-order"

[routes.products]                 # the sizing service's products get the new shop's numbers
source = "sizing.products"
target = "sizing.products"
mapper = "robosize-relink"
options = {{ ids = "ids.csv" }}
"""


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """How much is moved, and where configuration and ledger are left."""

    directory: Path
    orders: int = 5000
    products: int = 1000
    seed: int = 1

    @property
    def migration(self) -> Path:
        return self.directory / "migration.toml"


@dataclass(frozen=True, slots=True)
class Stage:
    """A sandbox that runs, and the configuration that leads to it."""

    settings: DemoSettings
    url: str
    record: SandboxRecord
    ids: Mapping[str, int]
    products_before: list[dict[str, object]]


@dataclass(frozen=True, slots=True)
class Killed:
    """A run that was killed: `written` bodies were noted by then, after `seconds`. `was_in_time`: it was not done yet."""

    written: int
    in_doubt: int
    seconds: float
    was_in_time: bool


@dataclass(frozen=True, slots=True)
class Proof:
    """What the sandbox holds, against what it must hold."""

    checks: Mapping[str, Check]
    summary: Summary
    requests: Mapping[str, int]
    too_many: int

    @property
    def is_good(self) -> bool:
        is_complete = all(c.pending == c.rejected == c.unknown == 0 for c in self.summary.routes.values())
        return is_complete and all(check.is_good for check in self.checks.values())


@asynccontextmanager
async def open_stage(settings: DemoSettings) -> AsyncIterator[Stage]:
    """Start the sandbox and write a configuration for it, beside the table of old and new product numbers."""
    windows = tuple(RateWindow(count, 1.0, api) for api, count in LIMITS.items())
    sandbox = SandboxSettings(
        orders=settings.orders, products=settings.products, seed=settings.seed, rates=windows, latency=LATENCY
    )
    async with sandbox_process(sandbox) as process, SandboxRecord(process.url) as record:
        ids = await record.ids()
        products = await record.rows("robosize-products")
        _write_files(settings, process.url, ids)
        yield Stage(settings=settings, url=process.url, record=record, ids=ids, products_before=products)


def _write_files(settings: DemoSettings, url: str, ids: Mapping[str, int]) -> None:
    settings.directory.mkdir(parents=True, exist_ok=True)
    for old in settings.directory.glob("demo.ledger.db*"):
        old.unlink()
    text = MIGRATION.format(
        url=url, shop=SHOP, **{api.replace("-", "_"): count for api, count in LIMITS.items()}
    )
    settings.migration.write_text(text, encoding="utf-8")
    table = "old,new\n" + "".join(f"{old},{new}\n" for old, new in ids.items())
    (settings.directory / "ids.csv").write_text(table, encoding="utf-8")


async def run_and_kill(stage: Stage, *, progress: str) -> Killed:
    """Run the migration in a process of its own and kill it, with SIGKILL, when half of it is written."""
    half = KILL_AT * (2 * stage.settings.orders + stage.settings.products)
    started = time.monotonic()
    async with _run(stage, progress) as process, open_migration(stage.settings.migration) as migration:
        written = 0
        with anyio.move_on_after(GIVE_UP_AFTER_S):
            while process.returncode is None and written < half:
                await anyio.sleep(0.05)
                written = await anyio.to_thread.run_sync(_written, migration)
        was_in_time = process.returncode is None
        if was_in_time:
            process.send_signal(signal.SIGKILL)
        await process.wait()
        seconds = time.monotonic() - started
        written = _written(migration)
        return Killed(
            written=written, in_doubt=migration.in_doubt(), seconds=seconds, was_in_time=was_in_time
        )


async def run_to_the_end(stage: Stage, *, progress: str) -> float:
    """The same command again; how long it took. Raises BulkmoveError where it does not end with 0."""
    started = time.monotonic()
    async with _run(stage, progress) as process:
        code = await process.wait()
    if code:
        raise BulkmoveError(
            f"the run that was to go on ended with {code}; {stage.settings.migration} tells how it was set"
        )
    return time.monotonic() - started


def command(settings: DemoSettings, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "bulkmove", "run", str(settings.migration), *arguments]


@asynccontextmanager
async def _run(stage: Stage, progress: str) -> AsyncIterator[anyio.abc.Process]:
    # The summary goes to standard output and is told by the demo; what it shows meanwhile is standard error.
    process = await anyio.open_process(
        command(stage.settings, "--progress", progress),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=None,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        with anyio.CancelScope(shield=True):
            await process.aclose()


def _written(migration: Migration) -> int:
    try:
        counts = migration.status().routes.values()
    except BulkmoveError:
        return 0  # the ledger is just being made
    return sum(each.written for each in counts)


async def prove(stage: Stage) -> Proof:
    """Hold what the sandbox recorded against its source, field by field."""
    routes: dict[str, Rules] = {
        "orders": ExternalOrders(shop=SHOP, products=stage.ids),
        "fitting": RobosizeOrders(),
        "products": RobosizeProducts(ids=stage.ids),
    }
    async with open_migration(stage.settings.migration) as migration:
        checks = await check_sandbox(
            stage.url, routes, products_before=stage.products_before, ledger=migration.settings.ledger
        )
        stats = await stage.record.stats()
        return Proof(
            checks=checks,
            summary=migration.status(),
            requests={api: counts["total"] for api, counts in stats.items()},
            too_many=sum(counts["too_many"] for counts in stats.values()),
        )
