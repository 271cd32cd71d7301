"""Has a tool do the job in a process of its own, and asks the sandbox what came of it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import anyio

from benchmarks.peers.cells import Host, Tool
from benchmarks.peers.job import OPTIONS, Job, Spent
from bulkmove.connectors.merchantpro.source import list_parameters
from bulkmove.mapping.builtin.external_order import order_to_external_order
from bulkmove.sandbox.conditions import Latency, RateWindow
from bulkmove.sandbox.process import SandboxRecord, sandbox_process
from bulkmove.sandbox.settings import SandboxSettings

_ROOT = Path(__file__).parents[2]
_WINDOW_S = 1.0
_FIELDS_USED = order_to_external_order.fields_used
# bulkmove asks for what its mapper reads alone, and so does each of the others.
_ASKED = list_parameters(None if _FIELDS_USED is None else _FIELDS_USED(OPTIONS))


@dataclass(frozen=True, slots=True)
class Taken:
    """One doing of the job. `refused`: requests answered with a 429; `lost` and `doubled` as the target's rows tell."""

    orders: int
    spent: Spent
    refused: int
    lost: int
    doubled: int

    @property
    def orders_per_s(self) -> float:
        return self.orders / self.spent.wall_s

    @property
    def cpu_us(self) -> float:
        return self.spent.cpu_s / self.orders * 1e6


async def measure(
    host: Host, tools: tuple[Tool, ...], *, rounds: int, is_quick: bool, warm_by: Tool
) -> dict[str, list[Taken]]:
    """All tools in turn, `rounds` times, against one sandbox that `warm_by` has read once before."""
    taken: dict[str, list[Taken]] = {tool.name: [] for tool in tools}
    orders = max(host.orders_of(tool, is_quick=is_quick) for tool in tools)
    settings = SandboxSettings(
        orders=orders,
        products=200,
        latency=Latency(host.latency_ms / 1000, host.latency_ms / 1000),
        rates=() if host.rate is None else (RateWindow(host.rate, _WINDOW_S),),
    )
    async with sandbox_process(settings, ready_within_s=120) as sandbox:

        def job_of(tool: Tool) -> Job:
            orders = host.orders_of(tool, is_quick=is_quick)
            return Job(
                url=sandbox.url,
                orders=orders,
                latency_ms=host.latency_ms,
                in_flight=host.in_flight,
                rate=host.rate,
                asked=_ASKED,
            )

        if host.rate is None:
            await _once(warm_by, job_of(warm_by))
        for _ in range(rounds):
            for tool in tools:
                taken[tool.name].append(await _once(tool, job_of(tool)))
    return taken


async def _once(tool: Tool, job: Job) -> Taken:
    async with SandboxRecord(job.url) as record:
        await record.reset(stats=True)
        if job.rate is not None:
            await anyio.sleep(_WINDOW_S)  # the one before stands in the window no more
        command = [sys.executable, "-m", f"benchmarks.peers.{tool.module}", str(job)]
        done = await anyio.run_process(command, cwd=_ROOT, stdout=subprocess.PIPE, stderr=None, check=False)
        if done.returncode:
            raise SystemExit(f"{tool.name} ended with {done.returncode}")
        stats = await record.stats()
        keys = [row["rrn"] for row in await record.rows("external-orders")]
    distinct = len(set(keys))
    return Taken(
        orders=job.orders,
        spent=Spent.parse(done.stdout.splitlines()[-1]),
        refused=sum(api["too_many"] for api in stats.values()),
        lost=job.orders - distinct,
        doubled=len(keys) - distinct,
    )
