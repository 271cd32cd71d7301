"""Many seeds, one after the other or side by side, and a table of what became of them."""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from tests.simulation.life import Story, live

_IN_MEMORY = Path("/dev/shm")  # noqa: S108  ledgers that live for some milliseconds
_AT_A_TIME = 50
_KINDS = ("lost", "doubled", "wrong", "unknown")


@dataclass
class Tally:
    """`broken`: the stories in which something does not hold."""

    seeds: int = 0
    records: int = 0
    unknown: int = 0
    requests: int = 0
    seconds: float = 0.0
    ends: Counter[str] = field(default_factory=Counter)
    causes: Counter[str] = field(default_factory=Counter)
    counted: Counter[str] = field(default_factory=Counter)
    seeds_with: Counter[str] = field(default_factory=Counter)
    found: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    broken: list[Story] = field(default_factory=list)

    def add(self, story: Story) -> None:
        self.seeds += 1
        self.records += story.records
        self.unknown += story.unknown
        self.requests += story.requests
        self.seconds += story.seconds
        self.ends.update(story.ends)
        self.causes += story.causes
        self.counted += story.counted
        self.seeds_with.update(story.counted.keys())
        kinds = Counter(violation.kind for violation in story.violations)
        for fault in story.counted:
            self.found[fault].update(kinds)
            self.found[fault]["told as unknown"] += story.unknown
        if story.violations:
            self.broken.append(story)

    def table(self) -> str:
        """A row a fault: how often it came about, in how many seeds, and what was lost, doubled, wrong or unknown there.

        A seed meets several faults, and counts for each. `unknown`: could have been told; `can't be told`: rightly said to
        be unknown.
        """
        head = ("fault", "times", "seeds", *_KINDS, "can't be told")
        rows = [
            (
                fault,
                f"{times:,}",
                f"{self.seeds_with[fault]:,}",
                *(f"{self.found[fault][kind]:,}" for kind in _KINDS),
                f"{self.found[fault]['told as unknown']:,}",
            )
            for fault, times in sorted(self.counted.items(), key=lambda each: (-each[1], each[0]))
        ]
        widths = [max(len(row[place]) for row in [head, *rows]) for place in range(len(head))]
        return "\n".join(
            "  ".join(
                [
                    row[0].ljust(widths[0]),
                    *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
                ]
            )
            for row in [head, *rows]
        )

    def told(self, took_s: float) -> str:
        ends, causes = (
            ", ".join(f"{count:,} {what}" for what, count in counter.most_common())
            for counter in (self.ends, self.causes)
        )
        return (
            f"{self.seeds:,} seeds in {took_s:.0f} s ({60 * self.seeds / took_s:,.0f} a minute): {self.records:,} records,"
            f" {self.requests:,} requests, {self.seconds / 3600:,.0f} h of virtual time;"
            f" {self.unknown:,} records can't be told\nruns: {ends}\nnot moved: {causes}\n{self.table()}\n"
            + "\n".join(told_of(story) for story in self.broken)
        )


def told_of(story: Story) -> str:
    """A broken seed in a few lines, with what brings it back."""
    lines = [f"seed {story.seed} ({', '.join(story.ends)}): python -m tests.simulation {story.seed}"]
    lines += [f"  {kind}: {text}" for kind, text in story.violations[:5]]
    return "\n".join(lines)


@contextmanager
def memory() -> Iterator[Path]:
    """A folder for ledgers, in memory where that can be had."""
    with tempfile.TemporaryDirectory(dir=_IN_MEMORY if _IN_MEMORY.is_dir() else None) as folder:
        yield Path(folder)


def live_all(seeds: Iterable[int]) -> list[Story]:
    with memory() as folder:
        return [live(seed, folder) for seed in seeds]


def run(seeds: Sequence[int], *, jobs: int = 1) -> Tally:
    """All seeds, in `jobs` processes."""
    tally = Tally()
    parts = [seeds[start : start + _AT_A_TIME] for start in range(0, len(seeds), _AT_A_TIME)]
    if jobs == 1:
        for part in parts:
            for story in live_all(part):
                tally.add(story)
        return tally
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for stories in pool.map(live_all, parts):
            for story in stories:
                tally.add(story)
    return tally
