"""A run finds how fast a host may be asked whose rate nobody states, while what the host is capable of changes.

    python -m benchmarks.knee [--quick] [--seconds 60]

Orders are written one a request to a host without a `rate`, at most 16 at once. Two hosts, side by side, each in a
process of its own and with answers after 20 ms: one works on so many requests a second, one after the other, and its
latency climbs beyond that; the other answers 429 to what is more than so many in any second. Both change: 50/s, 15/s,
80/s, and then 80/s again after a 429 that asks for a pause of 10 s. `--seconds` is how long the first of them holds; the
third holds half as long again, for what is more than before is found at the next look for it, and the last half of it.

`found` is when the five seconds begin that first come to 90 % of what is there; `settled` is the share from then to the
end of the phase. The goals hold for it: at least 90 %, no five seconds of it below 80 % where latency tells and 60 %
where 429s do (a look for more costs a pause of a second or two), and few 429s. A machine that is busy brings more of
them: hosts count what arrives.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from benchmarks import migration_texts as texts
from bulkmove.events import Event, HostSample, Note
from bulkmove.pipeline.migration import open_migration
from bulkmove.sandbox.conditions import Latency, RateWindow
from bulkmove.sandbox.process import SandboxRecord, sandbox_process
from bulkmove.sandbox.settings import SandboxSettings
from bulkmove.transport.latencies import percentile_s

# Requests a second, and for how long beside others.
CAPACITIES = ((50, 1.0), (15, 1.0), (80, 1.5))
LAST = (80, 0.5)
PAUSE_S = 10.0
LATENCY_S = 0.02
LOOK_EVERY_S = 0.5
WINDOW_S = 5.0
QUICK_S = 25.0

FOUND_SHARE = 0.9
LEAST_SETTLED = 0.9
LEAST_WINDOW = {"latency": 0.8, "429": 0.6}
MOST_REFUSED_SHARE = 0.03
KINDS = {"latency": "latency climbs", "429": "answers 429"}


@dataclass(frozen=True, slots=True)
class Look:
    """What a host had served and refused by a moment, as it says itself."""

    at: float
    served: int
    refused: int


@dataclass(slots=True)
class Phase:
    """A time in which one capacity held. `after_pause_s`: how long the host let nothing in at its beginning."""

    capacity: int
    lasts: float = 1.0
    after_pause_s: float = 0.0
    looks: list[Look] = field(default_factory=list)
    latencies: Counter[int] = field(default_factory=Counter)

    def per_s(self, since: float, until: float) -> float:
        within = [look for look in self.looks if since <= look.at <= until]
        return (
            (within[-1].served - within[0].served) / (within[-1].at - within[0].at)
            if len(within) > 1
            else 0.0
        )

    @property
    def began_at(self) -> float:
        return self.looks[0].at + self.after_pause_s

    @property
    def windows(self) -> list[tuple[float, float]]:
        """When each five seconds began, and the share of the capacity that they came to."""
        last = self.looks[-1].at
        begins = [look.at for look in self.looks if self.began_at <= look.at <= last - WINDOW_S]
        return [(at, self.per_s(at, at + WINDOW_S) / self.capacity) for at in begins]

    @property
    def found_at(self) -> float | None:
        return next((at for at, share in self.windows if share >= FOUND_SHARE), None)

    @property
    def refused(self) -> int:
        return self.looks[-1].refused - self.looks[0].refused

    @property
    def served(self) -> int:
        return self.looks[-1].served - self.looks[0].served


class Watcher:
    """Sees the events of one run: how long answers of the host took, and what the run says at its end."""

    def __init__(self) -> None:
        self.latencies: Counter[int] = Counter()
        self.notes: list[str] = []

    def on_event(self, event: Event) -> None:
        if isinstance(event, HostSample) and event.host == "new":
            self.latencies = Counter(event.latencies)
        elif isinstance(event, Note):
            self.notes.append(event.text)


async def watched(kind: str, seconds: float, phases: list[Phase], notes: list[str]) -> None:
    """A run to a host whose capacity goes through the phases, which get what was seen."""
    most = sum(phase.capacity * phase.lasts for phase in phases) * seconds
    sandbox = SandboxSettings(
        orders=int(1.2 * most), products=10, latency=Latency(LATENCY_S, LATENCY_S), wait_seconds=PAUSE_S
    )
    watcher = Watcher()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "migration.toml"
        async with sandbox_process(sandbox) as handle, SandboxRecord(handle.url) as record:
            old, new = texts.host("old", handle.url, rate="50/s"), texts.host("new", handle.url)
            file.write_text(texts.migration("knee", old, new, texts.orders(batch_size=1)), encoding="utf-8")
            await set_capacity(record, kind, phases[0].capacity)
            async with open_migration(file) as migration, anyio.create_task_group() as tasks:
                tasks.start_soon(migration.run, watcher)
                await writes_begin(record)
                for phase in phases:
                    await go_through(phase, record, watcher, kind=kind, seconds=seconds)
                migration.stop()
    notes += watcher.notes


async def set_capacity(record: SandboxRecord, kind: str, per_s: int) -> None:
    limits = {"capacity" if kind == "latency" else "rate": [str(RateWindow(per_s, 1.0))]}
    await record.set_limits(api="external-order", **limits)


async def writes_begin(record: SandboxRecord) -> None:
    while not (await record.stats())["external-order"]["creates"]:  # noqa: ASYNC110  it is another process
        await anyio.sleep(LOOK_EVERY_S / 5)


async def go_through(
    phase: Phase, record: SandboxRecord, watcher: Watcher, *, kind: str, seconds: float
) -> None:
    before = watcher.latencies
    await set_capacity(record, kind, phase.capacity)
    if phase.after_pause_s:
        await record.add_fault("too-many-429", api="external-order", times=1, wait="seconds")
    until = time.monotonic() + phase.lasts * seconds + phase.after_pause_s
    while True:
        stats = (await record.stats())["external-order"]
        now = time.monotonic()
        phase.looks.append(
            Look(now, stats["total"] - stats["too_many"] - stats["in_flight"], stats["too_many"])
        )
        if now >= until:
            break
        await anyio.sleep(LOOK_EVERY_S)
    phase.latencies = watcher.latencies - before


def report(kind: str, phases: Sequence[Phase], notes: Sequence[str]) -> bool:
    print(f"\na host that {KINDS[kind]} beyond its capacity")
    print(
        "    capacity  found after  settled at    share   goal  least 5 s   goal   429s   goal    p50     p99"
    )
    is_met = True
    for phase in phases:
        end = phase.looks[-1].at
        found_at = phase.found_at
        settled = [share for at, share in phase.windows if found_at is not None and at >= found_at]
        per_s = phase.per_s(found_at, end) if found_at is not None else phase.per_s(phase.began_at, end)
        share, least = per_s / phase.capacity, min(settled, default=0.0)
        most_refused = 0 if kind == "latency" else max(20, round(MOST_REFUSED_SHARE * phase.served))
        most_refused += bool(phase.after_pause_s)
        is_good = (
            found_at is not None
            and share >= LEAST_SETTLED
            and least >= LEAST_WINDOW[kind]
            and phase.refused <= most_refused
        )
        is_met &= is_good
        found = "never" if found_at is None else f"{found_at - phase.began_at:.1f} s"
        p50, p99 = (1000 * (percentile_s(phase.latencies, part) or 0) for part in (0.5, 0.99))
        print(
            f"    {phase.capacity:>6}/s  {found:>11}  {per_s:>8.1f}/s  {share:>6.1%}  {LEAST_SETTLED:>5.0%}"
            f"  {least:>9.0%}  {LEAST_WINDOW[kind]:>5.0%}  {phase.refused:>5}  {most_refused:>5}"
            f"  {p50:>4.0f} ms {p99:>4.0f} ms"
            f"{f'  after a pause of {PAUSE_S:.0f} s' if phase.after_pause_s else ''}{'' if is_good else '  MISSED'}"
        )
    for note in notes:
        print(f"    the run says: {note}")
    return is_met


async def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=50.0, help="how long the first capacity holds")
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"{QUICK_S:.0f} s, in which a host that answers 429 is not found again where it allows more",
    )
    arguments = parser.parse_args()
    seconds = QUICK_S if arguments.quick else arguments.seconds
    phases = {
        kind: [*(Phase(*each) for each in CAPACITIES), Phase(*LAST, after_pause_s=PAUSE_S)] for kind in KINDS
    }
    notes: dict[str, list[str]] = {kind: [] for kind in KINDS}
    async with anyio.create_task_group() as tasks:
        for kind in KINDS:
            tasks.start_soon(watched, kind, seconds, phases[kind], notes[kind])
    load, cores = os.getloadavg()[1], os.cpu_count()
    print(
        f"load of this machine meanwhile: {load:.1f} on {cores} cores (busy, late timers cost time and bring 429s)"
    )
    met = [report(kind, phases[kind], notes[kind]) for kind in KINDS]
    print("\ngoals met" if all(met) else "\nGOALS MISSED")
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(anyio.run(main, backend_options={"use_uvloop": True}))
