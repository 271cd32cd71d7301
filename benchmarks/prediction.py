"""Whether `bulkmove bench` foretells how long a migration takes: predicted, then run for real, on the same shaped sandbox.

    python -m benchmarks.prediction [--quick] [--step 2]

Each case is benched as the command does it, for a number of records; then the migration is run with as many on sandboxes of
the same limits and latency, with the rates that the bench suggests. The goal: the expected time within 5 % of the real one,
and the real one within the range.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

import anyio

from benchmarks import migration_texts as texts
from bulkmove.cli.tuning import tune
from bulkmove.config import load_migration
from bulkmove.config.rates import parse_window
from bulkmove.cutover.bench import Conditions, Found, Teller, Wishes, bench
from bulkmove.pipeline.migration import open_migration
from bulkmove.sandbox.conditions import Latency, RateWindow
from bulkmove.sandbox.process import SandboxRecord
from bulkmove.sandbox.shaped import Shape, ShapedHosts, shaped_hosts
from bulkmove.settings import MigrationSettings, Window

MOST_OFF = 0.05

# Nothing is asked there: sandboxes stand in for the hosts.
URL = "http://127.0.0.1:9"


@dataclass(frozen=True, slots=True)
class Case:
    """Rates as they are configured; `allows`: what the sandbox lets through, where that is less."""

    name: str
    routes: str
    records: int
    latency: str
    old: str | tuple[str, ...] = "20/s"
    new: str = "30/s"
    sizing: str = "100/s"
    allows: Mapping[str, str] = field(default_factory=dict)


CASES = (
    Case("the source is the limit", texts.orders(), 40_000, "20-80ms"),
    Case(
        "the target allows less than is configured", texts.orders(), 20_000, "20-80ms", allows={"new": "12/s"}
    ),
    Case("two windows, long tail", texts.orders(), 3_000, "20~500ms", old=("4/s", "80/min"), new="20/s"),
    Case(
        "two routes, one request a record", texts.orders() + texts.fitting(), 3_000, "5-20ms", sizing="90/s"
    ),
    Case("no limit, 100 ms", texts.orders(), 40_000, "100ms", old="100000/s", new="100000/s"),
)
QUICK = (
    replace(CASES[0], records=20_000),
    replace(CASES[3], records=2_000),
)


def stage(
    settings: MigrationSettings, records: int, conditions: Mapping[str, Conditions]
) -> AbstractAsyncContextManager[ShapedHosts]:
    shapes = {
        name: Shape(
            tuple(RateWindow(window.count, window.period_s) for window in each.windows),
            Latency(each.low_s, each.high_s, each.has_tail),
        )
        for name, each in conditions.items()
    }
    return shaped_hosts(settings, records=records, shapes=shapes)


async def predicted(
    settings: MigrationSettings, case: Case, conditions: Mapping[str, Conditions], *, step_s: float
) -> Found:
    wishes = Wishes(
        step_s=step_s,
        records={"": case.records},
        latency=conditions,
        allows={name: (parse_window(rate),) for name, rate in case.allows.items()},
    )
    return await bench(settings, wishes, partial(stage, settings), Teller(lambda *_: None, lambda _: None))


async def really(
    settings: MigrationSettings, case: Case, conditions: Mapping[str, Conditions], found: Found, folder: Path
) -> tuple[float, int]:
    """Seconds of the run itself, at the suggested rates, and how many 429s it met: each costs it a rest."""
    suggested = {each.host: each for each in found.suggestions}
    shaped = {
        name: each._replace(windows=_allowed(settings, case, name)) for name, each in conditions.items()
    }
    async with stage(settings, case.records, shaped) as hosts:
        now = {
            name: replace(
                host,
                windows=host.windows
                if name not in suggested or suggested[name].rate is None
                else tuple(parse_window(rate) for rate in suggested[name].rate or ()),
                concurrency=host.concurrency
                if name not in suggested
                else suggested[name].concurrency or host.concurrency,
            )
            for name, host in hosts.settings.hosts.items()
        }
        made = replace(hosts.settings, hosts=MappingProxyType(now), ledger=folder / "real.ledger.db")
        async with open_migration(made) as migration:
            began_at = time.perf_counter()
            summary = await migration.run()
            seconds = time.perf_counter() - began_at
        refused = 0
        for host in hosts.settings.hosts.values():
            if host.url != settings.hosts[host.name].url:
                async with SandboxRecord(host.url) as record:
                    refused += sum(api["too_many"] for api in (await record.stats()).values())
    if summary.exit_code or any(counts.written != case.records for counts in summary.routes.values()):
        raise SystemExit(f"the run ended with {summary}")
    return seconds, refused


def _allowed(settings: MigrationSettings, case: Case, name: str) -> tuple[Window, ...]:
    if name in case.allows:
        return (parse_window(case.allows[name]),)
    return settings.hosts[name].windows or ()


async def judge(case: Case, *, step_s: float) -> bool:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "migration.toml"
        rates = {"old": case.old, "new": case.new, "sizing": case.sizing}
        hosts = [texts.host(name, URL, rate=rate) for name, rate in rates.items()]
        file.write_text(texts.migration("prediction", *hosts, case.routes), encoding="utf-8")
        settings = load_migration(file)
        latency = Latency.parse(case.latency)
        usual = Conditions(low_s=latency.low_s, high_s=latency.high_s, has_tail=latency.has_tail)
        conditions = dict.fromkeys(settings.hosts, usual)
        began_at = time.perf_counter()
        found = await predicted(settings, case, conditions, step_s=step_s)
        bench_s = time.perf_counter() - began_at
        real_s, refused = await really(settings, case, conditions, found, folder)
    told = found.prediction
    if told is None:
        raise SystemExit("nothing was foretold")
    off = told.expected_s / real_s - 1
    is_met = abs(off) <= MOST_OFF and told.low_s <= real_s <= told.high_s
    print(
        f"{case.name[:42]:<42} {case.records:>8,} {told.low_s:>7.1f} {told.expected_s:>9.1f} {told.high_s:>7.1f}"
        f" {real_s:>7.1f} {off:>+7.1%} {refused:>4} {'met' if is_met else 'MISSED':>7}   (bench {bench_s:.0f} s)",
        flush=True,
    )
    return is_met


async def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="two short cases")
    parser.add_argument("--step", type=float, default=2.0, help="seconds that each rate is offered")
    parser.add_argument("--case", type=int, help="one case alone, by its number from 1")
    arguments = parser.parse_args()
    tune()
    cases: tuple[Case, ...] = QUICK if arguments.quick else CASES
    cases = cases if arguments.case is None else cases[arguments.case - 1 : arguments.case]
    print(
        f"{'case':<42} {'records':>8} {'low':>7} {'predicted':>9} {'high':>7} {'real':>7} {'off':>7} {'429s':>4}  goal: within 5 %, and in the range"
    )
    return 0 if all([await judge(case, step_s=arguments.step) for case in cases]) else 1


if __name__ == "__main__":
    sys.exit(anyio.run(main, backend_options={"use_uvloop": True}))
