"""A sandbox that survives, and a migration on it whose runs are real processes, killed for real."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.abc

import bulkmove
from bulkmove.demo.check import Check, check_sandbox
from bulkmove.demo.expected import ExternalOrders, RobosizeOrders, RobosizeProducts, Rules
from bulkmove.model import Summary
from bulkmove.sandbox.process import SandboxRecord, sandbox_process
from bulkmove.sandbox.settings import Fault, Latency, SandboxSettings

ORDERS, PRODUCTS = 600, 200
SHOP = 2
# The sandbox applies a late write after the first, the migration waits the second before it looks.
LATE_S, SETTLE_S = 0.3, 0.8
# Answers take a while, so that a kill meets writes that are done and not yet acknowledged.
LATENCY = Latency(0.003, 0.015)
# A run that gives no sign of an end is a finding of its own.
LONGEST_RUN_S = 40.0
MOST_RUNS = 6
DONE, FAILURES, HOST_FAILED = 0, 3, 5

_HOST = """
[hosts.{name}]
api = "{api}"
url = "{url}"
credentials = {credentials}
rate = ["100000/s"]
burst = 1000
timeout_s = {timeout_s}
settle_s = {settle_s}
"""
_ROUTES = """
[routes.orders]
source = "old.orders"
target = "new.orders"
mapper = "{mapper}"
batch_size = 20
options = {{ shop = {shop}, products = "ids.csv" }}

[routes.fitting]
source = "old.orders"
target = "sizing.orders"
mapper = "merchantpro-to-robosize-order"

[routes.products]
source = "sizing.products"
target = "sizing.products"
mapper = "robosize-relink"
options = {{ ids = "ids.csv" }}
"""
_APIS = (
    ("old", "merchantpro", '{ key = "demo-key", secret = "demo-secret" }'),
    ("new", "external-order", '{ token = "demo-token" }'),
    ("sizing", "robosize", '{ api_key = "demo-api-key" }'),
)


@dataclass(frozen=True, slots=True)
class Variant:
    """One kind of trouble that the hosts make, beside the kills."""

    name: str
    faults: tuple[Fault, ...] = ()
    has_bad_records: bool = False
    timeout_s: float = 10.0
    settings: dict[str, Any] = field(default_factory=dict)


def writes(name: str, share: float, **narrowed: Any) -> tuple[Fault, ...]:
    return (Fault(name, share=share, methods=("POST", "PATCH"), **narrowed),)


VARIANTS = (
    Variant("none"),
    Variant("slow answers", settings={"latency": Latency(0.02, 0.08)}),
    Variant("error-500", writes("error-500", 0.07)),
    Variant("error-502-before", writes("error-502-before", 0.07)),
    Variant("error-502-after", writes("error-502-after", 0.07)),
    Variant("applied-late", writes("applied-late", 0.07)),
    Variant("dropped", writes("dropped", 0.07)),
    Variant("dropped-after", writes("dropped-after", 0.07)),
    Variant("cut-body", writes("cut-body", 0.07)),
    Variant("slow", writes("slow", 0.05), timeout_s=0.4, settings={"slow_seconds": 0.6}),
    Variant("too-many-429", writes("too-many-429", 0.05, times=5, wait="seconds")),
    # Only arrays can be answered short, and there are 30 of them.
    Variant("short-answer", writes("short-answer", 0.2)),
    Variant("bad records", has_bad_records=True),
    Variant("bad records, indexed", has_bad_records=True, settings={"drf": "indexed"}),
    # A host is atomic or it is not: this one never is.
    Variant("not-atomic", writes("not-atomic", 1.0), has_bad_records=True),
    Variant(
        "all at once",
        (
            *writes("error-502-after", 0.02), *writes("applied-late", 0.02), *writes("dropped-after", 0.02),
            *writes("cut-body", 0.01), *writes("error-500", 0.01), *writes("dropped", 0.01),
            *writes("short-answer", 0.05),
        ),
        has_bad_records=True,
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ended:
    """How one run ended. `code` is negative for a signal, `in_doubt` the write requests that it left open."""

    code: int
    length_s: float
    in_doubt: int
    told: str

    @property
    def was_killed(self) -> bool:
        return self.code == -signal.SIGKILL


# Waits, from a process's start, until the moment has come to do something to it.
Moment = Callable[["Rig"], Awaitable[None]]


def after_s(seconds: float) -> Moment:
    async def wait(_rig: Rig) -> None:
        await anyio.sleep(seconds)

    return wait


def after_writes(count: int, more_s: float = 0.0) -> Moment:
    """When the targets were written that many times more than at the run's start, and a little later."""

    async def wait(rig: Rig) -> None:
        start = await rig.write_count()
        while await rig.write_count() < start + count:  # noqa: ASYNC110  the count is another process's
            await anyio.sleep(0.002)
        await anyio.sleep(more_s)

    return wait


def after_creates(count: int, more_s: float) -> Moment:
    """The same for rows that were made: what a write sent twice would double."""

    async def wait(rig: Rig) -> None:
        start = await rig.create_count()
        while await rig.create_count() < start + count:  # noqa: ASYNC110  the count is another process's
            await anyio.sleep(0.002)
        await anyio.sleep(more_s)

    return wait


@dataclass(slots=True)
class Rig:
    """One migration on one sandbox, from nothing to its proof."""

    folder: Path
    url: str
    variant: Variant
    record: SandboxRecord
    ids: dict[str, int]
    products_before: list[dict[str, Any]]
    runs: list[Ended] = field(default_factory=list)

    @property
    def file(self) -> Path:
        return self.folder / "migration.toml"

    @property
    def ledger(self) -> Path:
        return self.folder / "crash.ledger.db"

    async def write_count(self) -> int:
        return sum(api["creates"] + api["updates"] for api in (await self.record.stats()).values())

    async def create_count(self) -> int:
        return sum(api["creates"] for api in (await self.record.stats()).values())

    @asynccontextmanager
    async def started(self) -> AsyncIterator[anyio.abc.Process]:
        """A run as a process. On the way out it is waited for, and noted in `runs`; its output goes to a file."""
        began = time.monotonic()
        said = self.folder / "said.txt"
        with said.open("wb") as output:
            process = await anyio.open_process(
                [sys.executable, "-m", "bulkmove", "run", str(self.file), "--quiet"],
                stdin=None,
                stdout=output,
                stderr=output,
                cwd=self.folder,
            )
            async with process:
                try:
                    yield process
                    with anyio.fail_after(LONGEST_RUN_S):
                        code = await process.wait()
                finally:
                    if process.returncode is None:
                        process.kill()
        length_s = time.monotonic() - began
        self.runs.append(Ended(code, length_s, await self.in_doubt(), said.read_text("utf-8", "replace")))

    async def run(self) -> Ended:
        """A run that nothing disturbs."""
        async with self.started():
            pass
        return self.runs[-1]

    async def kill_at(self, moment: Moment) -> Ended:
        """A run that is killed when the moment comes; it may end before."""
        async with self.started() as process, anyio.create_task_group() as tasks:

            async def kill() -> None:
                await moment(self)
                if process.returncode is None:
                    os.kill(process.pid, signal.SIGKILL)

            tasks.start_soon(kill)
            with anyio.fail_after(LONGEST_RUN_S):
                await process.wait()
            tasks.cancel_scope.cancel()
        return self.runs[-1]

    async def finish(self) -> Ended:
        """Run until a run comes to its end: a host that failed on everything for a while asks for one more."""
        for _ in range(MOST_RUNS):
            ended = await self.run()
            if ended.code != HOST_FAILED:
                return ended
        return ended

    async def status(self) -> Summary:
        async with bulkmove.open_migration(self.file) as migration:
            return migration.status()

    async def in_doubt(self) -> int:
        async with bulkmove.open_migration(self.file) as migration:
            return migration.in_doubt()

    async def checks(self) -> dict[str, Check]:
        routes: dict[str, Rules] = {
            "orders": ExternalOrders(SHOP, self.ids),
            "fitting": RobosizeOrders(),
            "products": RobosizeProducts(self.ids),
        }
        return await check_sandbox(self.url, routes, products_before=self.products_before, ledger=self.ledger)


@asynccontextmanager
async def rig(folder: Path, variant: Variant, *, seed: int = 1) -> AsyncIterator[Rig]:
    """A sandbox with fresh targets and a migration that has not begun. The sandbox outlives every kill."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)  # noqa: ASYNC240  nothing else goes on
    settings = SandboxSettings(
        orders=ORDERS,
        products=PRODUCTS,
        ids_missing=0,
        seed=seed,
        late_seconds=LATE_S,
        faults=variant.faults,
        **{"latency": LATENCY, **variant.settings},
    )
    async with sandbox_process(settings) as sandbox, SandboxRecord(sandbox.url) as record:
        ids = await record.ids()
        lines = ["old,new", *(f"{old},{new}" for old, new in ids.items())]
        (folder / "ids.csv").write_text("\n".join(lines) + "\n", "utf-8")
        shutil.copy(Path(__file__).with_name("mappers.py"), folder / "mappers.py")
        made = Rig(folder, sandbox.url, variant, record, ids, await record.rows("robosize-products"))
        made.file.write_text(_configuration(made), "utf-8")
        yield made


def _configuration(made: Rig) -> str:
    hosts = [
        _HOST.format(
            name=name,
            api=api,
            url=made.url,
            credentials=credentials,
            timeout_s=made.variant.timeout_s,
            settle_s=SETTLE_S,
        )
        for name, api, credentials in _APIS
    ]
    mapper = (
        "mappers.py:breaks_one_in_37" if made.variant.has_bad_records else "merchantpro-to-external-order"
    )
    return 'name = "crash"\n' + "".join(hosts) + _ROUTES.format(mapper=mapper, shop=SHOP)
