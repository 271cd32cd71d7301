"""How close migrations come to the least time that their hosts' limits allow, and that no limit is ever overstepped.

    python -m benchmarks.rate_bound [--long] [--only NAME …] [--seconds 30] [--at-once 2]

A matrix of mixes: limits, latencies, strict servers (a sliding window and a fixed window in the sandbox; nginx's
`limit_req` without a burst before it) and routes side by side. The bound is max over hosts of requests ÷ rate; a run
is measured from its start to its end, look-ups and last proofs included. Each mix is as large as makes its bound
`--seconds` long; `--long` makes that three minutes. A run loses at most 1 % of the bound, which is the margin
between requests, and 1.8 s at its ends: of three minutes that is 1.02.

Mixes mostly sleep, so `--at-once` of them go side by side, each in a process of its own; those marked `alone`
(200/s) need the machine for themselves. A busy machine shows in the last columns: late timers cost time everywhere,
and before nginx a request that the machine holds up is followed too closely by the next.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import anyio
import orjson

from benchmarks.burst_free import burst_free, nginx
from benchmarks.rate_mixes import HOSTS, MIXES, PAGE, Mix, text_of
from bulkmove.cli.tuning import tune
from bulkmove.pipeline.migration import open_migration
from bulkmove.sandbox.conditions import Latency, RateWindow
from bulkmove.sandbox.process import SandboxRecord, sandbox_process
from bulkmove.sandbox.settings import SandboxSettings

# A request changes one product; the rest of the time goes for reading them.
PATCHES = 0.8
LOST_SHARE, LOST_S = 1.01, 1.8
MOST_EXTRA_REQUESTS = 1.05
LONG_S = 180.0
SHORT_S = 30.0


@dataclass(frozen=True, slots=True)
class Side:
    """One host of one run. Times are seconds from the start of the run."""

    host: str
    requests: int
    fewest: int
    bound_s: float
    first_s: float
    last_s: float
    refused: int


@dataclass(frozen=True, slots=True)
class Run:
    mix: str
    wall_s: float
    sides: tuple[Side, ...]

    @property
    def busiest(self) -> Side:
        return max(self.sides, key=lambda side: side.bound_s)

    @property
    def ratio(self) -> float:
        return self.wall_s / self.busiest.bound_s

    @property
    def most(self) -> float:
        return LOST_SHARE + LOST_S / self.busiest.bound_s

    @property
    def refused(self) -> int:
        return sum(side.refused for side in self.sides)

    @property
    def is_met(self) -> bool:
        is_few = all(
            side.requests <= side.fewest * MOST_EXTRA_REQUESTS + 30 for side in self.sides if side.fewest
        )
        return self.ratio <= self.most and not self.refused and is_few


def per_s(rates: Sequence[str]) -> float:
    windows = [RateWindow.parse(rate) for rate in rates]
    return min(window.count / window.period_s for window in windows)


def orders_of(mix: Mix, seconds: float) -> int:
    """As many as keep the slower of the two hosts busy for so long; a page repeats a row of the one before."""
    return int(seconds * min(per_s(mix.old) * (PAGE - 1), per_s(mix.new) * mix.batch_size))


async def run_child(mix: Mix, seconds: float) -> Run:
    """The mix, whose servers are ended with this process however that ends."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await run_mix(mix, seconds)


async def run_mix(mix: Mix, seconds: float) -> Run:
    orders = orders_of(mix, seconds)
    products = int(seconds * per_s(mix.sizing) * PATCHES) if mix.sizing else 10
    is_nginx = mix.server == "nginx"
    rates = mix.rates()
    windows = [
        dataclasses.replace(RateWindow.parse(rate), api=api) for api, each in rates.items() for rate in each
    ]
    settings = SandboxSettings(
        orders=orders,
        products=products,
        rates=() if is_nginx else tuple(windows),
        windows="fixed" if mix.server == "fixed" else "sliding",
        latency=Latency.parse(mix.latency),
    )
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        handle = await stack.enter_async_context(sandbox_process(settings, ready_within_s=180))
        record = await stack.enter_async_context(SandboxRecord(handle.url))
        url = handle.url
        if is_nginx:
            strict = await stack.enter_async_context(burst_free(url, rates, folder))
            url = strict.url
        await _write_files(mix, url, record, folder)
        tune()  # as `bulkmove run` does
        began_at, began = time.time(), time.perf_counter()
        async with open_migration(folder / "migration.toml") as migration:
            summary = await migration.run()
        wall_s = time.perf_counter() - began
        stats = await record.stats()
        arrivals = strict.arrivals() if is_nginx else {}
    written = sum(counts.written for name, counts in summary.routes.items() if name != "products")
    if summary.exit_code or written != orders:
        raise SystemExit(f"{mix.name}: the run ended with {summary}")
    sides = []
    for host, api in HOSTS.items():
        if api not in rates:
            continue
        said = stats[api]
        total, refused = int(said["total"]), int(said["too_many"])
        first_at, last_at = float(said["first_at"]), float(said["last_at"])
        if is_nginx:
            seen = arrivals[api]
            total, refused, first_at, last_at = len(seen.at), seen.refused, seen.at[0], seen.at[-1]
        sides.append(
            Side(
                host,
                total,
                fewest={"old": -(-orders // PAGE), "new": -(-orders // mix.batch_size)}.get(host, 0),
                bound_s=total / per_s(rates[api]),
                first_s=first_at - began_at,
                last_s=last_at - began_at,
                refused=refused,
            )
        )
    return Run(mix.name, wall_s, tuple(sides))


async def _write_files(mix: Mix, url: str, record: SandboxRecord, folder: Path) -> None:
    if mix.sizing:
        ids = "".join(f"{old},{new}\n" for old, new in (await record.ids()).items())
        (folder / "ids.csv").write_text("old_id,new_id\n" + ids, encoding="utf-8")
    (folder / "migration.toml").write_text(text_of(mix, url), encoding="utf-8")


def told(run: Run, mix: Mix) -> str:
    busiest = run.busiest
    lines = []
    for side in run.sides:
        rates = " + ".join(getattr(mix, side.host))
        fewest = f"{side.requests / side.fewest:.3f}" if side.fewest else "-"
        ends = (
            f"{side.first_s:>6.2f} {run.wall_s - side.last_s:>6.2f}"
            f" {(side.last_s - side.first_s) / max(side.bound_s, 1e-9):>8.4f}"
        )
        is_bound = side is busiest
        verdict = f"{run.wall_s:>7.1f} {side.bound_s:>7.1f} {run.ratio:>7.4f} <= {run.most:.3f}"
        lines.append(
            f"{mix.name if side is run.sides[0] else '':<18} {mix.server if side is run.sides[0] else '':<8}"
            f" {mix.latency if side is run.sides[0] else '':<9} {side.host:<7} {rates:<15} {side.requests:>7}"
            f" {fewest:>6} {ends} {side.refused:>4} {verdict if is_bound else ''}"
        )
    lines[-1] += "" if run.is_met else "   MISSED"
    return "\n".join(lines)


HEAD = (
    f"{'mix':<18} {'server':<8} {'latency':<9} {'host':<7} {'rate':<15} {'request':>7} {'/least':>6} {'idle':>6} {'idle':>6}"
    f" {'first to':>8} {'429':>4} {'wall':>7} {'bound':>7} {'ratio':>7}    goal\n"
    f"{'':<18} {'':<8} {'':<9} {'':<7} {'':<15} {'s':>7} {'':>6} {'first':>6} {'last':>6} {'last':>8} {'':>4} {'s':>7} {'s':>7}"
)


async def run_apart(mix: Mix, seconds: float) -> Run | None:
    """The mix in a process of its own; None where it failed, which it has told."""
    command = [sys.executable, "-m", "benchmarks.rate_bound", "--child", mix.name, "--seconds", str(seconds)]
    done = await anyio.run_process(command, check=False, stderr=None, stdin=subprocess.DEVNULL)
    if done.returncode:
        print(f"{mix.name:<18} failed: {done.stdout.decode()}", flush=True)
        return None
    said = orjson.loads(done.stdout)
    return Run(said["mix"], said["wall_s"], tuple(Side(**side) for side in said["sides"]))


async def run_all(mixes: Sequence[Mix], seconds: float, at_once: int) -> bool:
    is_met = True
    room = anyio.CapacityLimiter(at_once)

    async def one(mix: Mix) -> None:
        nonlocal is_met
        async with room:
            run = await run_apart(mix, seconds)
        is_met = is_met and run is not None and run.is_met
        if run is not None:
            print(told(run, mix), flush=True)

    print(HEAD)
    async with anyio.create_task_group() as tasks:
        for mix in mixes:
            if not mix.alone:
                tasks.start_soon(one, mix)
    for mix in mixes:
        if mix.alone:
            await one(mix)
    print("goals met" if is_met else "GOALS MISSED")
    return is_met


def main() -> int:
    by_name: Mapping[str, Mix] = {mix.name: mix for mix in MIXES}
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--long", action="store_true", help="three minutes each")
    parser.add_argument("--seconds", type=float, help="how long the bound of each run is")
    parser.add_argument("--only", action="append", choices=list(by_name), help="this mix; may be repeated")
    parser.add_argument("--at-once", type=int, default=2, help="runs side by side")
    parser.add_argument("--child", choices=list(by_name), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    seconds = arguments.seconds or (LONG_S if arguments.long else SHORT_S)
    if arguments.child:
        run = anyio.run(run_child, by_name[arguments.child], seconds, backend_options={"use_uvloop": True})
        print(orjson.dumps(run).decode())
        return 0
    mixes = [by_name[name] for name in arguments.only or by_name]
    if nginx() is None:
        print("nginx is not installed: its mixes are left out")
        mixes = [mix for mix in mixes if mix.server != "nginx"]
    return 0 if anyio.run(run_all, mixes, seconds, arguments.at_once) else 1


if __name__ == "__main__":
    sys.exit(main())
